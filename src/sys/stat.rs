//! Parses `/proc/PID/stat`.
//!
//! In: the line, with a name in it that the process chose (hostile). Out: the process's name, its
//! parent, when it started, and whether it still runs. Pure. Not checked: whether the line is about
//! the process that the caller means.

/// `/proc/PID/stat` (proc(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The process's own name.
    pub name: String,
    /// Its parent's process ID, field 4.
    pub parent: u32,
    /// When it started, in clock ticks since boot, field 22.
    pub started: u64,
    /// Whether a thread of it still runs: only its first thread may be a zombie.
    pub is_alive: bool,
}

impl Stat {
    /// Parses a line; `None` if it is not one. The name may hold anything, including brackets and
    /// line ends, and ends with the last bracket.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let (open, close) = (
            line.iter().position(|byte| *byte == b'(')?,
            line.iter().rposition(|byte| *byte == b')')?,
        );
        let name = String::from_utf8_lossy(line.get(open + 1..close)?).into_owned();
        let fields: Vec<&str> = str::from_utf8(&line[close + 1..])
            .ok()?
            .split_ascii_whitespace()
            .collect();
        // Field 3 is the first after the name.
        let field = |number: usize| fields.get(number - 3).copied();
        let threads: u64 = field(20)?.parse().ok()?;
        let is_alive = match field(3)? {
            "Z" => threads > 1,
            "X" | "x" => false,
            _ => true,
        };
        Some(Self {
            name,
            parent: field(4)?.parse().ok()?,
            started: field(22)?.parse().ok()?,
            is_alive,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, state: &str, threads: u32) -> Vec<u8> {
        format!("41 ({name}) {state} 7 41 41 0 -1 4194560 717 0 0 0 0 0 0 0 20 0 {threads} 0 188572 2322432 332\n").into_bytes()
    }

    #[test]
    fn a_name_may_hold_anything() {
        for name in ["sh", "a) Z 1 (b", ")", "", "a\nb", "x y"] {
            let stat = Stat {
                name: name.to_owned(),
                parent: 7,
                started: 188_572,
                is_alive: true,
            };
            assert_eq!(Stat::parse(&line(name, "S", 1)), Some(stat), "{name:?}");
        }
        for broken in [
            &b""[..],
            b"41",
            b"41 (sh",
            b")(",
            b"41 (sh) S 7",
            b"41 (sh) S x 41 41",
        ] {
            assert_eq!(
                Stat::parse(broken),
                None,
                "{}",
                String::from_utf8_lossy(broken)
            );
        }
    }

    #[test]
    fn a_process_lives_as_long_as_one_of_its_threads() {
        for (state, threads, is_alive) in [
            ("S", 1, true),
            ("T", 1, true),
            ("D", 3, true),
            ("Z", 1, false),
            ("Z", 0, false),
            ("Z", 2, true),
            ("X", 1, false),
        ] {
            assert_eq!(
                Stat::parse(&line("sh", state, threads)).unwrap().is_alive,
                is_alive,
                "{state} {threads}"
            );
        }
    }
}

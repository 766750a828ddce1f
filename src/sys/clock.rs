//! Reads the clock, and parses and writes times.
//!
//! A process reads the clock once and passes the time on as a value, so every rule about time can
//! be tested with any time. Times are whole seconds since 1970-01-01T00:00:00Z. In: RFC 3339 text
//! in UTC, which may be hostile. Not checked: whether the clock is right; callers that have a
//! signed time compare the clock with that time.

use std::borrow::Cow;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Seconds since 1970-01-01T00:00:00Z. Embargo never reads an earlier time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// The last second that can be written with a year of four digits: 9999-12-31T23:59:59Z.
const LAST: u64 = 253_402_300_799;

impl Timestamp {
    /// What the system clock shows now. If the clock shows a time before 1970, the result is the
    /// beginning of 1970.
    #[must_use]
    #[allow(clippy::disallowed_methods)] // The one place where the clock is read.
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(since.as_secs().min(LAST))
    }

    /// The time `seconds` after 1970, capped at the end of the year 9999.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(if seconds > LAST { LAST } else { seconds })
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// This time and `seconds` more, capped at the end of the year 9999.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self::from_seconds(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to this time; 0 when `earlier` is later than this time.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads `YYYY-MM-DDThh:mm:ssZ` (RFC 3339, UTC, whole seconds), or `YYYY-MM-DD`, which means
    /// the first second of that day. `None` for anything else, including days that do not exist.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (date, time) = match bytes.len() {
            10 => (bytes, &b"00:00:00"[..]),
            20 if bytes[10] == b'T' && bytes[19] == b'Z' => (&bytes[..10], &bytes[11..19]),
            _ => return None,
        };
        let (hour, minute, second) = time_of(time)?;
        let days = days_of(date)?;
        (second < 60).then_some(Self(days * 86_400 + hour * 3_600 + minute * 60 + second))
    }

    /// Reads a time as users and their tools write it: any `date-time` of RFC 3339, section 5.6,
    /// with any offset, or `YYYY-MM-DD`. Fractions of a second are dropped. A leap second is read
    /// as the first second of the next minute. `None` for anything else, including a time without
    /// an offset.
    #[must_use]
    pub fn parse_any(text: &str) -> Option<Self> {
        let Some((start, rest)) = text.as_bytes().split_at_checked(19) else {
            return Self::parse(text);
        };
        let (hour, minute, second) = time_of(&start[11..])?;
        if !matches!(start[10], b'T' | b't' | b' ') || second > 60 {
            return None;
        }
        let local = days_of(&start[..10])? * 86_400 + hour * 3_600 + minute * 60 + second;
        let utc = match without_fraction(rest)? {
            b"Z" | b"z" => local,
            [sign @ (b'+' | b'-'), offset @ ..] if offset.len() == 5 && offset[2] == b':' => {
                let (hours, minutes) = (number(&offset[..2])?, number(&offset[3..])?);
                let offset =
                    (hours < 24 && minutes < 60).then_some(hours * 3_600 + minutes * 60)?;
                if *sign == b'+' {
                    local.checked_sub(offset)?
                } else {
                    local + offset
                }
            }
            _ => return None,
        };
        (utc <= LAST).then_some(Self(utc))
    }

    /// The day alone, as `YYYY-MM-DD`.
    #[must_use]
    pub fn date(self) -> String {
        let (year, month, day) = civil(self.0 / 86_400);
        format!("{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Display for Timestamp {
    /// Writes `YYYY-MM-DDThh:mm:ssZ` (RFC 3339).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = (self.0 / 3_600 % 24, self.0 / 60 % 60, self.0 % 60);
        write!(f, "{}T{hour:02}:{minute:02}:{second:02}Z", self.date())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        match Self::parse(&text) {
            Some(time) => Ok(time),
            None => Err(de::Error::invalid_value(
                de::Unexpected::Str(&text),
                &"YYYY-MM-DDThh:mm:ssZ or YYYY-MM-DD",
            )),
        }
    }
}

/// The longest duration that is accepted: a hundred years, in milliseconds.
const LONGEST: u64 = 36_525 * 86_400_000;

/// Reads a duration as users write it: a whole number and one of `ms`, `s`, `m`, `h`, `d`, `w`, as
/// in `250ms`, `90s`, `15m`, `14d`. Returns milliseconds. `None` for anything else, including more
/// than a hundred years.
#[must_use]
pub fn milliseconds(text: &str) -> Option<u64> {
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let unit: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    };
    let span = number.parse::<u64>().ok()?.checked_mul(unit)?;
    (span <= LONGEST).then_some(span)
}

/// Reads a duration as [`milliseconds`] does, and returns seconds; `None` if the duration is not a
/// whole number of seconds.
#[must_use]
pub fn duration(text: &str) -> Option<u64> {
    let span = milliseconds(text)?;
    span.is_multiple_of(1_000).then_some(span / 1_000)
}

/// Reads `hh:mm:ss`. The seconds may be any two digits.
fn time_of(time: &[u8]) -> Option<(u64, u64, u64)> {
    if time[2] != b':' || time[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (
        number(&time[..2])?,
        number(&time[3..5])?,
        number(&time[6..])?,
    );
    (hour < 24 && minute < 60).then_some((hour, minute, second))
}

/// The text after the fraction of a second; all of the text if there is no fraction.
fn without_fraction(text: &[u8]) -> Option<&[u8]> {
    let Some(fraction) = text.strip_prefix(b".") else {
        return Some(text);
    };
    let mut rest = fraction;
    while let [b'0'..=b'9', after @ ..] = rest {
        rest = after;
    }
    (rest.len() < fraction.len()).then_some(rest)
}

/// How many days after 1970-01-01 the day `YYYY-MM-DD` is. The year must be 1970 or later.
fn days_of(date: &[u8]) -> Option<u64> {
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let (year, month, day) = (
        number(&date[..4])?,
        number(&date[5..7])?,
        number(&date[8..])?,
    );
    if year < 1970 || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    // The year starts in March here, so that the leap day is its last day (the "days from civil"
    // method of the proleptic Gregorian calendar).
    let (y, m) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
}

/// The year, month and day of a number of days since 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

fn number(digits: &[u8]) -> Option<u64> {
    let mut sum = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        sum = sum * 10 + u64::from(digit - b'0');
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn a_time_is_read_and_written_alike() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:34:56Z", 951_827_696),
            ("2026-11-20T14:00:00Z", 1_795_183_200),
            ("9999-12-31T23:59:59Z", super::LAST),
        ] {
            assert_eq!(
                Timestamp::parse(text).map(Timestamp::seconds),
                Some(seconds),
                "{text}"
            );
            assert_eq!(Timestamp::from_seconds(seconds).to_string(), text);
        }
        assert_eq!(
            Timestamp::parse("2026-11-20"),
            Timestamp::parse("2026-11-20T00:00:00Z")
        );
    }

    #[test]
    fn a_duration_is_a_number_and_its_unit() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("15m", 900),
            ("6h", 21_600),
            ("14d", 1_209_600),
            ("2w", 1_209_600),
            ("2000ms", 2),
            ("36525d", 3_155_760_000),
        ] {
            assert_eq!(super::duration(text), Some(seconds), "{text}");
            assert_eq!(super::milliseconds(text), Some(seconds * 1_000), "{text}");
        }
        assert_eq!(
            (super::milliseconds("250ms"), super::duration("250ms")),
            (Some(250), None)
        );
        for text in [
            "",
            "s",
            "90",
            "1.5h",
            "-1s",
            "+1s",
            " 1s",
            "1 s",
            "1D",
            "d",
            "30",
            "36526d",
            "99999999999999999999d",
            "9999999999999999w",
            "1\u{b5}",
        ] {
            assert_eq!(
                (super::milliseconds(text), super::duration(text)),
                (None, None),
                "{text}"
            );
        }
    }

    #[test]
    fn a_time_of_any_offset_is_the_same_moment() {
        let noon = Timestamp::parse("2026-11-20T12:00:00Z");
        for text in [
            "2026-11-20T12:00:00Z",
            "2026-11-20t12:00:00z",
            "2026-11-20 12:00:00Z",
            "2026-11-20T12:00:00.999Z",
            "2026-11-20T13:00:00+01:00",
            "2026-11-20T17:45:00+05:45",
            "2026-11-21T02:00:00+14:00",
            "2026-11-19T23:30:00-12:30",
            "2026-11-20T12:00:00-00:00",
            "2026-11-20T07:00:00.5-05:00",
            "2026-11-20T11:59:60Z",
        ] {
            assert_eq!(Timestamp::parse_any(text), noon, "{text}");
        }
        assert_eq!(
            Timestamp::parse_any("2026-11-20"),
            Timestamp::parse("2026-11-20")
        );
        for text in [
            "",
            "2026-11-20T12:00:00",
            "2026-11-20T12:00:00+0100",
            "2026-11-20T12:00:00+1:00",
            "2026-11-20T12:00:00+24:00",
            "2026-11-20T12:00:00+01:60",
            "2026-11-20T12:00:00.Z",
            "2026-11-20T12:00:00Z ",
            "2026-11-20T12:00:61Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T12:60:00Z",
            "2026-02-29T12:00:00+01:00",
            "2026-11-20_12:00:00Z",
            "1970-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "tomorrow",
        ] {
            assert_eq!(Timestamp::parse_any(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in [
            "",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-11-20T24:00:00Z",
            "2026-11-20 14:00:00Z",
            "2026-11-20T14:00:00+01:00",
            "1969-12-31",
            "२026-11-2",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}

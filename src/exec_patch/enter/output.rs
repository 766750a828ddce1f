//! Keeps what a patch prints, up to a limit.
//!
//! In: what commands in containers write to two pipes, hostile: gigabytes, escape sequences,
//! invalid UTF-8, no end. Out: a file with the beginning of the output, up to a limit; the number
//! of all bytes; and the last lines of each stream, to show to people. The file has both streams in
//! the order in which they arrived, and a last line that says how much is missing. Memory does not
//! grow with the output, and the command never blocks because nobody reads. A pipe stays open while
//! any process holds it, and a background process may hold it for ever. So after the command's own
//! end the wait is limited. Not checked: whether what a patch prints is true.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::iter::Peekable;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::str::Chars;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::report::line;

/// How many bytes of the end of each stream are held in memory: some thirty lines.
const LONGEST_TAIL: usize = 2 << 10;

/// How many bytes one read takes: as much as a pipe holds.
const CHUNK: usize = 64 << 10;

/// How often one call of [`Collector::take`] reads from each pipe. Without a limit, endless output
/// would keep the worker from checking its deadline.
const CHUNKS: usize = 16;

/// Collects what all commands of a job print in one container.
#[derive(Debug)]
pub struct Collector {
    file: Kept,
    written: u64,
    streams: [OutputStream; 2],
    buffer: Vec<u8>,
}

/// The file for the beginning of the output.
#[derive(Debug)]
struct Kept {
    file: File,
    /// How many more bytes the file may get.
    room: u64,
    /// How many bytes were left out of the file.
    missing: u64,
    /// Whether the last byte in the file ends a line.
    ends_line: bool,
    /// The first error while the file was written; nothing is written after it.
    fault: io::Result<()>,
}

/// A stream of the command: standard output or standard error.
#[derive(Debug, Default)]
struct OutputStream {
    pipe: Option<File>,
    tail: Tail,
}

/// The end of a stream, which is shown to people.
#[derive(Debug, Default)]
struct Tail {
    bytes: VecDeque<u8>,
    is_cut: bool,
}

/// The write ends of the pipes for one command. The runtime inherits them as standard output and
/// standard error; the caller must close them right after it has started the runtime.
#[derive(Debug)]
pub struct Ends {
    /// For standard output.
    pub output: OwnedFd,
    /// For standard error.
    pub error: OwnedFd,
}

/// What is known of the output after the last command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// How many bytes were printed in all.
    pub written: u64,
    /// The last lines of standard output, followed by those of standard error. Unsafe to print on a
    /// terminal before [`strip`].
    pub tail: String,
}

impl Collector {
    /// Opens the file at `path` for up to `limit` bytes. The bytes are appended, because an
    /// interrupted run may already have written output to the file.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path, limit: u64) -> io::Result<Self> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(flags)
            .open(path)?;
        let file = Kept {
            file,
            room: limit,
            missing: 0,
            ends_line: true,
            fault: Ok(()),
        };
        Ok(Self {
            file,
            written: 0,
            streams: <[OutputStream; 2]>::default(),
            buffer: vec![0; CHUNK],
        })
    }

    /// Opens two new pipes for the next command. The pipes of the previous command are no longer
    /// read.
    ///
    /// # Errors
    /// If this process may not open more descriptors.
    pub fn open(&mut self) -> io::Result<Ends> {
        let (from_output, output) = pipe()?;
        let (from_error, error) = pipe()?;
        for (stream, pipe) in self.streams.iter_mut().zip([from_output, from_error]) {
            stream.pipe = Some(pipe);
        }
        Ok(Ends { output, error })
    }

    /// The inodes of the open pipes, which identify a process that holds them. The value for a
    /// closed pipe is 0, which is not the inode of any pipe.
    #[must_use]
    pub fn inodes(&self) -> [u64; 2] {
        let mut inodes = [0; 2];
        for (inode, stream) in inodes.iter_mut().zip(&self.streams) {
            if let Some(pipe) = &stream.pipe
                && let Ok(facts) = pipe.metadata()
            {
                *inode = facts.ino();
            }
        }
        inodes
    }

    /// The descriptors to poll(2) for reading: at most two, and none when both pipes have ended.
    #[must_use]
    pub fn polled(&self) -> Vec<BorrowedFd<'_>> {
        let mut polled = Vec::new();
        for stream in &self.streams {
            polled.extend(stream.pipe.as_ref().map(AsFd::as_fd));
        }
        polled
    }

    /// Reads what the pipes hold, up to a limit for each call, without waiting. A pipe that has
    /// ended is closed.
    pub fn take(&mut self) {
        for number in 0..self.streams.len() {
            for _ in 0..CHUNKS {
                let Some(pipe) = &mut self.streams[number].pipe else {
                    break;
                };
                match pipe.read(&mut self.buffer) {
                    Ok(0) => self.streams[number].pipe = None,
                    Ok(count) => self.keep(number, count),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => self.streams[number].pipe = None,
                }
            }
        }
    }

    /// Called after the command has ended: reads until both pipes have ended, at most for
    /// `patience`, and closes them.
    pub fn close(&mut self, patience: Duration) {
        let end = Instant::now() + patience;
        self.take();
        while !self.polled().is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let mut polled = Vec::new();
            for pipe in self.polled() {
                polled.push(PollFd::new(pipe, PollFlags::POLLIN));
            }
            // A signal ends the wait early, which does no harm: the loop checks the time again.
            let _ready = poll(
                &mut polled,
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
            );
            self.take();
        }
        for stream in &mut self.streams {
            stream.pipe = None;
        }
    }

    /// Called after all commands have ended: closes the file, with a last line that says how much
    /// is missing. The count and the tail are right even if the file could not be written; the
    /// second value is then the first error.
    pub fn finish(mut self) -> (Printed, io::Result<()>) {
        self.file.close();
        let [output, error] = &self.streams;
        let printed = Printed {
            written: self.written,
            tail: output.tail.text() + &error.tail.text(),
        };
        (printed, self.file.fault)
    }

    /// Keeps the first `count` bytes of the buffer in the stream's tail and, if there is room, in
    /// the file.
    fn keep(&mut self, number: usize, count: usize) {
        let piece = &self.buffer[..count];
        self.written += count as u64;
        self.streams[number].tail.push(piece);
        self.file.push(piece);
    }
}

/// Makes a pipe. Reading never blocks; writing does, as programs expect.
fn pipe() -> io::Result<(File, OwnedFd)> {
    let (from, to) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&from, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((from.into(), to))
}

impl Kept {
    fn push(&mut self, piece: &[u8]) {
        let fits = piece
            .len()
            .min(usize::try_from(self.room).unwrap_or(usize::MAX));
        if self.fault.is_ok() && fits > 0 {
            self.fault = self.file.write_all(&piece[..fits]);
            self.ends_line = piece[fits - 1] == b'\n';
        }
        self.room -= fits as u64;
        self.missing += (piece.len() - fits) as u64;
    }

    /// Writes the last line, if output is missing from the file.
    fn close(&mut self) {
        if self.missing > 0 && self.fault.is_ok() {
            let line_end = if self.ends_line { "" } else { "\n" };
            let line = format!(
                "{line_end}[embargo: {} more bytes were printed and are not kept]\n",
                self.missing
            );
            self.fault = self.file.write_all(line.as_bytes());
        }
    }
}

impl Tail {
    fn push(&mut self, piece: &[u8]) {
        let start = piece.len().saturating_sub(LONGEST_TAIL);
        let too_many = (self.bytes.len() + piece.len() - start).saturating_sub(LONGEST_TAIL);
        self.is_cut |= start > 0 || too_many > 0;
        self.bytes.drain(..too_many);
        self.bytes.extend(&piece[start..]);
    }

    /// The complete lines in the tail, or the end of one line that is longer than the tail.
    fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let start = match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) if self.is_cut && end + 1 < bytes.len() => end + 1,
            Some(_) | None => 0,
        };
        let mut text = String::from_utf8_lossy(&bytes[start..]).into_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

/// Makes text safe to print on a terminal. Escape sequences are removed whole, and so are control
/// characters, except line ends and tabs. Characters that change the direction of writing or are
/// invisible are shown as `\u{…}`, bytes that are not UTF-8 as U+FFFD. A bare carriage return ends
/// a line, so that no later text can overwrite what stands before it. An unfinished escape sequence
/// removes at most the rest of its line.
#[must_use]
pub fn strip(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut letters = text.chars().peekable();
    let mut fit = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => escape(&mut letters),
            '\u{9b}' => control_sequence(&mut letters),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => control_string(&mut letters),
            '\r' if letters.peek() == Some(&'\n') => {}
            '\r' => fit.push('\n'),
            '\n' | '\t' => fit.push(letter),
            _ if letter.is_control() => {}
            _ if line::is_unfit(letter) => fit.extend(letter.escape_unicode()),
            _ => fit.push(letter),
        }
    }
    fit
}

/// The characters of a text, read one by one.
type Letters<'a> = Peekable<Chars<'a>>;

/// Skips the rest of an escape sequence, after its ESC (ECMA-35, section 13; ECMA-48, section 5).
fn escape(letters: &mut Letters<'_>) {
    match letters.peek() {
        Some('[') => {
            letters.next();
            control_sequence(letters);
        }
        // DCS, SOS, OSC, PM and APC.
        Some('P' | 'X' | ']' | '^' | '_') => {
            letters.next();
            control_string(letters);
        }
        _ => {
            while letters
                .next_if(|letter| matches!(letter, ' '..='/'))
                .is_some()
            {}
            letters.next_if(|letter| matches!(letter, '0'..='~'));
        }
    }
}

/// Skips the parameters and the final byte of a CSI sequence (ECMA-48, section 5.4).
fn control_sequence(letters: &mut Letters<'_>) {
    while letters
        .next_if(|letter| matches!(letter, ' '..='?'))
        .is_some()
    {}
    letters.next_if(|letter| matches!(letter, '@'..='~'));
}

/// Skips a control string: up to its ST (ECMA-48, section 5.6), to the BEL that xterm accepts in
/// place of ST, or to the end of the line.
fn control_string(letters: &mut Letters<'_>) {
    while let Some(letter) = letters.next_if(|letter| !matches!(letter, '\n' | '\r')) {
        match letter {
            '\u{7}' | '\u{9c}' | '\u{18}' | '\u{1a}' => return,
            '\u{1b}' => {
                letters.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;

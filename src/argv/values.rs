//! Collects the values of the flags that matter to Embargo.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::flags::Purpose;
use super::grammar::{Grammar, Grammars, StartCommand};
use super::reading::{Globals, Parsed, Reading, Stop};

/// The values that were found for the flags that matter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlagValues<'a> {
    pub(super) globals: Globals<'a>,
    bundle: Option<&'a OsStr>,
    pub(super) spec_file: Option<&'a OsStr>,
}

impl<'a> FlagValues<'a> {
    /// Records a flag and its value. A request for help ends the scan; `--help=false` is not such a
    /// request.
    pub(super) fn note(
        &mut self,
        purpose: Purpose,
        value: Option<&'a [u8]>,
    ) -> Result<(), Stop<'a>> {
        let value = value.map(OsStr::from_bytes);
        match purpose {
            Purpose::Bundle => self.bundle = value,
            Purpose::SpecFile => self.spec_file = value,
            Purpose::Root => self.globals.root = value,
            Purpose::Log => self.globals.log = value,
            Purpose::LogFormat => self.globals.log_format = value,
            Purpose::Help if value.is_none() => return Err(Stop::Shows),
            Purpose::Help | Purpose::Other => {}
        }
        Ok(())
    }

    /// The reading for `command` with exactly one positional argument, `id`.
    pub(super) fn reading(
        &self,
        command: StartCommand,
        positional: &[&'a OsStr],
        grammar: Grammar,
    ) -> Result<Parsed<'a>, Stop<'a>> {
        let &[id] = positional else {
            return Err(Stop::Rejected);
        };
        let FlagValues {
            globals,
            bundle,
            spec_file,
        } = *self;
        Ok(Parsed::Starts(Reading {
            command,
            id,
            bundle,
            spec_file,
            globals,
            grammars: Grammars::only(grammar),
        }))
    }
}

//! Checks whether a program would run in an otherwise empty image.
//!
//! In: the name and the bytes of a file, hostile. Out: nothing, or why the program would not run.
//! The ELF header and the program headers are read as the kernel reads them (elf(5); Linux
//! fs/binfmt_elf.c). A program for this machine that names no interpreter is linked statically. Not
//! checked: what the program does.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The bytes with which every program begins.
pub const MAGIC: &[u8] = b"\x7fELF";

/// The number of this machine's instruction set (elf.h, `EM_…`); `None` if this code does not know
/// the number.
const MACHINE: Option<u16> = if cfg!(target_arch = "x86_64") {
    Some(62)
} else if cfg!(target_arch = "aarch64") {
    Some(183)
} else if cfg!(target_arch = "riscv64") {
    Some(243)
} else if cfg!(target_arch = "powerpc64") {
    Some(21)
} else if cfg!(target_arch = "s390x") {
    Some(22)
} else {
    None
};

/// The length of the ELF header and of a program header (elf(5), `Elf64_Ehdr`, `Elf64_Phdr`).
const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;

/// `PT_INTERP`: the program is started by an interpreter, which the image would have to contain.
const INTERPRETER: u32 = 3;

/// Prefixes of the names of files that hold many programs in one (`busybox.static`,
/// `toybox-x86_64`).
const MANY_IN_ONE: [&str; 2] = ["busybox", "toybox"];

/// Why a program would not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProgram {
    /// The file is a script.
    #[error("it is a script")]
    Script,
    /// The file is neither a script nor an ELF file.
    #[error("it is no program")]
    NotElf,
    /// The program is for another machine.
    #[error("it is a program for another machine")]
    Machine,
    /// The file is an object file, a core file, or damaged.
    #[error("it is a damaged program, or not one that can be started")]
    Form,
    /// The program needs the dynamic linker and libraries from the image.
    #[error(
        "it is linked dynamically, and would look for its linker and libraries in the container"
    )]
    Dynamic,
    /// The file holds many programs in one and selects one of them by the name with which it is
    /// started.
    #[error(
        "it does what the name says that it is started by, and there that is the number of a descriptor"
    )]
    ManyInOne,
}

impl NotProgram {
    /// What the operator can do about the error.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Script => "--script FILE runs a script",
            Self::NotElf | Self::Form => "it takes a program in ELF form, linked statically",
            Self::Machine => "build it for the machine that this runs on",
            Self::Dynamic => "link it statically (cc -static, CGO_ENABLED=0, a musl target)",
            Self::ManyInOne => "use a program that does one thing, or a shell such as bash-static",
        }
    }
}

/// Checks that the file's name is not the name of a file that holds many programs in one. Such a
/// file fails when it is started as `/proc/self/fd/3` (`busybox: 3: applet not found`, seen with
/// 1.35.0; toybox does the same). Not checked: files with many programs in one that have other
/// names.
///
/// # Errors
/// [`NotProgram::ManyInOne`].
pub fn check_name(name: &OsStr) -> Result<(), NotProgram> {
    for one in MANY_IN_ONE {
        if name.as_bytes().starts_with(one.as_bytes()) {
            return Err(NotProgram::ManyInOne);
        }
    }
    Ok(())
}

/// Checks that this machine's kernel can start the program without any other file.
///
/// # Errors
/// [`NotProgram`].
pub fn check(bytes: &[u8]) -> Result<(), NotProgram> {
    if !bytes.starts_with(MAGIC) {
        return Err(if bytes.starts_with(b"#!") {
            NotProgram::Script
        } else {
            NotProgram::NotElf
        });
    }
    let own_order = if cfg!(target_endian = "little") { 1 } else { 2 };
    let is_own = bytes[MAGIC.len()..].starts_with(&[2, own_order]);
    if !is_own || (MACHINE.is_some() && half(bytes, 18) != MACHINE) {
        return Err(NotProgram::Machine);
    }
    // ET_EXEC, or ET_DYN: a program that can be loaded at any address.
    let Some(2 | 3) = half(bytes, 16) else {
        return Err(NotProgram::Form);
    };
    match kinds(bytes) {
        None => Err(NotProgram::Form),
        Some(headers) if headers.contains(&INTERPRETER) => Err(NotProgram::Dynamic),
        Some(_) => Ok(()),
    }
}

/// The types of the program headers; `None` if the headers are incomplete, or if nothing would be
/// loaded. A shared library without an interpreter differs from a program by its entry point only.
fn kinds(bytes: &[u8]) -> Option<Vec<u32>> {
    let entry = long(bytes, 24)?;
    let start = usize::try_from(long(bytes, 32)?).ok()?;
    let (size, number) = (usize::from(half(bytes, 54)?), usize::from(half(bytes, 56)?));
    if entry == 0 || size != PROGRAM_HEADER || number == 0 || start < HEADER {
        return None;
    }
    let table = bytes.get(start..start.checked_add(size.checked_mul(number)?)?)?;
    let mut kinds = Vec::new();
    for header in table.chunks_exact(size) {
        kinds.push(u32::from_ne_bytes(*header.first_chunk()?));
    }
    Some(kinds)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program for this machine, with program headers of these types.
    fn program(kinds: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, MAGIC);
        put(4, &[2, if cfg!(target_endian = "little") { 1 } else { 2 }]);
        put(16, &2_u16.to_ne_bytes());
        put(18, &MACHINE.unwrap_or(0).to_ne_bytes());
        put(24, &0x40_1000_u64.to_ne_bytes());
        put(32, &64_u64.to_ne_bytes());
        put(54, &56_u16.to_ne_bytes());
        put(56, &u16::try_from(kinds.len()).unwrap().to_ne_bytes());
        for kind in kinds {
            bytes.extend(kind.to_ne_bytes());
            bytes.extend([0; PROGRAM_HEADER - 4]);
        }
        bytes
    }

    fn with(at: usize, value: &[u8]) -> Vec<u8> {
        let mut bytes = program(&[1, 2]);
        bytes[at..at + value.len()].copy_from_slice(value);
        bytes
    }

    #[test]
    fn a_program_that_looks_at_its_name_is_recognised_by_it() {
        for (name, expected) in [
            ("busybox", Err(NotProgram::ManyInOne)),
            ("busybox.static", Err(NotProgram::ManyInOne)),
            ("toybox-x86_64", Err(NotProgram::ManyInOne)),
            ("busy", Ok(())),
            ("bash-static", Ok(())),
            ("my-busybox-fix", Ok(())),
        ] {
            assert_eq!(check_name(OsStr::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn a_static_program_for_this_machine_passes_and_nothing_else() {
        for (bytes, expected) in [
            (program(&[1, 2, 1]), Ok(())),
            (with(16, &3_u16.to_ne_bytes()), Ok(())),
            (program(&[6, 3, 1]), Err(NotProgram::Dynamic)),
            (program(&[]), Err(NotProgram::Form)),
            (program(&[1, 2])[..170].to_vec(), Err(NotProgram::Form)),
            (program(&[1])[..6].to_vec(), Err(NotProgram::Machine)),
            (MAGIC.to_vec(), Err(NotProgram::Machine)),
            (with(4, &[1]), Err(NotProgram::Machine)),
            (with(18, &40_u16.to_ne_bytes()), Err(NotProgram::Machine)),
            (with(16, &1_u16.to_ne_bytes()), Err(NotProgram::Form)),
            (with(24, &[0; 8]), Err(NotProgram::Form)),
            (with(32, &[0xff; 8]), Err(NotProgram::Form)),
            (with(54, &[0xff; 4]), Err(NotProgram::Form)),
            (b"#!/bin/sh\n".to_vec(), Err(NotProgram::Script)),
            (b"echo".to_vec(), Err(NotProgram::NotElf)),
            (Vec::new(), Err(NotProgram::NotElf)),
        ] {
            assert_eq!(check(&bytes), expected, "{bytes:x?}");
        }
    }
}

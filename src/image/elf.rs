//! Reads the path of the dynamic loader from the ELF header of a program.
//!
//! The path differs between architectures and C libraries, and only the program contains it. `ldd` is a shell script
//! that supports only the loaders of the host.

/// The kind of a program file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// Dynamically linked, with the loader at this path.
    Dynamic(String),
    /// Statically linked.
    Static,
    /// Not a binary, for example a wrapper script.
    Foreign,
}

/// The type of the program header that contains the loader's path (`PT_INTERP`).
const INTERPRETER: u64 = 3;

/// Reads the header of a program. A truncated or unsupported header results in [`Program::Foreign`].
pub(crate) fn inspect(bytes: &[u8]) -> Program {
    if !bytes.starts_with(b"\x7fELF") {
        return Program::Foreign;
    }
    program_headers(bytes).unwrap_or(Program::Foreign)
}

fn program_headers(bytes: &[u8]) -> Option<Program> {
    let wide = *bytes.get(4)? == 2;
    let big_endian = *bytes.get(5)? == 2;
    let number = |at: usize, width: usize| -> Option<u64> {
        let field = bytes.get(at..at.checked_add(width)?)?;
        let fold = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
        Some(if big_endian {
            field.iter().fold(0, fold)
        } else {
            field.iter().rev().fold(0, fold)
        })
    };
    let position = |at, width| number(at, width).and_then(|value| usize::try_from(value).ok());
    let (table, size, count) = if wide {
        (position(32, 8)?, position(54, 2)?, position(56, 2)?)
    } else {
        (position(28, 4)?, position(42, 2)?, position(44, 2)?)
    };
    for index in 0..count {
        let header = table.checked_add(index.checked_mul(size)?)?;
        if number(header, 4)? != INTERPRETER {
            continue;
        }
        let (offset, length) = if wide {
            (position(header + 8, 8)?, position(header + 32, 8)?)
        } else {
            (position(header + 4, 4)?, position(header + 16, 4)?)
        };
        let path = bytes.get(offset..offset.checked_add(length)?)?;
        let path = std::str::from_utf8(path).ok()?.trim_end_matches('\0');
        return Some(Program::Dynamic(path.to_owned()));
    }
    Some(Program::Static)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a 64-bit little-endian header with one program header that names `loader`.
    fn binary(kind: u8, loader: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = 1;
        bytes[64] = kind;
        bytes[64 + 8] = 120;
        bytes[64 + 32] = u8::try_from(loader.len()).unwrap();
        bytes.extend_from_slice(loader);
        bytes
    }

    #[test]
    fn the_loader_is_read_from_the_header() {
        assert_eq!(
            inspect(&binary(3, b"/lib/ld-linux-aarch64.so.1\0")),
            Program::Dynamic("/lib/ld-linux-aarch64.so.1".to_owned())
        );
        assert_eq!(inspect(&binary(1, b"")), Program::Static);
    }

    #[test]
    fn a_script_and_a_stump_are_no_programs() {
        assert_eq!(inspect(b"#!/bin/sh\nexec x"), Program::Foreign);
        assert_eq!(inspect(b"\x7fELF\x02"), Program::Foreign);
        assert_eq!(inspect(&binary(3, b"/lib/ld.so")[..121]), Program::Foreign);
    }

    #[test]
    fn this_very_test_has_a_loader_that_exists() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        if let Program::Dynamic(loader) = inspect(&bytes) {
            assert!(std::path::Path::new(&loader).exists(), "{loader}");
        }
    }
}

//! Writes a `.tar.gz` without compression: stored blocks are valid gzip (RFC 1951, 3.2.4; RFC 1952).

use std::path::Path;

use crate::error::{Error, ErrorKind};

/// Writes the files below a directory in the archive, readable only by this user.
pub fn write(path: &Path, folder: &str, files: &[(String, String)]) -> Result<(), Error> {
    let wrong = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("cannot write {}", path.display()))
            .because(error)
            .hint("Choose a file in a writable directory.")
    };
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        archive
            .append_data(&mut header, format!("{folder}/{name}"), text.as_bytes())
            .map_err(wrong)?;
    }
    std::fs::write(path, gzip(&archive.into_inner().map_err(wrong)?)).map_err(wrong)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = bytes.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    out.extend(crc32(bytes).to_le_bytes());
    out.extend(
        u32::try_from(bytes.len() & 0xffff_ffff)
            .unwrap_or_default()
            .to_le_bytes(),
    );
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let folded = bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                sum >> 1 ^ 0xedb8_8320
            } else {
                sum >> 1
            }
        })
    });
    !folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}

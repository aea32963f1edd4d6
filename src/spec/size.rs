//! Memory sizes in the format of `redis.conf`.

use crate::error::{Error, ErrorKind, Result};

/// Parses a size such as `256mb` in the format of `redis.conf`: `k`, `m` and `g` are powers of 1000, `kb`,
/// `mb` and `gb` are powers of 1024.
///
/// # Errors
/// [`ErrorKind::Usage`] if `text` is not a size.
pub fn bytes(text: &str) -> Result<u64> {
    let bad = || {
        Error::new(ErrorKind::Usage, format!("`{text}` is not a size"))
            .hint("Give a number and a unit, such as `256mb` or `2gb`.")
    };
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &lower[digits.len()..] {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return Err(bad()),
    };
    let number: u64 = digits.trim().parse().map_err(|_| bad())?;
    number.checked_mul(unit).ok_or_else(bad)
}

/// Formats a size for `redis.conf`, in the largest unit that divides it.
pub fn size(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_in_the_file() {
        assert_eq!(size(4 << 30), "4gb");
        assert_eq!(size(1536 << 20), "1536mb");
        assert_eq!(size(1000), "1000");
    }

    #[test]
    fn units_are_those_of_the_servers() {
        for (text, size) in [
            ("64mb", 67_108_864),
            ("1G", 1_000_000_000),
            ("512", 512),
            ("2 kb", 2048),
        ] {
            assert_eq!(bytes(text).unwrap(), size, "{text}");
        }
        for bad in ["", "mb", "1.5gb", "-1", "64mib", "99999999999gb"] {
            assert_eq!(bytes(bad).unwrap_err().kind(), ErrorKind::Usage, "{bad}");
        }
    }
}

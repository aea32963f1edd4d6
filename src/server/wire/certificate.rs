//! Expiry of a certificate.

use std::time::{Duration, UNIX_EPOCH};

/// Returns `notAfter` of a certificate (DER), in seconds since 1970 (RFC 5280, 4.1.2.5), or `None` if it is
/// missing.
pub(crate) fn ends(der: &[u8]) -> Option<u64> {
    // Only the validity has two consecutive times. The tag of UTCTime is 23, that of GeneralizedTime is 24.
    (0..der.len()).find_map(|at| {
        let (_, after) = time(der, at)?;
        time(der, after).map(|(ends, _)| ends)
    })
}

/// Parses the time that begins at `at`, and returns it with its end position.
fn time(der: &[u8], at: usize) -> Option<(u64, usize)> {
    let (kind, length) = (*der.get(at)?, usize::from(*der.get(at + 1)?));
    let text = std::str::from_utf8(der.get(at + 2..at + 2 + length)?).ok()?;
    let digits = text.strip_suffix('Z')?;
    let whole = match (kind, digits.len()) {
        // A two-digit year is between 1950 and 2049.
        (23, 12) if digits < "50" => format!("20{digits}"),
        (23, 12) => format!("19{digits}"),
        (24, 14) => digits.to_owned(),
        _ => return None,
    };
    if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| &whole[from..to];
    let stamp = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    );
    let moment = humantime::parse_rfc3339(&stamp).ok()?;
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Some((since.as_secs(), at + 2 + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let key = rcgen::KeyPair::generate().unwrap();
        for (year, wanted) in [(2024, 1_704_067_200), (2051, 2_556_144_000)] {
            let mut params = rcgen::CertificateParams::default();
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            let signed = params.self_signed(&key).unwrap();
            assert_eq!(ends(signed.der()), Some(wanted), "{year}");
        }
        assert_eq!(ends(b"nothing"), None);
    }
}

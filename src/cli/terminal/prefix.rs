//! Lines of several nodes in one stream, prefixed with the node name.

use owo_colors::{AnsiColors, OwoColorize as _};

const COLOURS: [AnsiColors; 6] = [
    AnsiColors::Cyan,
    AnsiColors::Yellow,
    AnsiColors::Green,
    AnsiColors::Magenta,
    AnsiColors::Blue,
    AnsiColors::Red,
];

/// Returns the prefix of a node's lines, padded to the common width: `rcup-x-1  | `.
pub fn of(name: &str, widest: usize, nth: usize) -> String {
    let padded = format!("{name:<widest$} |");
    format!("{} ", padded.color(COLOURS[nth % COLOURS.len()]))
}

/// Splits a byte stream into lines.
#[derive(Default)]
pub struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Returns the lines completed by `bytes`, without line ends.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        String::from_utf8_lossy(&whole)
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Returns the rest after the last line end.
    pub fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.rest);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_across_pieces() {
        let mut lines = Lines::default();
        assert!(lines.push(b"on").is_empty());
        assert_eq!(lines.push(b"e\r\ntwo\nthr\xc3"), ["one", "two"]);
        assert!(lines.push(b"\xa9").is_empty());
        assert_eq!(lines.rest().unwrap(), "thré");
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn prefixes_stand_under_each_other() {
        let plain = |text: &str| anstream::adapter::strip_str(text).to_string();
        assert_eq!(plain(&of("rcup-x-1", 9, 0)), "rcup-x-1  | ");
        assert_eq!(plain(&of("rcup-x-10", 9, 9)), "rcup-x-10 | ");
    }
}

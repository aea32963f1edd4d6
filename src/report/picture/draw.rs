//! SVG primitives: text, rectangles and lines. The style sheet of the page sets their colours by class.

use std::fmt::Write as _;

use crate::report::markup::escaped;

/// The width of a diagram in SVG units.
pub(crate) const WIDTH: u64 = 960;

/// The approximate width of a letter of a name in SVG units.
pub(crate) const LETTER: u64 = 8;

/// Shortens a name to `most` characters. Keeps the beginning and the end, because node names differ at the end.
fn shortened(name: &str, most: usize) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= most.max(8) {
        return name.to_owned();
    }
    let end = most.max(8) / 2;
    let begin = most.max(8) - end - 1;
    let (first, last) = (&letters[..begin], &letters[letters.len() - end..]);
    first.iter().chain(&['…']).chain(last).collect()
}

/// An SVG diagram in progress.
pub(crate) struct Drawing(String);

impl Drawing {
    pub(crate) fn new(width: u64, height: u64, title: &str) -> Self {
        let title = escaped(title);
        Self(format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\">"
        ))
    }

    pub(crate) fn text(&mut self, x: u64, y: u64, class: &str, words: &str) {
        let words = escaped(words);
        let _ = write!(
            self.0,
            "<text x=\"{x}\" y=\"{y}\" class=\"{class}\">{words}</text>"
        );
    }

    /// Draws a bar with a tooltip.
    pub(crate) fn bar(&mut self, (x, y): (u64, u64), (width, height): (u64, u64), class: &str, title: &str) {
        let (width, title) = (width.max(1), escaped(title));
        let _ = write!(
            self.0,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"3\" class=\"{class}\"><title>{title}</title></rect>"
        );
    }

    pub(crate) fn upright(&mut self, x: u64, (from, to): (u64, u64), class: &str) {
        let _ = write!(
            self.0,
            "<line x1=\"{x}\" y1=\"{from}\" x2=\"{x}\" y2=\"{to}\" class=\"{class}\"/>"
        );
    }

    /// Draws a name, shortened to `width`, with the full name as a tooltip.
    pub(crate) fn name(&mut self, (x, y): (u64, u64), width: u64, name: &str) {
        let shown = escaped(&shortened(
            name,
            usize::try_from(width / LETTER).unwrap_or_default(),
        ));
        let whole = escaped(name);
        let _ = write!(
            self.0,
            "<text x=\"{x}\" y=\"{y}\" class=\"name\">{shown}<title>{whole}</title></text>"
        );
    }

    /// Draws a symbol in a circle with a tooltip.
    pub(crate) fn sign(&mut self, (x, y): (u64, u64), sign: &str, class: &str, title: &str) {
        let (sign, title) = (escaped(sign), escaped(title));
        let _ = write!(
            self.0,
            "<g class=\"{class}\"><circle cx=\"{x}\" cy=\"{}\" r=\"9\"/><text x=\"{x}\" y=\"{}\" \
             text-anchor=\"middle\">{sign}</text><title>{title}</title></g>",
            y + 11,
            y + 15
        );
    }

    pub(crate) fn done(mut self) -> String {
        self.0.push_str("</svg>");
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_the_end_that_tells_it_from_others() {
        assert_eq!(shortened("rcup-orders-1", 20), "rcup-orders-1");
        assert_eq!(shortened("rcup-orders-integration-12", 12), "rcup-…ion-12");
    }
}

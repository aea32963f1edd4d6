//! Tables without borders; one column is wrapped on a narrow terminal.

use std::fmt::Write as _;

use owo_colors::{OwoColorize as _, Style};

/// The space between two columns.
const GAP: usize = 2;

/// Minimum width of the wrapped column.
const NARROWEST: usize = 10;

/// A cell: text and style.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Returns a cell with a colour or a weight.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            style,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

/// A table.
#[derive(Debug)]
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    flexible: usize,
    right: Vec<usize>,
}

impl Table {
    /// Returns a table with these headings; the last column is wrapped. Without headings, only rows are
    /// drawn.
    pub fn new(head: &[&'static str]) -> Self {
        Self {
            head: head.to_vec(),
            rows: Vec::new(),
            flexible: head.len().saturating_sub(1),
            right: Vec::new(),
        }
    }

    /// Selects another column to wrap.
    #[must_use]
    pub fn flexible(mut self, column: usize) -> Self {
        self.flexible = column;
        self
    }

    /// Aligns a column of numbers to the right.
    #[must_use]
    pub fn right(mut self, column: usize) -> Self {
        self.right.push(column);
        self
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Returns the text with colours. `columns` is the maximum width, if any.
    pub fn render(&self, columns: Option<usize>) -> String {
        let mut widths: Vec<usize> = self.head.iter().map(|head| width(head)).collect();
        for row in &self.rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(width(&cell.text));
            }
        }
        let total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        if let (Some(columns), Some(flexible)) = (columns, widths.get_mut(self.flexible)) {
            let least = NARROWEST.min(*flexible);
            *flexible = flexible.saturating_sub(total.saturating_sub(columns)).max(least);
        }
        let mut text = String::new();
        if self.head.iter().any(|head| !head.is_empty()) {
            let head: Vec<Cell> = self
                .head
                .iter()
                .map(|head| Cell::styled(*head, Style::new().bold()))
                .collect();
            self.line(&mut text, &head, &widths);
        }
        for row in &self.rows {
            self.line(&mut text, row, &widths);
        }
        text
    }

    /// Adds one row, wrapped over several lines.
    fn line(&self, text: &mut String, row: &[Cell], widths: &[usize]) {
        let wrapped = row
            .get(self.flexible)
            .map(|cell| wrap(&cell.text, widths[self.flexible]))
            .unwrap_or_default();
        for nth in 0..wrapped.len().max(1) {
            let mut line = String::new();
            let mut pending = 0;
            for (column, cell) in row.iter().enumerate() {
                let part = match (column == self.flexible, nth) {
                    (true, _) => wrapped.get(nth).map_or("", String::as_str),
                    (false, 0) => &cell.text,
                    (false, _) => "",
                };
                let room = widths[column].saturating_sub(width(part));
                let (before, after) = if self.right.contains(&column) {
                    (room, 0)
                } else {
                    (0, room)
                };
                if part.is_empty() {
                    pending += widths[column] + GAP;
                } else {
                    line.push_str(&" ".repeat(pending + before));
                    let _ = write!(line, "{}", part.style(cell.style));
                    pending = after + GAP;
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
}

/// Returns the width of a text; all characters that rcup prints have width 1.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// Wraps a text at spaces so that no line is wider than `room`, unless a word is.
pub fn wrap(text: &str, room: usize) -> Vec<String> {
    if width(text) <= room {
        return vec![text.to_owned()];
    }
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && width(&line) + 1 + width(word) > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(table: &Table, columns: Option<usize>) -> String {
        anstream::adapter::strip_str(&table.render(columns)).to_string()
    }

    fn table() -> Table {
        let mut table = Table::new(&["#", "ROLE", "SLOTS"]).right(0);
        table.row([
            "1".into(),
            Cell::styled("master", Style::new().bold()),
            "0-5460 6000 6002-7000".into(),
        ]);
        table.row(["10".into(), "replica".into(), "".into()]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_spaces() {
        assert_eq!(
            plain(&table(), None),
            " #  ROLE     SLOTS\n 1  master   0-5460 6000 6002-7000\n10  replica\n"
        );
    }

    #[test]
    fn the_flexible_column_gives_way_and_keeps_its_place() {
        assert_eq!(
            plain(&table(), Some(26)),
            " #  ROLE     SLOTS\n 1  master   0-5460 6000\n             6002-7000\n10  replica\n"
        );
    }

    #[test]
    fn a_word_that_is_too_long_stays_whole() {
        assert_eq!(wrap("a bcdefghijkl m", 4), ["a", "bcdefghijkl", "m"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn no_heading_draws_only_rows() {
        let mut table = Table::new(&["", ""]);
        table.row(["a".into(), "b".into()]);
        assert_eq!(plain(&table, Some(80)), "a  b\n");
    }
}

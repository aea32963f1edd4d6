//! YAML as the exports write it: by hand, so that anchors and comments stand where a reader needs them.

/// A text as a scalar in single quotes, in which nothing but the quote itself is special.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The lines of `text`, each but the empty ones `columns` in, as they stand below a `|`.
pub fn block(text: &str, columns: usize) -> String {
    let indent = " ".repeat(columns);
    text.lines().fold(String::new(), |mut block, line| {
        if !line.is_empty() {
            block.push_str(&indent);
            block.push_str(line);
        }
        block.push('\n');
        block
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_quoted_text_is_special() {
        assert_eq!(quoted(r#"{"a": "it's"}"#), r#"'{"a": "it''s"}'"#);
    }

    #[test]
    fn a_block_keeps_its_empty_lines_without_blanks() {
        assert_eq!(block("a\n\nb\n", 2), "  a\n\n  b\n");
    }
}

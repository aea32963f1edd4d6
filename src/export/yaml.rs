//! Helpers that write YAML as text, which gives full control over anchors and comments.

/// Returns the text as a single-quoted scalar, in which only the quote itself needs escaping.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Indents the non-empty lines of `text` by `columns`, for a literal block (`|`).
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

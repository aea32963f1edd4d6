//! Pieces of the client snippets.

/// Lines of code, indented by so many blanks, one for each item.
pub(crate) fn lines<T>(items: &[T], blanks: usize, line: impl Fn(&T) -> String) -> String {
    let indent = " ".repeat(blanks);
    items.iter().fold(String::new(), |mut text, item| {
        text.push_str(&indent);
        text.push_str(&line(item));
        text.push('\n');
        text
    })
}

/// The text, or nothing.
pub(crate) fn when(condition: bool, text: &str) -> &str {
    if condition { text } else { "" }
}

/// What a map is for, as a sentence in a comment.
pub(crate) const WHY: &str = "The address that a node advertises, and the address to connect to.";

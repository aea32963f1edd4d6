//! Helpers for the client snippets.

/// Returns one line of code for each item, indented by `blanks` spaces.
pub(crate) fn lines<T>(items: &[T], blanks: usize, line: impl Fn(&T) -> String) -> String {
    let indent = " ".repeat(blanks);
    items.iter().fold(String::new(), |mut text, item| {
        text.push_str(&indent);
        text.push_str(&line(item));
        text.push('\n');
        text
    })
}

/// Returns the text if the condition is true, or an empty string.
pub(crate) fn when(condition: bool, text: &str) -> &str {
    if condition { text } else { "" }
}

/// The comment that explains an address map in a snippet.
pub(crate) const WHY: &str = "The address that a node advertises, and the address to connect to.";

//! One key of `rcup.toml` with its value and its position.

use serde::Serialize;
use toml::de::DeValue;

/// A key of the file with its values, in the syntax of the flag of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// One value per occurrence of the flag.
    pub values: Vec<String>,
    /// Byte offset of the key.
    pub at: usize,
    /// Byte offset of the end of its value.
    pub end: usize,
}

/// An error at a position in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Error message.
    pub message: String,
    /// Hint.
    pub hint: String,
    /// Byte offset.
    pub at: usize,
    /// Byte offset up to which its line may be shown; `None` if it may contain a secret.
    pub shown: Option<usize>,
}

pub(crate) fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        _ => None,
    }
}

/// Origin of a flag's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The command line.
    Flag,
    /// A variable `RCUP_…`.
    Environment,
    /// The file.
    File,
}

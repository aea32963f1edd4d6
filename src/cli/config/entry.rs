//! One key of `rcup.toml` with its value and its position.

use serde::Serialize;
use toml::de::DeValue;

/// A key of the file with its values, as the flag of that name takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// A value for each time the flag is given.
    pub values: Vec<String>,
    /// Where the key begins in the text, in bytes.
    pub at: usize,
    /// Where its value ends.
    pub end: usize,
}

/// What is wrong at a place of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What.
    pub message: String,
    /// What to try.
    pub hint: String,
    /// Where, in bytes.
    pub at: usize,
    /// How far its line may be shown, in bytes; `None` where a secret may stand in it.
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

/// Who gave a flag its value.
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

//! A file that is written for somebody.

use std::fmt;

use crate::spec::secret::Secret;

/// Where an export's password lies, beside its files.
pub const PASSWORD_FILE: &str = "secrets/password";

/// A file of an export.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// Its path below the directory of the export, with slashes.
    pub path: String,
    /// Its permissions.
    pub mode: u32,
    /// Its text, which ends with a newline.
    pub contents: String,
    /// Whether nobody else may enter its directory, because it is a secret.
    pub secret: bool,
}

impl Document {
    /// A file that everybody may read.
    pub fn new(path: impl Into<String>, contents: String) -> Self {
        Self {
            path: path.into(),
            mode: 0o644,
            contents,
            secret: false,
        }
    }

    /// The file from which what is exported takes its password. Nobody else can enter its directory; the file
    /// itself is open, because Compose shows it to the nodes' user as it is.
    pub fn password(password: &Secret) -> Self {
        Self {
            secret: true,
            ..Self::new(PASSWORD_FILE, format!("{}\n", password.expose()))
        }
    }

    /// The same with other permissions.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }
}

impl fmt::Debug for Document {
    /// Without the text, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("path", &self.path)
            .field("mode", &format_args!("{:o}", self.mode))
            .field("bytes", &self.contents.len())
            .finish_non_exhaustive()
    }
}

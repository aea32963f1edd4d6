//! A file of an export.

use std::fmt;

use crate::spec::secret::Secret;

/// Path of the password file of an export, relative to the directory of the export.
pub const PASSWORD_FILE: &str = "secrets/password";

/// A file of an export.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// Path relative to the directory of the export, with slashes.
    pub path: String,
    /// Permissions.
    pub mode: u32,
    /// Text, which ends with a newline.
    pub contents: String,
    /// Whether the file is a secret, so that only its owner may enter its directory.
    pub secret: bool,
}

impl Document {
    /// Creates a file that all users may read.
    pub fn new(path: impl Into<String>, contents: String) -> Self {
        Self {
            path: path.into(),
            mode: 0o644,
            contents,
            secret: false,
        }
    }

    /// Creates the password file. Only its owner can enter its directory. The file itself is world-readable,
    /// because Compose mounts it for the nodes' user with the same permissions.
    pub fn password(password: &Secret) -> Self {
        Self {
            secret: true,
            ..Self::new(PASSWORD_FILE, format!("{}\n", password.expose()))
        }
    }

    /// Sets the permissions.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }
}

impl fmt::Debug for Document {
    /// Omits the text, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("path", &self.path)
            .field("mode", &format_args!("{:o}", self.mode))
            .field("bytes", &self.contents.len())
            .finish_non_exhaustive()
    }
}

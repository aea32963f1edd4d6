//! Applies fixes and reads the resulting kernel values.

use std::process::Stdio;

use crate::doctor::fix::Remedy;
use crate::error::{Error, ErrorKind, Result};

/// A kernel file after the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// Path.
    pub path: String,
    /// Current contents.
    pub now: String,
    /// Whether the contents match the requested value.
    pub done: bool,
}

/// Runs the commands of the fix as root (through sudo if this process is not root), and reads the kernel
/// files afterwards.
///
/// # Errors
/// [`ErrorKind::Host`] with the output of the commands when they cannot be run or fail.
pub async fn mend(remedy: &Remedy) -> Result<Vec<Mended>> {
    let script = format!("set -e; {}", remedy.commands().join("; "));
    let root = rustix::process::geteuid().is_root();
    let mut command = if root {
        tokio::process::Command::new("sh")
    } else {
        let mut sudo = tokio::process::Command::new("sudo");
        sudo.args(["--", "sh"]);
        sudo
    };
    // Inherit standard input: sudo may ask for a password.
    let output = command
        .args(["-c", &script])
        .stdin(Stdio::inherit())
        .output()
        .await
        .map_err(|error| {
            Error::new(ErrorKind::Host, "cannot become root to change kernel settings")
                .because(error)
                .hint(
                    "Run `sudo rcup doctor --fix`, or send the output of `rcup doctor --script` to an \
                administrator.",
                )
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::new(ErrorKind::Host, format!("`{script}` failed"))
            .details(said.lines())
            .hint("Containers and some kernels do not allow changing these settings."));
    }
    Ok(remedy
        .change
        .writes()
        .into_iter()
        .map(|(path, wanted)| {
            let now = std::fs::read_to_string(&path)
                .map_or_else(|error| error.to_string(), |text| text.trim().to_owned());
            let done = now == wanted || now.split_whitespace().any(|word| word == format!("[{wanted}]"));
            Mended { path, now, done }
        })
        .collect())
}

//! The distribution of this machine, which determines the package sources.

use std::path::{Path, PathBuf};

/// The distribution of this machine, or the one that it derives from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Distribution {
    pub(crate) family: Family,
    /// The suite of this machine, if the distribution names one.
    pub(crate) codename: Option<String>,
}

/// The distribution whose packages apt downloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Debian,
    Ubuntu,
}

impl Family {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Debian => "Debian",
            Self::Ubuntu => "Ubuntu",
        }
    }

    /// Returns the directory name of the archive on a mirror, which is also the name of its keyring.
    pub(crate) fn directory(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Ubuntu => "ubuntu",
        }
    }

    /// Returns the archive components to use. Ubuntu has both servers in `universe`; Debian has everything in `main`.
    pub(crate) fn components(self) -> &'static str {
        match self {
            Self::Debian => "main",
            Self::Ubuntu => "main universe",
        }
    }

    /// Returns the archive's keyring. Newer releases changed the file's extension.
    pub(crate) fn keyring(self) -> Option<PathBuf> {
        ["gpg", "pgp"]
            .iter()
            .map(|ending| {
                PathBuf::from(format!(
                    "/usr/share/keyrings/{}-archive-keyring.{ending}",
                    self.directory()
                ))
            })
            .find(|path| path.exists())
    }
}

impl Distribution {
    /// Reads `/etc/os-release`. `None` if the machine runs neither Debian nor Ubuntu nor a derivative of them.
    pub(crate) fn of_this_machine() -> Option<Self> {
        ["/etc/os-release", "/usr/lib/os-release"]
            .iter()
            .find_map(|path| std::fs::read_to_string(Path::new(path)).ok())
            .and_then(|text| Self::parse(&text))
    }

    /// Parses `os-release`. A derivative has its own code name in `VERSION_CODENAME` and that of its parent in another
    /// field. Mirrors of the parent have only suites with the parent's code name.
    fn parse(text: &str) -> Option<Self> {
        let field = |key: &str| {
            text.lines().find_map(|line| {
                let value = line.trim().strip_prefix(key)?.strip_prefix('=')?;
                let value = value.trim_matches(['"', '\'']);
                (!value.is_empty()).then(|| value.to_owned())
            })
        };
        let id = field("ID").unwrap_or_default();
        let like = field("ID_LIKE").unwrap_or_default();
        let descends_from = |name: &str| id == name || like.split_whitespace().any(|l| l == name);
        let (family, parents_codename) = if descends_from("ubuntu") {
            (Family::Ubuntu, "UBUNTU_CODENAME")
        } else if descends_from("debian") {
            (Family::Debian, "DEBIAN_CODENAME")
        } else {
            return None;
        };
        Some(Self {
            family,
            codename: field(parents_codename).or_else(|| field("VERSION_CODENAME")),
        })
    }

    /// Returns the suites to try for [`Source::Auto`](super::Source::Auto), in order of preference.
    pub(crate) fn candidates(&self) -> Vec<String> {
        let mut suites: Vec<String> = Vec::new();
        if let Some(codename) = &self.codename {
            suites.push(codename.clone());
            suites.push(format!("{codename}-backports"));
        }
        if self.family == Family::Debian {
            for suite in ["trixie", "sid"] {
                if !suites.iter().any(|known| known == suite) {
                    suites.push(suite.to_owned());
                }
            }
        }
        suites
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(family: Family, codename: &str) -> Distribution {
        Distribution {
            family,
            codename: Some(codename.to_owned()),
        }
    }

    #[test]
    fn the_distributions_and_their_children_are_told_apart() {
        assert_eq!(
            Distribution::parse("VERSION_CODENAME=bookworm\nID=debian\n"),
            Some(distribution(Family::Debian, "bookworm"))
        );
        assert_eq!(
            Distribution::parse(
                "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n"
            ),
            Some(distribution(Family::Ubuntu, "noble"))
        );
        assert_eq!(Distribution::parse("ID=fedora\nVERSION_CODENAME=\"\"\n"), None);
        assert_eq!(Distribution::parse(""), None);
    }

    #[test]
    fn a_debian_without_a_code_name_is_still_a_debian() {
        let unnamed = Distribution::parse("ID=debian\nPRETTY_NAME='x'").unwrap();
        assert_eq!(unnamed.codename, None);
        assert_eq!(unnamed.candidates(), ["trixie", "sid"]);
    }

    #[test]
    fn the_nearest_suite_comes_first_and_none_twice() {
        assert_eq!(
            distribution(Family::Debian, "bookworm").candidates(),
            ["bookworm", "bookworm-backports", "trixie", "sid"]
        );
        assert_eq!(
            distribution(Family::Debian, "trixie").candidates(),
            ["trixie", "trixie-backports", "sid"]
        );
        assert_eq!(
            distribution(Family::Ubuntu, "noble").candidates(),
            ["noble", "noble-backports"]
        );
    }
}

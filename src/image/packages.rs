//! Parses the output of apt about packages. This module runs no processes.

use std::collections::BTreeMap;

/// The properties of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) needs: Vec<String>,
}

/// Checks whether `apt-cache madison` lists a version from `suite` itself or from its updates.
pub(crate) fn is_offered(madison: &str, suite: &str) -> bool {
    madison.lines().any(|line| {
        let origin = line.rsplit('|').next().unwrap_or_default();
        let Some(listed) = origin.split_whitespace().nth(1) else {
            return false;
        };
        let listed = listed.split('/').next().unwrap_or_default();
        listed
            .strip_prefix(suite)
            .is_some_and(|rest| matches!(rest, "" | "-security" | "-updates"))
    })
}

/// Parses the stanzas of `apt-cache show`.
pub(crate) fn stanzas(text: &str) -> Vec<Package> {
    let mut packages: Vec<Package> = Vec::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(": ") else {
            continue;
        };
        if key == "Package" {
            packages.push(Package {
                name: value.trim().to_owned(),
                ..Package::default()
            });
        }
        let Some(package) = packages.last_mut() else {
            continue;
        };
        match key {
            "Version" => value.trim().clone_into(&mut package.version),
            "Depends" | "Pre-Depends" => package.needs.extend(depends(value)),
            _ => {}
        }
    }
    packages
}

/// Returns the names in a `Depends` field. Of alternatives, it takes the first, which the distribution prefers.
fn depends(field: &str) -> impl Iterator<Item = String> + '_ {
    field.split(',').filter_map(|clause| {
        let name = clause.split('|').next()?.split('(').next()?.trim();
        let name = name.split(':').next()?;
        (!name.is_empty()).then(|| name.to_owned())
    })
}

/// Checks whether a package may contain a shared library. Other packages (init helpers, debconf, user management) are
/// not needed, because maintainer scripts do not run. Debian names a library package after its soname, except zlib and
/// the Lua modules that the servers of older suites link.
pub(crate) fn is_library(name: &str) -> bool {
    ["lib", "zlib1g", "lua-"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// Returns the dependencies of the known packages that are not yet known.
pub(crate) fn missing(known: &BTreeMap<String, Package>) -> Vec<String> {
    let mut names: Vec<String> = known
        .values()
        .flat_map(|package| &package.needs)
        .filter(|name| is_library(name) && !known.contains_key(*name))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Returns the upstream part of a package version: `7.0.15` of `5:7.0.15-1~deb12u6`.
pub(crate) fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(start, _)| start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_the_suite_beneath_does_not_count_as_offered() {
        let madison = " redis-server | 5:7.0.15-1 | http://m.test/debian bookworm/main amd64 Packages\n";
        assert!(is_offered(madison, "bookworm"));
        assert!(!is_offered(madison, "bookworm-backports"));
        assert!(!is_offered("", "bookworm"));
        assert!(is_offered(
            "r | 1 | http://m.test/x bookworm-security/main amd64 Packages",
            "bookworm"
        ));
    }

    #[test]
    fn the_walk_follows_libraries_only_and_ends() {
        let text = "\
Package: redis-tools
Version: 5:7.0.15-1~deb12u6
Pre-Depends: init-system-helpers (>= 1.54~)
Depends: libc6 (>= 2.36), libjemalloc2:any | libjemalloc1, adduser, zlib1g
Description: a store: with a colon

Package: libc6
Version: 2.36-9
Depends: libgcc-s1
";
        let packages = stanzas(text);
        assert_eq!(packages[0].version, "5:7.0.15-1~deb12u6");
        assert_eq!(
            packages[0].needs,
            [
                "init-system-helpers",
                "libc6",
                "libjemalloc2",
                "adduser",
                "zlib1g"
            ]
        );
        let known: BTreeMap<_, _> = packages
            .into_iter()
            .map(|package| (package.name.clone(), package))
            .collect();
        assert_eq!(missing(&known), ["libgcc-s1", "libjemalloc2", "zlib1g"]);
    }

    #[test]
    fn the_upstream_version_is_between_epoch_and_revision() {
        assert_eq!(upstream("5:7.0.15-1~deb12u6"), "7.0.15");
        assert_eq!(upstream("8.1.1+dfsg1-3"), "8.1.1+dfsg1");
        assert_eq!(upstream("9.0"), "9.0");
    }
}

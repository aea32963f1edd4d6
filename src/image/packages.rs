//! Understands what apt prints. Nothing here runs anything.

use std::collections::BTreeMap;

use super::machine::{Distribution, Family};

/// One source that the machine's own apt reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mirror {
    pub(super) site: String,
    pub(super) suite: String,
    pub(super) component: String,
}

/// What is to be known about one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) needs: Vec<String>,
}

/// Reads `apt-get update --print-uris`.
///
/// `apt-get indextargets` is the official question, but it names only indices that were downloaded already,
/// and a fresh container or cloud image has none. This one answers from the configuration alone.
pub(super) fn mirrors(text: &str) -> Vec<Mirror> {
    text.lines()
        .filter_map(|line| {
            let uri = line.strip_prefix('\'')?.split('\'').next()?;
            let (address, path) = uri.split_once("/dists/")?;
            // `bookworm/main/binary-amd64/Packages.xz`; the signed index of the suite has no such part.
            let (path, _) = path.rsplit_once("/binary-")?;
            let (suite, component) = path.rsplit_once('/')?;
            Some(Mirror {
                site: address.to_owned(),
                suite: suite.to_owned(),
                component: component.to_owned(),
            })
        })
        .collect()
}

/// The site that carries the distribution itself.
///
/// Third parties serve suites of the same name, so the site that also serves the suite's updates wins, then
/// the one in a directory of the distribution's name.
pub(super) fn main_site<'a>(mirrors: &'a [Mirror], distribution: &Distribution) -> Option<&'a str> {
    let own = distribution.codename.as_deref();
    let score = |mirror: &Mirror| {
        let updates = format!("{}-updates", mirror.suite);
        let has_updates = mirrors
            .iter()
            .any(|other| other.site == mirror.site && other.suite == updates);
        let in_directory = mirror
            .site
            .trim_end_matches('/')
            .ends_with(distribution.family.directory());
        u8::from(Some(&*mirror.suite) == own) * 4
            + u8::from(has_updates) * 2
            + u8::from(in_directory)
    };
    mirrors
        .iter()
        .filter(|mirror| mirror.component == "main" && !is_extra(&mirror.suite))
        // `max_by_key` would take the last of equals, and apt prefers the first.
        .rev()
        .max_by_key(|mirror| score(mirror))
        .map(|mirror| &*mirror.site)
}

fn is_extra(suite: &str) -> bool {
    ["-security", "-updates", "-backports"]
        .iter()
        .any(|ending| suite.ends_with(ending))
}

/// The stable suite under a suite: `bookworm` for `bookworm-backports`.
pub(super) fn base(suite: &str) -> &str {
    suite.strip_suffix("-backports").unwrap_or(suite)
}

/// The lines of a `sources.list` for `suite`: it alone, or with what the machine's own suite gets as well.
///
/// Backports hold few libraries, so their stable suite comes with them.
pub(super) fn sources(
    suite: &str,
    address: &str,
    extras: &[Mirror],
    options: &str,
    family: Family,
) -> String {
    let components = family.components();
    let line =
        |address: &str, suite: &str| format!("deb [{options}] {address} {suite} {components}\n");
    let mut lines = line(address, suite);
    if base(suite) != suite {
        lines.push_str(&line(address, base(suite)));
    }
    for extra in extras {
        lines.push_str(&line(&extra.site, &extra.suite));
    }
    lines
}

/// The security and stable updates for `suite`, on the sites where the machine gets them for its own.
///
/// Rolling suites have none.
pub(super) fn extras(suite: &str, mirrors: &[Mirror], own: Option<&str>) -> Vec<Mirror> {
    let Some(own) = own else { return Vec::new() };
    if ["sid", "unstable", "testing", "experimental", "devel"].contains(&suite) {
        return Vec::new();
    }
    ["-security", "-updates"]
        .iter()
        .filter_map(|ending| {
            let mirror = mirrors.iter().find(|mirror| {
                mirror.component == "main" && mirror.suite == format!("{own}{ending}")
            })?;
            Some(Mirror {
                suite: format!("{}{ending}", base(suite)),
                ..mirror.clone()
            })
        })
        .collect()
}

/// Whether `apt-cache madison` lists a version from `suite` itself, or from its updates.
pub(super) fn is_offered(madison: &str, suite: &str) -> bool {
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

/// Reads the stanzas of `apt-cache show`.
pub(super) fn stanzas(text: &str) -> Vec<Package> {
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

/// The names in a `Depends` field. Of alternatives, the first is what the distribution prefers.
fn depends(field: &str) -> impl Iterator<Item = String> + '_ {
    field.split(',').filter_map(|clause| {
        let name = clause.split('|').next()?.split('(').next()?.trim();
        let name = name.split(':').next()?;
        (!name.is_empty()).then(|| name.to_owned())
    })
}

/// Whether a package may hold a shared library. The others (init helpers, debconf, user management) would
/// only be weight: no maintainer script ever runs. Debian names a library after its soname, but for zlib and
/// for the Lua modules that the servers of older suites link.
pub(super) fn is_library(name: &str) -> bool {
    ["lib", "zlib1g", "lua-"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// What the known packages need that is not known yet.
pub(super) fn missing(known: &BTreeMap<String, Package>) -> Vec<String> {
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

/// The upstream part of a package's version: `7.0.15` of `5:7.0.15-1~deb12u6`.
pub(super) fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(start, _)| start)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URIS: &str = "\
'http://third.test/linux/debian/dists/bookworm/InRelease' a 0
'http://third.test/linux/debian/dists/bookworm/main/binary-amd64/Packages.xz' a 0
'http://mirror.test/debian/dists/bookworm/InRelease' b 0
'http://mirror.test/debian/dists/bookworm/main/binary-amd64/Packages.xz' b 0
'http://mirror.test/debian/dists/bookworm/main/dep11/Components-amd64.yml.xz' b 0
'http://mirror.test/debian/dists/bookworm-updates/main/binary-amd64/Packages.xz' b 0
'http://safe.test/sec/dists/bookworm-security/main/binary-amd64/Packages.xz' b 0
";

    fn bookworm() -> Distribution {
        Distribution {
            family: Family::Debian,
            codename: Some("bookworm".to_owned()),
        }
    }

    #[test]
    fn the_distributions_own_mirror_is_found_among_others() {
        let mirrors = mirrors(URIS);
        assert_eq!(mirrors.len(), 4);
        assert_eq!(
            main_site(&mirrors, &bookworm()),
            Some("http://mirror.test/debian")
        );
        assert_eq!(main_site(&[], &bookworm()), None);
    }

    #[test]
    fn updates_come_from_where_the_machine_has_its_own() {
        let mirrors = mirrors(URIS);
        let suites = |suite| -> Vec<String> {
            extras(suite, &mirrors, Some("bookworm"))
                .into_iter()
                .map(|extra| format!("{} {}", extra.site, extra.suite))
                .collect()
        };
        assert_eq!(
            suites("trixie"),
            [
                "http://safe.test/sec trixie-security",
                "http://mirror.test/debian trixie-updates"
            ]
        );
        assert_eq!(suites("bookworm-backports"), suites("bookworm"));
        assert!(suites("sid").is_empty());
        assert!(extras("trixie", &mirrors, None).is_empty());
    }

    #[test]
    fn backports_stand_on_their_stable_suite() {
        assert_eq!(
            sources(
                "bookworm-backports",
                "http://m.test",
                &[],
                "arch=arm64",
                Family::Debian
            ),
            "deb [arch=arm64] http://m.test bookworm-backports main\n\
             deb [arch=arm64] http://m.test bookworm main\n"
        );
        assert_eq!(
            sources("noble", "http://m.test", &[], "x", Family::Ubuntu),
            "deb [x] http://m.test noble main universe\n"
        );
    }

    #[test]
    fn a_version_of_the_suite_beneath_does_not_count_as_offered() {
        let madison =
            " redis-server | 5:7.0.15-1 | http://m.test/debian bookworm/main amd64 Packages\n";
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

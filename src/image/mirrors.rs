//! Parses the mirrors that apt prints, and writes sources for another apt.

use crate::image::machine::{Distribution, Family};

/// A source of the machine's own apt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    pub(crate) site: String,
    pub(crate) suite: String,
    pub(crate) component: String,
}

/// Parses the output of `apt-get update --print-uris`.
///
/// `apt-get indextargets` is the official interface, but it lists only indices that are already downloaded, and a new
/// container or cloud image has none. `--print-uris` needs only the configuration.
pub(crate) fn parse(text: &str) -> Vec<Mirror> {
    text.lines()
        .filter_map(|line| {
            let uri = line.strip_prefix('\'')?.split('\'').next()?;
            let (address, path) = uri.split_once("/dists/")?;
            // `bookworm/main/binary-amd64/Packages.xz`. The URI of the suite's signed index does not contain
            // `/binary-`.
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

/// Returns the site that offers the distribution itself.
///
/// Third parties offer suites of the same name. The site that also offers the suite's updates therefore has precedence,
/// then the site with a directory of the distribution's name.
pub(crate) fn main_site<'a>(mirrors: &'a [Mirror], distribution: &Distribution) -> Option<&'a str> {
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
        u8::from(Some(&*mirror.suite) == own) * 4 + u8::from(has_updates) * 2 + u8::from(in_directory)
    };
    mirrors
        .iter()
        .filter(|mirror| mirror.component == "main" && !is_extra(&mirror.suite))
        // `max_by_key` returns the last of equal elements, but apt prefers the first.
        .rev()
        .max_by_key(|mirror| score(mirror))
        .map(|mirror| &*mirror.site)
}

fn is_extra(suite: &str) -> bool {
    ["-security", "-updates", "-backports"]
        .iter()
        .any(|ending| suite.ends_with(ending))
}

/// Returns the stable suite of a suite: `bookworm` for `bookworm-backports`.
pub(crate) fn base(suite: &str) -> &str {
    suite.strip_suffix("-backports").unwrap_or(suite)
}

/// Returns the lines of a `sources.list` for `suite`, optionally with the updates that the machine's own suite gets.
///
/// Backports contain few libraries, so their stable suite is added.
pub(crate) fn sources(
    suite: &str,
    address: &str,
    extras: &[Mirror],
    options: &str,
    family: Family,
) -> String {
    let components = family.components();
    let line = |address: &str, suite: &str| format!("deb [{options}] {address} {suite} {components}\n");
    let mut lines = line(address, suite);
    if base(suite) != suite {
        lines.push_str(&line(address, base(suite)));
    }
    for extra in extras {
        lines.push_str(&line(&extra.site, &extra.suite));
    }
    lines
}

/// Returns the security and stable updates for `suite`, from the sites that the machine uses for its own updates.
///
/// Rolling suites have none.
pub(crate) fn extras(suite: &str, mirrors: &[Mirror], own: Option<&str>) -> Vec<Mirror> {
    let Some(own) = own else { return Vec::new() };
    if ["sid", "unstable", "testing", "experimental", "devel"].contains(&suite) {
        return Vec::new();
    }
    ["-security", "-updates"]
        .iter()
        .filter_map(|ending| {
            let mirror = mirrors
                .iter()
                .find(|mirror| mirror.component == "main" && mirror.suite == format!("{own}{ending}"))?;
            Some(Mirror {
                suite: format!("{}{ending}", base(suite)),
                ..mirror.clone()
            })
        })
        .collect()
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
        let mirrors = parse(URIS);
        assert_eq!(mirrors.len(), 4);
        assert_eq!(
            main_site(&mirrors, &bookworm()),
            Some("http://mirror.test/debian")
        );
        assert_eq!(main_site(&[], &bookworm()), None);
    }

    #[test]
    fn updates_come_from_where_the_machine_has_its_own() {
        let mirrors = parse(URIS);
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
}

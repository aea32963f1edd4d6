//! Reads the variables, mounts and ports of a service of a Compose file.

use crate::import::resolve::Sources;
use crate::import::tree::{Tree, Value};

/// Returns an environment variable of the container, and its line.
pub(crate) fn variable<'a>(service: &'a Tree, name: &str) -> Option<(usize, &'a str)> {
    let value = service.get("environment")?.get(name)?;
    Some((value.line, value.text()))
}

/// Returns the number of containers of the service. The error contains the line and the invalid value.
pub(crate) fn copies(service: &Tree) -> Result<usize, (usize, String)> {
    let of_deploy = service.get("deploy").and_then(|deploy| deploy.get("replicas"));
    match service.get("scale").or(of_deploy) {
        None => Ok(1),
        Some(number) => number
            .text()
            .parse()
            .map_err(|_| (number.line, number.text().to_owned())),
    }
}

/// Reads files of a service's container.
#[derive(Clone, Copy)]
pub(crate) struct Contents<'a> {
    /// The Compose file, whose `configs` and `secrets` define those of the services.
    pub(crate) tree: &'a Tree,
    pub(crate) sources: &'a Sources<'a>,
}

impl Contents<'_> {
    /// Returns the text of a file that is mounted from the host, directly or in a directory, or that is a `config` or a
    /// `secret`.
    pub(crate) fn text(&self, service: &Tree, path: &str) -> Option<String> {
        let all = mounts(service);
        let mount = all
            .iter()
            .filter(|mount| mount.is_path() && mount.holds(path))
            .max_by_key(|mount| mount.target.len());
        if let Some(mount) = mount {
            let source = mount.source.as_deref()?.trim_end_matches('/');
            return (self.sources.file)(&format!("{source}{}", mount.below(path)?));
        }
        [("configs", "/"), ("secrets", "/run/secrets/")]
            .iter()
            .find_map(|(kind, base)| {
                let given = service.get(kind).map(Tree::items).unwrap_or_default();
                let item = given.iter().find(|item| {
                    let source = item.get("source").unwrap_or(item).text();
                    let target = item.get("target").map_or(source, Tree::text);
                    target == path || format!("{base}{target}") == path
                })?;
                let source = item.get("source").unwrap_or(item).text();
                self.defined(self.tree.get(kind)?.get(source)?)
            })
    }

    fn defined(&self, definition: &Tree) -> Option<String> {
        let text = |key: &str| definition.get(key).map(Tree::text);
        if let Some(path) = text("file") {
            return (self.sources.file)(path);
        }
        text("content")
            .map(ToOwned::to_owned)
            .or_else(|| (self.sources.variable)(text("environment")?))
    }
}

/// A mount of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) line: usize,
    /// The volume name or the path; `None` for an anonymous volume.
    pub(crate) source: Option<String>,
    /// The path in the container.
    pub(crate) target: String,
    /// Whether its contents are deleted with the container.
    pub(crate) is_fleeting: bool,
}

impl Mount {
    /// Checks whether its source is a path on the host.
    pub(crate) fn is_path(&self) -> bool {
        let source = self.source.as_deref().unwrap_or_default();
        source.starts_with(['.', '/', '~'])
    }

    /// Checks whether the mount contains `path`.
    pub(crate) fn holds(&self, path: &str) -> bool {
        self.below(path).is_some()
    }

    /// Returns the part of `path` below the target.
    pub(crate) fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.target.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

/// Returns all mounts, in the short and in the long syntax.
pub(crate) fn mounts(service: &Tree) -> Vec<Mount> {
    let all = service.get("volumes").map(Tree::items).unwrap_or_default();
    all.iter()
        .filter_map(|item| match &item.value {
            Value::Map(_) => {
                let text = |key: &str| item.get(key).map(Tree::text).unwrap_or_default();
                Some(Mount {
                    line: item.line,
                    source: Some(text("source").to_owned()).filter(|source| !source.is_empty()),
                    target: text("target").to_owned(),
                    is_fleeting: text("type") == "tmpfs",
                })
            }
            Value::Text(text) => {
                let mut parts = text.split(':');
                let first = parts.next()?.to_owned();
                let (source, target) = match parts.next() {
                    Some(target) => (Some(first), target.to_owned()),
                    None => (None, first),
                };
                Some(Mount {
                    line: item.line,
                    source,
                    target,
                    is_fleeting: false,
                })
            }
            Value::List(_) | Value::Null => None,
        })
        .collect()
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) line: usize,
    /// The host address, if specified.
    pub(crate) host: Option<String>,
    /// The host port; `None` if the container engine chooses one.
    pub(crate) published: Option<u16>,
    /// The container port.
    pub(crate) inside: u16,
}

/// Returns all ports, in the short and in the long syntax. A range results in one entry for each port.
pub(crate) fn ports(service: &Tree) -> Vec<Port> {
    let all = service.get("ports").map(Tree::items).unwrap_or_default();
    all.iter()
        .flat_map(|item| port(item).unwrap_or_default())
        .collect()
}

fn port(item: &Tree) -> Option<Vec<Port>> {
    let (host, published, inside);
    if let Value::Map(_) = item.value {
        let text = |key: &str| item.get(key).map(Tree::text).filter(|text| !text.is_empty());
        host = text("host_ip").map(ToOwned::to_owned);
        published = text("published");
        inside = text("target")?;
    } else {
        let text = item.text().split('/').next()?;
        // Split from the end, because an IPv6 address contains colons.
        let mut parts = text.rsplitn(3, ':');
        inside = parts.next()?;
        published = parts.next().filter(|port| !port.is_empty());
        host = parts.next().map(ToOwned::to_owned);
    }
    let (first, last) = range(inside)?;
    let published = match published {
        Some(published) => Some(range(published)?),
        None => None,
    };
    // For a host port range with a single container port, Docker chooses one host port for each container.
    let one_inside = first == last;
    let count = match published {
        Some((low, high)) if one_inside => high.checked_sub(low)?,
        _ => last.checked_sub(first)?,
    };
    let own = (0..=count).map(|nth| Port {
        line: item.line,
        host: host.clone(),
        published: published.map(|(low, _)| low.saturating_add(nth)),
        inside: if one_inside {
            first
        } else {
            first.saturating_add(nth)
        },
    });
    Some(own.collect())
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    Some((low.parse().ok()?, high.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_containers_is_no_guess() {
        let read = |text: &str| copies(&Tree::read(text).unwrap());
        assert_eq!(read("image: x\n"), Ok(1));
        assert_eq!(read("scale: 2\n"), Ok(2));
        assert_eq!(read("deploy: { replicas: 6 }\n"), Ok(6));
        assert_eq!(read("image: x\nscale: six\n"), Err((2, "six".to_owned())));
    }

    #[test]
    fn configs_and_secrets_are_files_of_the_container() {
        let tree = Tree::read(
            "services:\n  a:\n    configs: [plain, { source: c, target: /etc/c.conf }]\n    secrets: [s, { source: e, target: own }]\n\
             configs: { plain: { content: one }, c: { file: ./c } }\nsecrets: { s: { external: true }, e: { environment: E } }\n",
        )
        .unwrap();
        let sources = Sources {
            file: &|path| (path == "./c").then(|| "two".to_owned()),
            variable: &|name| (name == "E").then(|| "three".to_owned()),
        };
        let contents = Contents {
            tree: &tree,
            sources: &sources,
        };
        let service = tree.get("services").unwrap().get("a").unwrap();
        let all = [
            "/plain",
            "/etc/c.conf",
            "/run/secrets/own",
            "/run/secrets/s",
            "/x",
        ];
        assert_eq!(
            all.map(|path| contents.text(service, path).unwrap_or_default()),
            ["one", "two", "three", "", ""]
        );
    }

    #[test]
    fn mounts_are_read_in_both_forms() {
        let text = "volumes:\n  - data:/data\n  - ./redis.conf:/etc/redis/redis.conf:ro\n  - /scratch\n  - type: tmpfs\n    \
                    target: /tmp\n  - { type: volume, source: other, target: /data/ }\n";
        let all = mounts(&Tree::read(text).unwrap());
        let told: Vec<String> = all
            .iter()
            .map(|mount| {
                let source = mount.source.as_deref().unwrap_or("-");
                format!("{} {source} {} {}", mount.line, mount.target, mount.is_fleeting)
            })
            .collect();
        assert_eq!(
            told,
            [
                "2 data /data false",
                "3 ./redis.conf /etc/redis/redis.conf false",
                "4 - /scratch false",
                "5 - /tmp true",
                "7 other /data/ false"
            ]
        );
        assert!(all[1].is_path() && !all[0].is_path());
        assert!(all[0].holds("/data") && all[0].holds("/data/7001") && !all[0].holds("/database"));
        assert!(all[4].holds("/data"));
    }

    #[test]
    fn ports_are_read_in_both_forms() {
        let text = "ports:\n  - '7001:6379'\n  - 127.0.0.1:7001:7001/tcp\n  - '6379'\n  - '[::1]:7001:6379'\n  - target: 6379\n    \
                    published: '7001'\n    host_ip: 127.0.0.1\n  - { target: 16379 }\n  - 7000-7001:7000-7001\n  - '7002-7003:6379'\n";
        let told: Vec<String> = ports(&Tree::read(text).unwrap())
            .iter()
            .map(|port| {
                let published = port.published.map_or("-".to_owned(), |port| port.to_string());
                let host = port.host.as_deref().unwrap_or("-");
                format!("{} {host} {published} {}", port.line, port.inside)
            })
            .collect();
        assert_eq!(
            told,
            [
                "2 - 7001 6379",
                "3 127.0.0.1 7001 7001",
                "4 - - 6379",
                "5 [::1] 7001 6379",
                "6 127.0.0.1 7001 6379",
                "9 - - 16379",
                "10 - 7000 7000",
                "10 - 7001 7001",
                "11 - 7002 6379",
                "11 - 7003 6379"
            ]
        );
    }
}

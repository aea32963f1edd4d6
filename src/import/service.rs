//! What a service of a Compose file says besides its command: its variables, its mounts, its ports.

use crate::import::tree::{Tree, Value};

/// A variable of the container's, and the line on which it stands.
pub(crate) fn variable<'a>(service: &'a Tree, name: &str) -> Option<(usize, &'a str)> {
    let all = service.get("environment")?;
    match &all.value {
        Value::Map(_) => all.get(name).map(|value| (value.line, value.text())),
        _ => all.items().iter().find_map(|item| {
            let (key, value) = item.text().split_once('=')?;
            (key == name).then_some((item.line, value))
        }),
    }
}

/// How many containers the service has.
pub(crate) fn copies(service: &Tree) -> usize {
    let of_deploy = service.get("deploy").and_then(|deploy| deploy.get("replicas"));
    let said = of_deploy.or_else(|| service.get("scale"));
    said.and_then(|number| number.text().parse().ok()).unwrap_or(1)
}

/// Something that is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) line: usize,
    /// A volume's name or a path; nothing for a volume without a name.
    pub(crate) source: Option<String>,
    /// Where the container sees it.
    pub(crate) target: String,
    /// Whether it is gone with the container.
    pub(crate) is_fleeting: bool,
}

impl Mount {
    /// Whether its source is a path of the host.
    pub(crate) fn is_path(&self) -> bool {
        let source = self.source.as_deref().unwrap_or_default();
        source.starts_with(['.', '/', '~'])
    }

    /// Whether what lies at `path` lies on it.
    pub(crate) fn holds(&self, path: &str) -> bool {
        self.below(path).is_some()
    }

    /// The rest of `path` below the target.
    pub(crate) fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.target.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

/// All mounts, in the short form and in the long one.
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
            Value::List(_) => None,
        })
        .collect()
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) line: usize,
    /// The address of the host, if one is named.
    pub(crate) host: Option<String>,
    /// The host's port; nothing where the engine takes any.
    pub(crate) published: Option<u16>,
    /// The container's port.
    pub(crate) inside: u16,
}

/// All ports, in the short form and in the long one. Ranges are left out.
pub(crate) fn ports(service: &Tree) -> Vec<Port> {
    let all = service.get("ports").map(Tree::items).unwrap_or_default();
    all.iter().filter_map(port).collect()
}

fn port(item: &Tree) -> Option<Port> {
    if let Value::Map(_) = item.value {
        let text = |key: &str| item.get(key).map(Tree::text).filter(|text| !text.is_empty());
        return Some(Port {
            line: item.line,
            host: text("host_ip").map(ToOwned::to_owned),
            published: text("published").and_then(|port| port.parse().ok()),
            inside: text("target")?.parse().ok()?,
        });
    }
    let text = item.text();
    let text = text.split('/').next().unwrap_or(text);
    // From the end, because an IPv6 address has colons of its own.
    let mut parts = text.rsplitn(3, ':');
    let inside = parts.next()?.parse().ok()?;
    let published = match parts.next() {
        None | Some("") => None,
        Some(port) => Some(port.parse().ok()?),
    };
    Some(Port {
        line: item.line,
        host: parts.next().map(ToOwned::to_owned),
        published,
        inside,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_in_both_forms() {
        for text in [
            "environment:\n  A: 1\n  B: two words\n",
            "environment:\n  - A=1\n  - B=two words\n",
        ] {
            let service = Tree::read(text).unwrap();
            assert_eq!(variable(&service, "B"), Some((3, "two words")), "{text}");
            assert_eq!(variable(&service, "C"), None);
        }
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
                    published: '7001'\n    host_ip: 127.0.0.1\n  - { target: 16379 }\n  - 7000-7005:7000-7005\n";
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
                "9 - - 16379"
            ]
        );
    }
}

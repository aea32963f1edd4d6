//! A service of a Compose file that runs a node of a cluster.

use crate::import::service::variable;
use crate::import::tree::{Tree, Value};

/// Where a password stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Command,
    Environment,
    File,
}

/// A service with a node.
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) name: &'a str,
    pub(crate) service: &'a Tree,
    /// The line of its command, or its own.
    pub(crate) line: usize,
    /// The directives of its command and of its file.
    pub(crate) directives: Vec<(String, String)>,
    /// Where the server keeps its files.
    pub(crate) home: String,
    /// How many containers there are of it.
    pub(crate) copies: usize,
    /// Whether its image is one of Bitnami's, which are configured by variables.
    pub(crate) is_bitnami: bool,
    /// Where its password stands, and on which line.
    pub(crate) password: Option<(usize, Place)>,
    /// Users with a password, other than `default`.
    pub(crate) users: Vec<String>,
    /// An ACL file that cannot be read: there may be users and passwords in it.
    pub(crate) unread_users: bool,
    pub(crate) tls: bool,
}

impl<'a> Member<'a> {
    /// One that has nothing yet.
    pub(crate) fn new(name: &'a str, service: &'a Tree, line: usize) -> Self {
        Self {
            name,
            service,
            line,
            directives: Vec::new(),
            home: String::new(),
            copies: 1,
            is_bitnami: false,
            password: None,
            users: Vec::new(),
            unread_users: false,
            tls: false,
        }
    }

    /// A directive's value.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let found = self.directives.iter().find(|(own, _)| own == name)?;
        Some(&found.1)
    }

    /// The port for clients, in the container.
    pub(crate) fn port(&self) -> u16 {
        let port = |name| self.value(name).and_then(|port| port.parse().ok());
        port("tls-port")
            .filter(|port| *port != 0)
            .or_else(|| port("port"))
            .unwrap_or(6379)
    }

    /// The port of the cluster bus, in the container.
    pub(crate) fn bus(&self) -> u16 {
        let own = self.value("cluster-port").and_then(|port| port.parse().ok());
        own.filter(|port| *port != 0)
            .unwrap_or(self.port().saturating_add(10_000))
    }

    /// The networks that it names, with what it says about each.
    pub(crate) fn networks(&self) -> Vec<(&str, Option<&Tree>)> {
        let all = self.service.get("networks");
        match all.map(|all| (all, &all.value)) {
            Some((all, Value::Map(_))) => all
                .entries()
                .iter()
                .map(|(name, own)| (name.as_str(), Some(own)))
                .collect(),
            Some((all, _)) => all.items().iter().map(|item| (item.text(), None)).collect(),
            None => Vec::new(),
        }
    }

    /// Its fixed addresses.
    pub(crate) fn addresses(&self) -> Vec<&str> {
        let networks = self.networks().into_iter();
        networks
            .filter_map(|(_, own)| Some(own?.get("ipv4_address")?.text()))
            .collect()
    }

    /// Names and addresses under which others find it.
    pub(crate) fn hosts(&self) -> Vec<&str> {
        let mut all = vec![self.name];
        for key in ["container_name", "hostname"] {
            all.extend(self.service.get(key).map(Tree::text));
        }
        for (_, own) in self.networks() {
            let Some(own) = own else { continue };
            all.extend(
                own.get("aliases")
                    .map(Tree::items)
                    .unwrap_or_default()
                    .iter()
                    .map(Tree::text),
            );
        }
        all.extend(self.addresses());
        for name in ["cluster-announce-ip", "cluster-announce-hostname"] {
            all.extend(self.value(name));
        }
        all.extend(variable(self.service, "REDIS_CLUSTER_ANNOUNCE_HOSTNAME").map(|(_, name)| name));
        all
    }
}

//! A service of a Compose file that runs a node of a cluster.

use crate::import::service::variable;
use crate::import::tree::{Tree, Value};

/// Where the file defines a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Command,
    Environment,
    File,
}

/// A service that runs a node.
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) name: &'a str,
    pub(crate) service: &'a Tree,
    /// The line of its command, or of the service.
    pub(crate) line: usize,
    /// The directives of its command line and of its configuration file.
    pub(crate) directives: Vec<(String, String)>,
    /// The working directory of the server.
    pub(crate) home: String,
    /// The number of its containers.
    pub(crate) copies: usize,
    /// Whether its image is one of Bitnami's, which environment variables configure.
    pub(crate) is_bitnami: bool,
    /// The line that defines its password, and where that is.
    pub(crate) password: Option<(usize, Place)>,
    /// Users with a password, other than `default`.
    pub(crate) users: Vec<String>,
    /// Whether it has an unreadable ACL file, which may contain users and passwords.
    pub(crate) unread_users: bool,
    pub(crate) tls: bool,
}

impl<'a> Member<'a> {
    /// Returns a node without settings.
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

    /// Returns the value of a directive.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let found = self.directives.iter().find(|(own, _)| own == name)?;
        Some(&found.1)
    }

    /// Returns the client port in the container.
    pub(crate) fn port(&self) -> u16 {
        let port = |name| self.value(name).and_then(|port| port.parse().ok());
        port("tls-port")
            .filter(|port| *port != 0)
            .or_else(|| port("port"))
            .unwrap_or(6379)
    }

    /// Returns the cluster bus port in the container.
    pub(crate) fn bus(&self) -> u16 {
        let own = self.value("cluster-port").and_then(|port| port.parse().ok());
        own.filter(|port| *port != 0)
            .unwrap_or(self.port().saturating_add(10_000))
    }

    /// Returns the networks of the service, with the settings for each.
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

    /// Returns its fixed addresses.
    pub(crate) fn addresses(&self) -> Vec<&str> {
        let networks = self.networks().into_iter();
        networks
            .filter_map(|(_, own)| Some(own?.get("ipv4_address")?.text()))
            .collect()
    }

    /// Returns the names and addresses at which other containers reach it.
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

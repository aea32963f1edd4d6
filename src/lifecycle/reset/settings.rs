//! The settings and users of every node at one time, so that they can be restored.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant};

use crate::connect::links::{Links, all_reachable};
use crate::error::{Error, Result};
use crate::server::conf::secrets::users_acl;
use crate::server::wire::access::Access;
use crate::server::wire::connection::NodeConnection;
use crate::spec::security::Secrets;
use crate::spec::size::bytes;
use crate::spec::user::split_rules;
use crate::topology::layout::Topology;

/// Timeout for the nodes to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Directives that are not recorded: secrets, which are never stored, and those that depend on a node's role.
const LEFT_OUT: [&str; 9] = [
    "requirepass",
    "masterauth",
    "masteruser",
    "primaryauth",
    "primaryuser",
    "tls-key-file-pass",
    "tls-client-key-file-pass",
    "replicaof",
    "slaveof",
];

/// Output of `CONFIG GET *` and `ACL LIST` on every node. It contains passwords as the servers' own hashes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    nodes: Vec<NodeSettings>,
    /// Whether they are from the plan: then a user's rules are as rcup writes them, and a server prints them
    /// differently.
    #[serde(default)]
    planned: bool,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct NodeSettings {
    config: BTreeMap<String, String>,
    users: BTreeMap<String, String>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("nodes", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Queries every node over new connections.
    pub(crate) async fn read(topology: &Topology, access: &Access) -> Result<Self> {
        let links = all_reachable(topology, access, Instant::now() + PATIENCE).await?;
        Self::of(&links).await
    }

    /// Queries every node over open connections.
    pub(crate) async fn of(links: &Links) -> Result<Self> {
        let nodes = try_join_all(links.iter().map(read)).await?;
        Ok(Self {
            nodes,
            planned: false,
        })
    }

    /// Returns the planned settings: the directives that rcup writes, and only the requested users. A server's own
    /// defaults are not included.
    pub(crate) fn planned(topology: &Topology, secrets: &Secrets) -> Self {
        let users = |node| users_acl(topology, &[topology.server(node)], secrets);
        let nodes = topology.nodes.iter().map(|node| NodeSettings {
            config: crate::server::conf::settings::effective::settings(topology, node)
                .into_iter()
                .filter(|setting| !LEFT_OUT.contains(&setting.name.as_ref()))
                .map(|setting| (setting.name.into_owned(), told(&setting.value)))
                .collect(),
            users: users_in(users(node).lines()),
        });
        Self {
            nodes: nodes.collect(),
            planned: true,
        }
    }

    /// Restores settings and users where they differ, and returns what was restored on which node.
    pub(crate) async fn restore(&self, topology: &Topology, links: &Links) -> Result<Vec<String>> {
        let each = topology
            .nodes
            .iter()
            .zip(&self.nodes)
            .map(|(node, wanted)| async move {
                let link = links.to(node.index);
                let is = read(link).await?;
                let mut mended = Vec::new();
                let config = different(&is, wanted);
                if !config.is_empty() {
                    let names: Vec<&str> = config.iter().map(|(name, _)| *name).collect();
                    mended.push(format!("set {} on node {} back", names.join(", "), node.index));
                    link.configure(&config).await?;
                }
                let commands = users(&is, wanted);
                for words in &commands {
                    let words: Vec<&str> = words.iter().map(String::as_str).collect();
                    link.command::<::redis::Value>(&words).await?;
                }
                // Two notations of the same rules make the same user; then nothing was restored.
                let after = if self.planned && !commands.is_empty() {
                    Some(read(link).await?)
                } else {
                    None
                };
                let changed = |name: &String| {
                    let after = after.as_ref();
                    after.is_none_or(|after| rules(&is, name) != rules(after, name))
                };
                let set_back = commands
                    .iter()
                    .map(|words| &words[2])
                    .filter(|name| changed(name));
                mended.extend(set_back.map(|name| format!("set user {name} on node {} back", node.index)));
                Ok::<_, Error>(mended)
            });
        Ok(try_join_all(each).await?.into_iter().flatten().collect())
    }
}

async fn read(link: &NodeConnection) -> Result<NodeSettings> {
    let (mut config, users): (BTreeMap<String, String>, Vec<String>) = link
        .pipeline(&[
            ["CONFIG", "GET", "*"].map(str::to_owned).to_vec(),
            ["ACL", "LIST"].map(str::to_owned).to_vec(),
        ])
        .await?;
    config.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
    let users = users_in(users.iter().map(String::as_str));
    Ok(NodeSettings { config, users })
}

/// Parses users by name, from lines in the format of `ACL LIST` and of ACL files.
fn users_in<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    lines
        .filter_map(|line| {
            let (name, rules) = line.strip_prefix("user ")?.split_once(' ')?;
            // The default, which servers print only after a user was changed.
            let rules: Vec<String> = split_rules(rules);
            let told = rules.iter().filter(|rule| *rule != "sanitize-payload");
            let told: Vec<&str> = told.map(String::as_str).collect();
            Some((name.to_owned(), told.join(" ")))
        })
        .collect()
}

/// Converts a value of a configuration file to the format of `CONFIG GET`.
fn told(value: &str) -> String {
    match bytes(value) {
        Ok(bytes) => bytes.to_string(),
        Err(_) => value.trim_matches('"').to_owned(),
    }
}

/// Returns a user's rules in sorted order, because servers list them in any order.
fn rules(node: &NodeSettings, name: &str) -> Option<Vec<String>> {
    let rules = node.users.get(name)?;
    let mut words: Vec<String> = split_rules(rules).iter().map(|rule| in_order(rule)).collect();
    words.sort();
    Some(words)
}

/// Returns the directives whose values differ, with the wanted values.
fn different<'a>(is: &NodeSettings, wanted: &'a NodeSettings) -> Vec<(&'a str, &'a str)> {
    wanted
        .config
        .iter()
        .filter(|(name, value)| is.config.get(*name).is_some_and(|is| is != *value))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

/// Returns the commands that change the users to the wanted state.
fn users(is: &NodeSettings, wanted: &NodeSettings) -> Vec<Vec<String>> {
    let words = |verb: &str, name: &str| vec!["ACL".to_owned(), verb.to_owned(), name.to_owned()];
    let names: BTreeSet<&String> = is.users.keys().chain(wanted.users.keys()).collect();
    names
        .into_iter()
        .filter(|name| rules(is, name) != rules(wanted, name))
        .map(|name| match wanted.users.get(name) {
            None => words("DELUSER", name),
            Some(rules) => {
                let mut command = words("SETUSER", name);
                command.push("reset".to_owned());
                command.extend(split_rules(rules));
                command
            }
        })
        .collect()
}

/// Sorts the rules of a selector; returns other rules unchanged. Redis 7.0 lists a user's commands in another order
/// after every start.
fn in_order(rule: &str) -> String {
    let Some(inside) = rule.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else {
        return rule.to_owned();
    };
    let mut words: Vec<&str> = inside.split_whitespace().collect();
    words.sort_unstable();
    format!("({})", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_a_users_rules_is_no_difference() {
        let node = |rules: &str| NodeSettings {
            users: [("app".to_owned(), rules.to_owned())].into(),
            config: BTreeMap::new(),
        };
        let one = node("on -@all +get +set (~a:* +del +get) (~b:* +ping)");
        assert_eq!(
            users(&node("on +set +get -@all (~b:* +ping) (+get +del ~a:*)"), &one),
            [] as [Vec<String>; 0]
        );
        assert_eq!(
            users(&node("on -@all +get +set (~a:* +get) (~b:* +ping +del)"), &one).len(),
            1
        );
    }

    fn node(config: &[(&str, &str)], users: &[(&str, &str)]) -> NodeSettings {
        let map = |pairs: &[(&str, &str)]| {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            pairs.iter().map(own).collect()
        };
        NodeSettings {
            config: map(config),
            users: map(users),
        }
    }

    #[test]
    fn only_what_differs_is_set_back() {
        let wanted = node(
            &[("a", "1"), ("b", "2"), ("gone", "3")],
            &[("default", "on nopass ~* +@all")],
        );
        let is = node(
            &[("a", "1"), ("b", "x"), ("new", "4")],
            &[("default", "off"), ("eve", "on")],
        );
        assert_eq!(different(&is, &wanted), [("b", "2")]);
        let commands: Vec<String> = users(&is, &wanted).iter().map(|words| words.join(" ")).collect();
        assert_eq!(
            commands,
            ["ACL SETUSER default reset on nopass ~* +@all", "ACL DELUSER eve"]
        );
        let other = node(&[], &[("default", "on +@all nopass ~*")]);
        assert!(users(&other, &wanted).is_empty(), "the order says nothing");
        assert!(different(&wanted, &wanted).is_empty() && users(&wanted, &wanted).is_empty());
    }

    #[test]
    fn the_plan_has_what_a_server_tells() {
        use crate::spec::cluster::ClusterSpec;
        use crate::spec::server::Engine;

        let spec = ClusterSpec::builder().set("maxmemory=50mb".parse().unwrap());
        let placement = crate::topology::layout::tests::placement(Engine::Redis, "8.0.2");
        let topology = Topology::new(&spec.build().unwrap(), &placement).unwrap();
        let planned = Settings::planned(&topology, &Secrets::default());
        let first = &planned.nodes[0];
        assert_eq!(planned.nodes.len(), topology.nodes.len());
        assert_eq!(first.config["maxmemory"], (50 * 1024 * 1024).to_string());
        assert_eq!(first.config["port"], topology.nodes[0].port.to_string());
        let users: Vec<&String> = first.users.keys().collect();
        assert_eq!(users, ["default"]);
        assert_eq!(
            rules(first, "default").unwrap().join(" "),
            "&* +@all nopass on ~*"
        );
    }

    #[test]
    fn settings_do_not_show() {
        let settings = Settings {
            nodes: vec![node(&[("logfile", "x")], &[("default", "#hash")])],
            planned: false,
        };
        assert_eq!(format!("{settings:?}"), "Settings { nodes: 1, .. }");
    }
}

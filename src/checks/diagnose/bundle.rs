//! Diagnostic data of a cluster, as text files for a folder or an archive.

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;

use crate::connect::attached::Attached;
use crate::connect::endpoint::Endpoint;
use crate::connect::target::Member;
use crate::error::Error;
use crate::runtime::faults::Faults;
use crate::runtime::interface::LogRequest;
use crate::server::conf::paths::{conf_path, directory};
use crate::server::conf::secrets::users_path;
use crate::server::wire::reply::Configured;
use crate::spec::service_user::ServiceUser;
use crate::topology::layout::Node;

/// The replacement for a secret.
const MASK: &str = "(masked)";

/// Directives whose values are never printed.
const SECRET: [&str; 6] = [
    "requirepass",
    "masterauth",
    "primaryauth",
    "tls-key-file-pass",
    "tls-client-key-file-pass",
    "sentinel",
];

/// The commands to run on every node, with the suffix of the file for each answer.
const QUESTIONS: [(&str, &[&str]); 13] = [
    ("nodes", &["CLUSTER", "NODES"]),
    ("cluster-info", &["CLUSTER", "INFO"]),
    ("slots", &["CLUSTER", "SLOTS"]),
    ("shards", &["CLUSTER", "SHARDS"]),
    ("links", &["CLUSTER", "LINKS"]),
    ("info", &["INFO", "everything"]),
    ("clients", &["CLIENT", "LIST"]),
    ("latency", &["LATENCY", "LATEST"]),
    ("latency-doctor", &["LATENCY", "DOCTOR"]),
    ("latency-histogram", &["LATENCY", "HISTOGRAM"]),
    ("memory-doctor", &["MEMORY", "DOCTOR"]),
    ("slowlog", &["SLOWLOG", "GET", "128"]),
    ("acl-log", &["ACL", "LOG"]),
];

/// File names and their contents.
type Files = Vec<(String, String)>;

impl<R: Faults> Attached<R> {
    /// Returns file names and their contents: the diagnosis, the report, the events of the container engine,
    /// and for every node its log, its files, its settings, its answers, and the container details. Data that
    /// is not available is replaced by the error. Passwords are masked.
    #[doc(hidden)]
    pub async fn bundle(&self) -> Vec<(String, String)> {
        let target = self.target(ServiceUser::Operator).await;
        let (diagnosis, report) = (self.diagnose().await, self.report().await);
        let topology = self.topology();
        let network = topology.network();
        let history = self.runtime().history(topology.name(), &network).await;
        let events = history.map_or_else(
            |error| words(&error) + "\n",
            |events| {
                let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
                lines.join("\n") + "\n"
            },
        );
        let mut files = vec![
            ("diagnosis.json".to_owned(), pretty(&diagnosis)),
            ("status.json".to_owned(), pretty(&report)),
            ("engine-events.ndjson".to_owned(), events),
        ];
        let nodes = topology.nodes.iter().zip(&target.members);
        let nodes = join_all(nodes.map(|(node, member)| async {
            let mut files = of_container(self.runtime(), node).await;
            files.extend(asked(member).await);
            files
        }));
        files.extend(nodes.await.into_iter().flatten());
        masked(files, &self.passwords().await)
    }

    /// Returns the clients' password and those of the service users that can be read.
    async fn passwords(&self) -> Vec<String> {
        let clients = self
            .credentials()
            .await
            .ok()
            .flatten()
            .map(|login| login.password);
        let own = self.secrets().await.map(|secrets| secrets.own.clone());
        let all = clients.into_iter().chain(own.unwrap_or_default().into_values());
        all.map(|secret| secret.expose().to_owned()).collect()
    }
}

impl Endpoint {
    /// Like [`Attached::bundle`], with the data that is available without a container engine: the diagnosis,
    /// and the settings and answers of every node.
    pub async fn bundle(&self) -> Vec<(String, String)> {
        let mut files = vec![("diagnosis.json".to_owned(), pretty(&self.diagnose().await))];
        let nodes = join_all(self.target().members.iter().map(asked)).await;
        files.extend(nodes.into_iter().flatten());
        let password = self.access().credentials();
        let passwords: Vec<String> = password
            .map(|login| login.password.expose().to_owned())
            .into_iter()
            .collect();
        masked(files, &passwords)
    }
}

/// Masks the passwords in all files.
fn masked(mut files: Files, passwords: &[String]) -> Files {
    for password in passwords.iter().filter(|password| !password.is_empty()) {
        for (_, text) in &mut files {
            *text = text.replace(password, MASK);
        }
    }
    files
}

/// Returns the container details of a node, and the files from which the server starts.
async fn of_container<R: Faults>(runtime: &R, node: &Node) -> Files {
    let name = &node.name;
    let lines = runtime
        .logs(name, LogRequest::default())
        .map_ok(|line| line.text)
        .try_collect::<Vec<_>>()
        .await;
    let log = lines.map_or_else(|error| words(&error), |lines| lines.join("\n"));
    let inspected = runtime.inspect(name).await;
    let inspected = inspected.map_or_else(
        |error| pretty(&serde_json::json!({ "error": words(&error) })),
        |seen| pretty(&seen),
    );
    let mut files = vec![
        (format!("{name}.log"), log + "\n"),
        (format!("{name}.inspect.json"), inspected),
    ];
    for (ending, path) in [
        ("redis.conf", conf_path(node)),
        ("users.acl", users_path(node)),
        ("nodes.conf", format!("{}/nodes.conf", directory(node))),
    ] {
        let text = match runtime.read_file(name, &path).await {
            Ok(Some(text)) => text.lines().map(|line| without_secret(line) + "\n").collect(),
            // Most nodes have no users.
            Ok(None) if ending == "users.acl" => continue,
            Ok(None) => format!("there is no {path}\n"),
            Err(error) => words(&error) + "\n",
        };
        files.push((format!("{name}.{ending}"), text));
    }
    files
}

/// Returns the node's answers to the diagnostic commands.
async fn asked(member: &Member) -> Files {
    let name = &member.name;
    let config = match &member.link {
        Ok(link) => settings(link.configuration().await),
        Err(why) => why.clone(),
    };
    let mut files = vec![(format!("{name}.config"), config + "\n")];
    for (ending, question) in QUESTIONS {
        let said = match &member.link {
            Ok(link) => link.said(question).await,
            Err(why) => why.clone(),
        };
        files.push((format!("{name}.{ending}"), said + "\n"));
    }
    files
}

fn settings(config: Configured) -> String {
    match config {
        Configured::Refused(why) => why,
        Configured::Known(all) => {
            let lines = all
                .iter()
                .map(|(name, value)| without_secret(&format!("{name} {value}")));
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

/// Masks the secrets in a line of a configuration or ACL file: the value of a secret directive, and a user's
/// passwords and password hashes.
fn without_secret(line: &str) -> String {
    let (directive, rest) = line.split_once(' ').unwrap_or((line, ""));
    if directive == "user" {
        let words = line.split(' ').map(|word| match word.chars().next() {
            Some(sign @ ('>' | '<' | '#' | '!')) => format!("{sign}{MASK}"),
            _ => word.to_owned(),
        });
        return words.collect::<Vec<_>>().join(" ");
    }
    // An empty value is written in quotes in a file.
    if SECRET.contains(&directive) && !["", "\"\""].contains(&rest) {
        return format!("{directive} {MASK}");
    }
    line.to_owned()
}

fn words(error: &Error) -> String {
    std::iter::once(error.to_string())
        .chain(error.causes())
        .collect::<Vec<_>>()
        .join(": ")
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_without_secrets() {
        let all = [("masterauth", "s3cret"), ("port", "7001"), ("requirepass", "")];
        let all = all.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let text = settings(Configured::Known(all.into()));
        assert_eq!(text, "masterauth (masked)\nport 7001\nrequirepass ");
    }

    #[test]
    fn of_a_user_the_rules_are_told_and_neither_password_nor_hash() {
        for (line, told) in [
            (
                "user app on >pw #ab12 ~* +@all",
                "user app on >(masked) #(masked) ~* +@all",
            ),
            ("requirepass \"\"", "requirepass \"\""),
            ("masterauth s3cret", "masterauth (masked)"),
            ("# a comment about masterauth", "# a comment about masterauth"),
        ] {
            assert_eq!(without_secret(line), told);
        }
    }

    #[test]
    fn a_password_is_masked_wherever_it_stands_and_an_empty_one_nowhere() {
        let files = vec![("a.log".to_owned(), "AUTH s3cret now".to_owned())];
        let files = masked(files, &[String::new(), "s3cret".to_owned()]);
        assert_eq!(files[0].1, "AUTH (masked) now");
    }
}

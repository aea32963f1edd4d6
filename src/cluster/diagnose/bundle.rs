//! Everything that helps to find out what is wrong, as texts for a folder or an archive.

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;

use crate::check::Configured;
use crate::cluster::attached::Attached;
use crate::cluster::validate::Member;
use crate::error::Error;
use crate::runtime::{Faults, LogRequest};

/// Directives whose value is never told.
const SECRET: [&str; 6] = [
    "requirepass",
    "masterauth",
    "primaryauth",
    "tls-key-file-pass",
    "tls-client-key-file-pass",
    "sentinel",
];

/// What every node is asked, and the ending of the file with the answer.
const QUESTIONS: [(&str, &[&str]); 7] = [
    ("nodes", &["CLUSTER", "NODES"]),
    ("cluster-info", &["CLUSTER", "INFO"]),
    ("slots", &["CLUSTER", "SLOTS"]),
    ("shards", &["CLUSTER", "SHARDS"]),
    ("info", &["INFO"]),
    ("latency", &["LATENCY", "LATEST"]),
    ("slowlog", &["SLOWLOG", "GET", "128"]),
];

impl<R: Faults> Attached<R> {
    /// Names of files and their texts: the diagnosis, the report, and of every node its log, its settings, what it
    /// answers, and what the engine knows of its container. What cannot be had is named in its place. Passwords are
    /// masked.
    pub async fn bundle(&self) -> Vec<(String, String)> {
        let target = self.target(crate::spec::OwnUser::Operator).await;
        let (diagnosis, report) = (self.diagnose().await, self.report().await);
        let mut files = vec![
            ("diagnosis.json".to_owned(), pretty(&diagnosis)),
            ("status.json".to_owned(), pretty(&report)),
        ];
        let nodes = join_all(
            target
                .members
                .iter()
                .map(|member| of_node(self.runtime(), member)),
        )
        .await;
        files.extend(nodes.into_iter().flatten());
        for password in self.passwords().await {
            for (_, text) in &mut files {
                *text = text.replace(&password, "(masked)");
            }
        }
        files
    }

    /// The clients' password and those of rcup's own users, as far as they can be read.
    async fn passwords(&self) -> Vec<String> {
        let clients = self
            .credentials()
            .await
            .ok()
            .flatten()
            .map(|login| login.password);
        let own = self.secrets().await.map(|secrets| secrets.own.clone());
        let all = clients.into_iter().chain(own.unwrap_or_default().into_values());
        all.map(|secret| secret.expose().to_owned())
            .filter(|password| !password.is_empty())
            .collect()
    }
}

async fn of_node<R: Faults>(runtime: &R, member: &Member) -> Vec<(String, String)> {
    let name = &member.name;
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
    let config = match &member.link {
        Ok(link) => settings(link.configuration().await),
        Err(why) => why.clone(),
    };
    files.push((format!("{name}.config"), config + "\n"));
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
            let lines = all.iter().map(|(name, value)| {
                let hidden = SECRET.contains(&name.as_str()) && !value.is_empty();
                format!("{name} {}", if hidden { "(masked)" } else { value })
            });
            lines.collect::<Vec<_>>().join("\n")
        }
    }
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
}

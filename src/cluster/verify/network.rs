//! The same question from inside: a container on the cluster's network asks every address who answers there.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;

use crate::check::reach::{Dialled, Place};
use crate::cluster::guard::Guard;
use crate::cluster::handle::Attached;
use crate::cluster::making::Kind;
use crate::cluster::probe::probe;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Silent;
use crate::plan::{File, labels};
use crate::redis::Access;
use crate::runtime::{ExecRequest, Output, Runtime};
use crate::topology::NodeId;

/// How long all answers together may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where the probe finds whose certificates it trusts.
const AUTHORITY: &str = "/rcup-authority.crt";

/// Asks every address that follows, all at once. The first arguments are the client, the authority's
/// certificate, which is empty without TLS, and the user, which is empty for the one whom nobody names. Each answer begins with `@` and the place of its address.
const ASK: &str = r#"client=$1; more=; [ -n "$2" ] && more="--tls --cacert $2"; [ -n "$3" ] && more="$more --user $3"; shift 3; n=0
while [ $# -gt 1 ]; do
  ( said=$("$client" -h "$1" -p "$2" $more CLUSTER MYID 2>&1); printf '@%s %s\n' "$n" "$said" ) &
  n=$((n + 1)); shift 2
done
wait"#;

/// Tries all addresses from a container on the cluster's network, which is gone afterwards.
pub(super) async fn dial<R: Runtime>(
    attached: &Attached<R>,
    addresses: &[(String, u16)],
    access: &Access,
) -> Result<Vec<Dialled>> {
    let topology = attached.topology();
    let sleep = ["sh", "-c", "sleep 600"].map(str::to_owned);
    let mut request = probe(&topology.image().reference, &sleep, Some(topology.name()));
    request.network = Some(topology.network());
    request.files = access
        .authority()
        .map(|authority| File {
            path: AUTHORITY.to_owned(),
            mode: 0o644,
            contents: Some(authority.to_owned()),
        })
        .into_iter()
        .collect();
    let runtime = attached.runtime();
    let mut guard = Guard::new(runtime.clone());
    guard.arm(request.labels.get(labels::RUN).map_or("", String::as_str));
    let making = guard.making();
    let asked = async {
        let made = making.answer(Kind::Container, &request.name, runtime.create_probe(&request));
        let id = made.await?;
        runtime.start(&id).await?;
        ask(attached, &id, addresses, access).await
    };
    let answers = asked.await;
    guard.try_undo(&Silent).await;
    let answers = answers?;
    Ok(addresses
        .iter()
        .enumerate()
        .map(|(nth, (host, port))| Dialled {
            place: Place::Network,
            host: host.clone(),
            port: *port,
            answer: match answers.get(&nth) {
                Some(said) => who(said),
                None => Err(format!("no answer for {} s", PATIENCE.as_secs())),
            },
        })
        .collect())
}

/// What the addresses said, by their places.
async fn ask<R: Runtime>(
    attached: &Attached<R>,
    id: &str,
    addresses: &[(String, u16)],
    access: &Access,
) -> Result<BTreeMap<usize, String>> {
    let client = attached.topology().server().engine.client();
    let authority = access.authority().map_or("", |_| AUTHORITY);
    let credentials = access.credentials();
    let user = credentials.and_then(|credentials| credentials.user.as_deref());
    let mut command = ["sh", "-c", ASK, "sh", client, authority, user.unwrap_or_default()]
        .map(str::to_owned)
        .to_vec();
    for (host, port) in addresses {
        command.extend([host.clone(), port.to_string()]);
    }
    let request = ExecRequest {
        command,
        env: credentials
            .map(|credentials| ("REDISCLI_AUTH".to_owned(), credentials.password.clone()))
            .into_iter()
            .collect(),
        ..ExecRequest::default()
    };
    let mut session = attached.runtime().exec(id, &request).await?;
    let deadline = Instant::now() + PATIENCE;
    let mut text = Vec::new();
    // What has not answered by then is told so; the container and its clients go.
    while let Ok(Some(piece)) = tokio::time::timeout_at(deadline, session.output.next()).await {
        match piece? {
            Output::Stdout(bytes) | Output::Stderr(bytes) => text.extend(bytes),
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let answers = answers(&text);
    if answers.is_empty() && !text.trim().is_empty() {
        return Err(Error::new(
            ErrorKind::Image,
            format!(
                "image {} has no shell to ask with",
                attached.topology().image().reference
            ),
        )
        .because(text.trim().to_owned())
        .hint("Verify from this host alone, with `--from host`."));
    }
    Ok(answers)
}

/// The lines `@PLACE ANSWER`; an answer may go over several lines.
fn answers(text: &str) -> BTreeMap<usize, String> {
    let mut all: BTreeMap<usize, String> = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        let begun = line
            .strip_prefix('@')
            .and_then(|line| line.split_once(' '))
            .and_then(|(nth, said)| Some((nth.parse().ok()?, said)));
        if let Some((nth, said)) = begun {
            all.insert(nth, said.to_owned());
            current = Some(nth);
        } else if let Some(said) = current.and_then(|nth| all.get_mut(&nth)) {
            said.push_str("; ");
            said.push_str(line);
        }
    }
    all
}

/// A node's id, or why there is none.
fn who(said: &str) -> Result<NodeId, String> {
    let said = said.trim();
    if said.len() == 40 && said.chars().all(|letter| letter.is_ascii_hexdigit()) {
        return Ok(NodeId(said.to_owned()));
    }
    // `Could not connect to Redis at 127.0.0.1:7001: Connection refused`
    let why = said
        .strip_prefix("Could not connect to ")
        .and_then(|rest| rest.split_once(": "))
        .map_or(said, |(_, why)| why);
    Err(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_any_order_and_may_have_several_lines() {
        let id = "07c37dfeb235213a872192d90877d0cd55635b91";
        let text = format!(
            "@2 Could not connect to Redis at 127.0.0.1:7001: Connection refused\n@0 {id}\n@1 AUTH failed: \
             WRONGPASS\nNOAUTH Authentication required.\n"
        );
        let answers = answers(&text);
        assert_eq!(who(&answers[&0]), Ok(NodeId(id.to_owned())));
        assert_eq!(
            who(&answers[&1]),
            Err("AUTH failed: WRONGPASS; NOAUTH Authentication required.".to_owned())
        );
        assert_eq!(who(&answers[&2]), Err("Connection refused".to_owned()));
        assert!(super::answers("sh: not found\n").is_empty());
    }
}

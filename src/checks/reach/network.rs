//! Tests the addresses from inside: a container on the cluster's network asks each address for its node id.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;

use crate::checks::reach::advertised::{Dialled, Place};
use crate::connect::attached::Attached;
use crate::error::{Error, ErrorKind, Result};
use crate::ownership::probe::{AUTHORITY, on_network};
use crate::runtime::interface::{ExecRequest, Output, Runtime};
use crate::server::wire::access::Access;
use crate::topology::layout::NodeId;

/// Timeout of an address, without the wait for other addresses.
const PATIENCE: Duration = Duration::from_secs(3);

/// Number of addresses to test concurrently: each needs a process, and a host has few cores.
const AT_ONCE: usize = 16;

/// Number of attempts for an address that times out.
const ATTEMPTS: usize = 3;

/// Queries every address that follows, a few at a time. The first arguments are the client; the CA
/// certificate (empty without TLS); the user (empty for the default user); the number of concurrent queries;
/// and the timeout of each in seconds. Each output line begins with `@` and the index of its address; an
/// address that times out has no line. Not every image has `timeout`, so the script uses its own timer;
/// processes that hang end with the container.
const ASK: &str = r#"client=$1; more=; [ -n "$2" ] && more="--tls --cacert $2"; [ -n "$3" ] && more="$more --user $3"; lanes=$4; patience=$5; shift 5
lane=0
while [ $lane -lt $lanes ]; do
  ( n=0
    while [ $# -gt 1 ]; do
      if [ $((n % lanes)) -eq $lane ]; then
        "$client" -h "$1" -p "$2" $more CLUSTER MYID 2>&1 | while IFS= read -r said; do printf '@%s %s\n' "$n" "$said"; done &
        reader=$!
        ( sleep "$patience"; kill $reader ) >/dev/null 2>&1 &
        clock=$!
        wait $reader; kill $clock
      fi
      n=$((n + 1)); shift 2
    done ) 2>/dev/null &
  lane=$((lane + 1))
done
wait"#;

/// Tests all addresses from a temporary container on the cluster's network.
pub(crate) async fn dial<R: Runtime>(
    attached: &Attached<R>,
    addresses: &[(String, u16)],
    access: &Access,
) -> Result<Vec<Dialled>> {
    let answers = on_network(
        attached.runtime(),
        attached.topology(),
        access.authority(),
        async |id| persistently(addresses, async |some| ask(attached, &id, some, access).await).await,
    )
    .await?;
    Ok(addresses
        .iter()
        .enumerate()
        .map(|(nth, (host, port))| Dialled {
            place: Place::Network,
            host: host.clone(),
            port: *port,
            answer: match answers.get(&nth) {
                Some(said) => who(said),
                None => Err(format!(
                    "no response in {ATTEMPTS} attempts of {} s",
                    PATIENCE.as_secs()
                )),
            },
        })
        .collect())
}

/// Queries all addresses, and retries those that did not answer: a timeout can be caused by a temporary load.
async fn persistently(
    addresses: &[(String, u16)],
    ask: impl AsyncFn(&[(String, u16)]) -> Result<BTreeMap<usize, String>>,
) -> Result<BTreeMap<usize, String>> {
    let mut answers = BTreeMap::new();
    for _ in 0..ATTEMPTS {
        let missing: Vec<usize> = (0..addresses.len())
            .filter(|nth| !answers.contains_key(nth))
            .collect();
        if missing.is_empty() {
            break;
        }
        let some: Vec<_> = missing.iter().map(|nth| addresses[*nth].clone()).collect();
        let said = ask(&some).await?;
        answers.extend(
            said.into_iter()
                .filter_map(|(nth, said)| Some((*missing.get(nth)?, said))),
        );
    }
    Ok(answers)
}

/// Returns the timeout for this number of addresses: each lane processes its addresses one after the other,
/// and the container engine has to start the program.
fn patience(addresses: usize) -> Duration {
    let rounds = addresses.div_ceil(AT_ONCE) + 1;
    PATIENCE * u32::try_from(rounds).unwrap_or(u32::MAX)
}

/// Returns the answers of the addresses, by index.
async fn ask<R: Runtime>(
    attached: &Attached<R>,
    id: &str,
    addresses: &[(String, u16)],
    access: &Access,
) -> Result<BTreeMap<usize, String>> {
    let client = attached.topology().placement.image.server.engine.client();
    let authority = access.authority().map_or("", |_| AUTHORITY);
    let credentials = access.credentials();
    let user = credentials.and_then(|credentials| credentials.user.as_deref());
    let mut command = vec!["sh".to_owned(), "-c".to_owned()];
    command.extend(question(client, authority, user.unwrap_or_default(), PATIENCE));
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
    let deadline = Instant::now() + patience(addresses.len());
    let mut text = Vec::new();
    // An address without an answer by the deadline has timed out; its client ends with the container.
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
                "image {} has no shell for the test",
                attached.topology().placement.image.reference
            ),
        )
        .because(text.trim().to_owned())
        .hint("Verify only from this host with `--from host`."));
    }
    Ok(answers)
}

/// Returns the arguments of `sh -c` before the addresses.
fn question(client: &str, authority: &str, user: &str, patience: Duration) -> [String; 7] {
    let (lanes, seconds) = (AT_ONCE.to_string(), patience.as_secs().to_string());
    [ASK, "sh", client, authority, user, &lanes, &seconds].map(str::to_owned)
}

/// Parses lines of the form `@INDEX ANSWER`. An answer can have several lines, interleaved with those of
/// other answers.
fn answers(text: &str) -> BTreeMap<usize, String> {
    let mut all: BTreeMap<usize, String> = BTreeMap::new();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix('@')?.split_once(' '))
        .filter_map(|(nth, said)| Some((nth.parse::<usize>().ok()?, said)));
    for (nth, said) in lines {
        all.entry(nth)
            .and_modify(|before| {
                before.push_str("; ");
                before.push_str(said);
            })
            .or_insert_with(|| said.to_owned());
    }
    all
}

/// Returns a node id, or the reason why there is none.
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn addresses(count: u16) -> Vec<(String, u16)> {
        (0..count)
            .map(|nth| ("10.0.0.1".to_owned(), 7001 + nth))
            .collect()
    }

    #[tokio::test]
    async fn who_has_not_answered_is_asked_again_and_nobody_else() {
        let asked = AtomicUsize::new(0);
        // Only the first address of each query answers, so each address needs one query.
        let three = addresses(3);
        let answers = persistently(&three, async |some| {
            let nth = asked.fetch_add(1, Ordering::Relaxed);
            assert_eq!(some.len(), 3 - nth);
            Ok(BTreeMap::from([(0, some[0].1.to_string())]))
        });
        let answers = answers.await.unwrap();
        assert_eq!(
            answers.into_values().collect::<Vec<_>>(),
            ["7001", "7002", "7003"]
        );
        let asked = AtomicUsize::new(0);
        let silent = persistently(&three, async |_| {
            asked.fetch_add(1, Ordering::Relaxed);
            Ok(BTreeMap::new())
        });
        assert!(silent.await.unwrap().is_empty());
        assert_eq!(asked.into_inner(), ATTEMPTS);
        assert_eq!(patience(2), PATIENCE * 2);
        assert_eq!(patience(AT_ONCE * 4), PATIENCE * 5);
    }

    /// Prints its port and the number of concurrent clients; port 7005 hangs.
    #[cfg(unix)]
    const CLIENT: &str = r#"#!/bin/sh
mkdir "$0.$$"; set -- "$4" "$0".*; sleep 0.1
[ "$1" = 7005 ] && sleep 5
echo "$1 $(($# - 1))"
rmdir "$0.$$"
"#;

    #[cfg(unix)]
    #[test]
    fn a_few_are_asked_at_a_time_and_one_that_hangs_stops_nobody() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let client = home.path().join("client");
        std::fs::write(&client, CLIENT).unwrap();
        std::fs::set_permissions(&client, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = std::process::Command::new("sh");
        command.arg("-c");
        command.args(question(client.to_str().unwrap(), "", "", Duration::from_secs(2)));
        for (host, port) in addresses(50) {
            command.args([host, port.to_string()]);
        }
        let output = command.output().unwrap();
        let answers = super::answers(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(answers.len(), 49, "{answers:?}");
        let at_once = answers.iter().map(|(nth, said)| {
            let (port, at_once) = said.split_once(' ').unwrap();
            assert_eq!(port, (7001 + nth).to_string());
            at_once.parse::<usize>().unwrap()
        });
        let most = at_once.max().unwrap();
        assert!((2..=AT_ONCE).contains(&most), "{most}");
    }

    #[test]
    fn answers_come_in_any_order_and_may_have_several_lines() {
        let id = "07c37dfeb235213a872192d90877d0cd55635b91";
        let text = format!(
            "@1 AUTH failed: WRONGPASS\n@2 Could not connect to Redis at 127.0.0.1:7001: Connection \
             refused\n@0 {id}\n\
             @1 NOAUTH Authentication required.\n"
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

//! Collects every address that a client can receive: from cluster commands, and from redirections.

use futures_util::future::join_all;

use crate::checks::masters::{Master, masters};
use crate::checks::reach::advertised::{Member, Source, Told};
use crate::checks::reach::judge::Unasked;
use crate::checks::suite::slot_move::told_to_ask;
use crate::connect::target::Target;
use crate::error::Error;
use crate::server::wire::connection::NodeConnection;
use crate::server::wire::reply::Endpoint;
use crate::spec::service_user::VALIDATION_PREFIX;
use crate::topology::layout::{NodeId, Topology};

/// The collected data.
pub(crate) struct Collected {
    pub(crate) members: Vec<Member>,
    pub(crate) told: Vec<Told>,
    pub(crate) unasked: Vec<Unasked>,
}

/// Queries all nodes concurrently.
pub(crate) async fn collect(target: &Target<'_>, topology: &Topology) -> Collected {
    let views = target.views().await;
    let ids: Vec<Option<NodeId>> = views
        .iter()
        .map(|view| Some(view.as_ref().ok()?.myself()?.id.clone()))
        .collect();
    let members = members(topology, &ids);
    let masters = masters(target, &views);
    let all = &masters;
    let asked = target.members.iter().zip(&members).zip(&views);
    let answers = join_all(asked.map(|((node, member), view)| async move {
        match (&node.link, view) {
            (Ok(link), Ok(_)) => of_node(link, member, all).await,
            (Err(why), _) | (_, Err(why)) => (
                Vec::new(),
                vec![Unasked {
                    node: member.name.clone(),
                    why: why.clone(),
                }],
            ),
        }
    }))
    .await;
    let (mut told, mut unasked) = (Vec::new(), Vec::new());
    for (some, failed) in answers {
        told.extend(some);
        unasked.extend(failed);
    }
    for answer in asks(&masters).await {
        match answer {
            Ok(one) => told.push(one),
            Err(failed) => unasked.push(failed),
        }
    }
    Collected {
        members,
        told,
        unasked,
    }
}

/// Returns the addresses that one node advertises.
async fn of_node(
    link: &NodeConnection,
    member: &Member,
    masters: &[Master<'_>],
) -> (Vec<Told>, Vec<Unasked>) {
    let (mut told, mut unasked) = (Vec::new(), Vec::new());
    let failed = |why: String| Unasked {
        node: member.name.clone(),
        why,
    };
    let whole = |error: &Error| failed(whole(error));
    let one = |source: Source, endpoint: Endpoint| Told {
        by: member.id.clone(),
        source,
        endpoint,
    };
    let redirected = join_all(
        masters
            .iter()
            .filter(|master| master.id != member.id)
            .map(|master| async move { (master, redirected(link, master).await) }),
    );
    let (slots, shards, nodes, moved) = tokio::join!(
        link.cluster_slots(),
        link.cluster_shards(),
        link.cluster_nodes(),
        redirected
    );
    match slots {
        Ok(owners) => told.extend(
            owners
                .into_iter()
                .flat_map(|owner| owner.endpoints)
                .map(|endpoint| one(Source::Slots, endpoint)),
        ),
        Err(error) => unasked.push(whole(&error)),
    }
    match shards {
        Ok(endpoints) => {
            told.extend(
                endpoints
                    .into_iter()
                    .map(|endpoint| one(Source::Shards, endpoint)),
            );
        }
        Err(error) => unasked.push(whole(&error)),
    }
    match nodes {
        // The id of a node in handshake is temporary.
        Ok(lines) => told.extend(
            lines
                .into_iter()
                .filter(|line| !line.has("handshake"))
                .flat_map(|line| {
                    let by = |host: String| Endpoint {
                        host,
                        port: line.port,
                        id: line.id.clone(),
                    };
                    let named = line.hostname.clone().unwrap_or_else(|| line.ip.clone());
                    [
                        one(Source::Nodes, by(line.ip.clone())),
                        one(Source::NodeNames, by(named)),
                    ]
                }),
        ),
        Err(error) => unasked.push(whole(&error)),
    }
    for (master, answer) in moved {
        match answer {
            Ok((host, port)) => {
                let id = master.id.clone();
                told.push(one(Source::Moved, Endpoint { host, port, id }));
            }
            Err(answer) => unasked.push(failed(format!(
                "a key of {} returns `{answer}` instead of MOVED",
                master.name
            ))),
        }
    }
    // Several slot ranges can have the same address; keep it once.
    told.sort_by(|one, other| (one.source, &one.endpoint).cmp(&(other.source, &other.endpoint)));
    told.dedup();
    (told, unasked)
}

/// Returns the redirection that a node sends for a key of another master.
async fn redirected(link: &NodeConnection, master: &Master<'_>) -> Result<(String, u16), String> {
    let key = format!("{VALIDATION_PREFIX}:verify:{{{}}}", master.tag());
    let said = link.said(&["GET", &key]).await;
    target(&said, "MOVED").ok_or(said)
}

/// Returns the ASK redirection of every master, for a key that is migrating to the next master.
async fn asks(masters: &[Master<'_>]) -> Vec<Result<Told, Unasked>> {
    if masters.len() < 2 {
        return Vec::new();
    }
    let next = masters.iter().cycle().skip(1);
    join_all(masters.iter().zip(next).map(|(from, to)| async move {
        let failed = |why: String| Unasked {
            node: from.name.to_owned(),
            why,
        };
        let said = told_to_ask(from, to)
            .await
            .map_err(|why| failed(format!("ASK: {why}")))?;
        let (host, port) = target(&said, "ASK").ok_or_else(|| {
            failed(format!(
                "a key migrating to {} returns `{said}` instead of ASK",
                to.name
            ))
        })?;
        Ok(Told {
            by: from.id.clone(),
            source: Source::Ask,
            endpoint: Endpoint {
                host,
                port,
                id: to.id.clone(),
            },
        })
    }))
    .await
}

/// Parses `MOVED 12182 10.0.0.3:7003`. The host can be empty, and can contain colons.
fn target(said: &str, word: &str) -> Option<(String, u16)> {
    let mut words = said.split(' ');
    if words.next()? != word {
        return None;
    }
    words.next()?.parse::<u16>().ok()?;
    let (host, port) = words.next()?.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}

/// Formats an error with its causes.
pub(crate) fn whole(error: &Error) -> String {
    let mut text = error.to_string();
    for cause in error.causes() {
        text.push_str(": ");
        text.push_str(&cause);
    }
    text
}

/// Returns the planned nodes with their actual ids.
pub(crate) fn members(topology: &Topology, ids: &[Option<NodeId>]) -> Vec<Member> {
    topology
        .nodes
        .iter()
        .zip(ids)
        .map(|(node, id)| Member {
            index: node.index,
            name: node.name.clone(),
            id: id.clone().unwrap_or_else(|| node.id.clone()),
            ip: node.ip,
            published: *node.host_address().ip(),
            port: node.port,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_tells_where_to() {
        let at = |host: &str| Some((host.to_owned(), 7003));
        assert_eq!(target("MOVED 12182 10.0.0.3:7003", "MOVED"), at("10.0.0.3"));
        assert_eq!(target("ASK 5 fe80::1:7003", "ASK"), at("fe80::1"));
        assert_eq!(target("MOVED 5 :7003", "MOVED"), at(""));
        assert_eq!(target("MOVED 5 10.0.0.3:7003", "ASK"), None);
        assert_eq!(target("CLUSTERDOWN Hash slot not served", "MOVED"), None);
    }
}

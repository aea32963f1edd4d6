//! Repairs findings, one action after the other, with commands of the container engine and of the servers.

use crate::checks::diagnose::finding::{Diagnosis, Finding};
use crate::connect::attached::Attached;
use crate::connect::endpoint::Endpoint;
use crate::error::ErrorKind;
use crate::runtime::docker::client::Docker;
use crate::spec::service_user::ServiceUser;
use crate::wait::{Seen, until};
use futures_util::future::try_join_all;
use std::time::Duration;
use tokio::time::Instant;

use crate::checks::diagnose::finding::Action;
use crate::connect::target::Member;
use crate::connect::target::address_of;
use crate::error::{Error, Result};
use crate::runtime::faults::Faults;
use crate::server::wire::connection::{Address, NodeConnection};
use crate::topology::layout::{NodeId, Topology};
use crate::topology::slots::SlotRange;

/// Timeout until the nodes show the effect of a repair: failovers, handshakes, gossip.
const SETTLING: Duration = Duration::from_secs(20);

/// Poll interval.
const LOOK: Duration = Duration::from_millis(200);

impl<R: Faults> Attached<R> {
    /// Applies the action that a finding proposes.
    ///
    /// # Errors
    /// When the container engine or a server refuses it.
    #[doc(hidden)]
    pub async fn treat(&self, action: &Action) -> Result<()> {
        let target = self.target(ServiceUser::Operator).await;
        treat(&target.members, Some((self.runtime(), self.topology())), action).await
    }

    /// Waits until the repaired findings are gone and nothing is changing, at most 20 seconds; returns the diagnosis.
    ///
    /// # Errors
    /// When the container engine refuses a query.
    #[doc(hidden)]
    pub async fn after(&self, treated: &[Finding]) -> Result<Diagnosis> {
        let runtime = self.runtime();
        Box::pin(settle(treated, || async {
            let again = Attached::to(runtime.clone(), self.topology().name()).await?;
            Ok(again.diagnose().await)
        }))
        .await
    }
}

impl Endpoint {
    /// As [`Attached::treat`].
    ///
    /// # Errors
    /// When a server refuses it.
    pub async fn treat(&self, action: &Action) -> Result<()> {
        treat(&self.target().members, None::<(&Docker, _)>, action).await
    }

    /// As [`Attached::after`].
    ///
    /// # Errors
    /// None at present.
    pub async fn after(&self, treated: &[Finding]) -> Result<Diagnosis> {
        Box::pin(settle(treated, || async {
            Ok(self.again().await.diagnose().await)
        }))
        .await
    }
}

async fn settle<F>(treated: &[Finding], mut look: impl FnMut() -> F) -> Result<Diagnosis>
where
    F: Future<Output = Result<Diagnosis>>,
{
    let deadline = Instant::now() + SETTLING;
    // Findings that remain at the deadline are returned; they are not an error.
    let settled = until("the cluster has settled", deadline, LOOK, || {
        let looked = look();
        async move {
            let now = looked.await?;
            Ok(if now.has_settled(treated) {
                Seen::Done(now)
            } else {
                Seen::NotYet(String::new())
            })
        }
    })
    .await;
    match settled {
        Ok(now) => Ok(now),
        Err(error) if error.kind() == ErrorKind::Timeout => look().await,
        Err(error) => Err(error),
    }
}

/// Finds a member by its name.
pub(crate) fn member<'a>(members: &'a [Member], name: &str) -> Option<&'a Member> {
    members.iter().find(|member| member.name == name)
}

/// Number of keys moved per `MIGRATE` command.
const BATCH: &str = "200";

/// Timeout of one `MIGRATE` command, in milliseconds.
const MOVE: &str = "5000";

/// Applies an action.
pub(crate) async fn treat<R: Faults>(
    members: &[Member],
    engine: Option<(&R, &Topology)>,
    action: &Action,
) -> Result<()> {
    let link = |name: &str| link(members, name);
    match action {
        Action::Start { node } => engine_of(engine, node)?.0.start(node).await,
        Action::Resume { node } => engine_of(engine, node)?.0.resume(node).await,
        Action::Connect { node } => {
            let (runtime, topology) = engine_of(engine, node)?;
            let planned = topology.nodes.iter().find(|planned| planned.name == *node);
            let planned = planned.ok_or_else(|| unknown(node))?;
            runtime.connect(node, &topology.network(), planned.ip).await
        }
        Action::Meet { node, other } => {
            let to = address(members, other)?;
            link(node)?.meet(&[(to.host, to.port)]).await
        }
        Action::Cover { node, slots } => cover(link(node)?, slots).await,
        Action::Settle { owner, others, slots } => {
            let owner = link(owner)?;
            let id = owner.my_id().await?;
            let others = others.iter().map(|name| link(name)).collect::<Result<Vec<_>>>()?;
            try_join_all(others.into_iter().map(|other| hand_over(other, &id, slots))).await?;
            owner.command::<String>(&["CLUSTER", "BUMPEPOCH"]).await.map(drop)
        }
        Action::Close { slot, owner, guests } => {
            let home = address(members, owner)?;
            stable(link(owner)?, *slot).await?;
            for (guest, _) in guests {
                let guest = link(guest)?;
                bring_back(guest, &home, *slot).await?;
                stable(guest, *slot).await?;
            }
            Ok(())
        }
        Action::Forget { id, by } => {
            let by = by.iter().map(|name| link(name)).collect::<Result<Vec<_>>>()?;
            try_join_all(by.into_iter().map(|link| async move {
                match link.forget(std::slice::from_ref(id)).await {
                    // It was forgotten in the meantime.
                    Err(error) if error.causes().iter().any(|why| why.contains("Unknown node")) => Ok(()),
                    done => done,
                }
            }))
            .await
            .map(drop)
        }
        Action::Follow { node, master } => {
            let id = link(master)?.my_id().await?;
            link(node)?.replicate(&id).await
        }
    }
}

fn unknown(node: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{node} is no node of this cluster"))
}

fn link<'a>(members: &'a [Member], name: &str) -> Result<&'a NodeConnection> {
    let member = member(members, name).ok_or_else(|| unknown(name))?;
    member
        .link
        .as_ref()
        .map_err(|why| Error::new(ErrorKind::Redis, format!("{name} does not answer")).because(why.clone()))
}

fn address(members: &[Member], name: &str) -> Result<Address> {
    member(members, name)
        .and_then(address_of)
        .ok_or_else(|| unknown(name))
}

fn engine_of<'a, R>(engine: Option<(&'a R, &'a Topology)>, node: &str) -> Result<(&'a R, &'a Topology)> {
    engine.ok_or_else(|| {
        Error::new(
            ErrorKind::Usage,
            format!("{node} is not in a container of rcup, and cannot be started from here"),
        )
        .hint("Start it on its own machine.")
    })
}

/// Assigns uncovered slots to a node. The node first deletes the owners that it still has recorded for them; a new
/// epoch makes the other nodes accept the assignment.
async fn cover(link: &NodeConnection, slots: &[SlotRange]) -> Result<()> {
    let lines = link.cluster_nodes().await?;
    let believed: Vec<String> = slots
        .iter()
        .flat_map(|range| range.first..=range.last)
        .filter(|slot| {
            lines
                .iter()
                .any(|line| line.slots.iter().any(|range| range.contains(*slot)))
        })
        .map(|slot| slot.to_string())
        .collect();
    if !believed.is_empty() {
        let words: Vec<&str> = ["CLUSTER", "DELSLOTS"]
            .into_iter()
            .chain(believed.iter().map(String::as_str))
            .collect();
        link.command::<String>(&words).await?;
    }
    let all: Vec<String> = slots
        .iter()
        .flat_map(|range| range.first..=range.last)
        .map(|slot| slot.to_string())
        .collect();
    // Some servers in use are older than `CLUSTER ADDSLOTSRANGE`.
    let words: Vec<&str> = ["CLUSTER", "ADDSLOTS"]
        .into_iter()
        .chain(all.iter().map(String::as_str))
        .collect();
    link.command::<String>(&words).await?;
    link.command::<String>(&["CLUSTER", "BUMPEPOCH"]).await.map(drop)
}

/// Assigns slots of this node to another node.
async fn hand_over(link: &NodeConnection, owner: &NodeId, slots: &[SlotRange]) -> Result<()> {
    let commands: Vec<Vec<String>> = slots
        .iter()
        .flat_map(|range| range.first..=range.last)
        .map(|slot| {
            ["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &owner.0]
                .map(str::to_owned)
                .to_vec()
        })
        .collect();
    link.pipeline::<Vec<String>>(&commands).await.map(drop)
}

async fn stable(link: &NodeConnection, slot: u16) -> Result<()> {
    let slot = slot.to_string();
    link.command::<String>(&["CLUSTER", "SETSLOT", &slot, "STABLE"])
        .await
        .map(drop)
}

/// Moves all keys of a slot from a node that imports it to its owner. A key that exists on both nodes is not moved,
/// and is an error: only the user knows which value is correct.
async fn bring_back(guest: &NodeConnection, home: &Address, slot: u16) -> Result<()> {
    let (slot, port) = (slot.to_string(), home.port.to_string());
    loop {
        let keys: Vec<String> = guest.command(&["CLUSTER", "GETKEYSINSLOT", &slot, BATCH]).await?;
        if keys.is_empty() {
            return Ok(());
        }
        let mut words = vec!["MIGRATE", &home.host, &port, "", "0", MOVE];
        if let Some(login) = guest.access().credentials() {
            words.extend(["AUTH2", login.user_name(), login.password.expose()]);
        }
        words.push("KEYS");
        words.extend(keys.iter().map(String::as_str));
        guest.command::<String>(&words).await?;
    }
}

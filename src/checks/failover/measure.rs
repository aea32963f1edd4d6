//! Measures a failover: makes one master unavailable while a client writes to it and every other node is
//! polled; then restores the master and the roles.

use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::checks::failover::hand_back::hand_back;
use crate::checks::failover::measured::{Failover, Noticed, WAYS, Way};
use crate::checks::failover::witness::{Watch, Writer};
use crate::checks::finding::all_passed;
use crate::checks::finding::complaint;
use crate::checks::masters::{Master, masters};
use crate::checks::options::SuiteOptions;
use crate::connect::links::Links;
use crate::connect::target::{Member, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::runtime::faults::Faults;
use crate::server::wire::connection::NodeConnection;
use crate::topology::layout::Topology;
use crate::topology::slots::slot_of;
use crate::wait::{Seen, pace, until};

/// Number of writes that the client completes before the master becomes unavailable.
const WARM: usize = 20;

/// Timeout of each step after the failover.
const PATIENCE: Duration = Duration::from_secs(30);

/// Poll interval of the measurement.
const STEP: Duration = Duration::from_millis(5);

/// The participants of one failover: the master to make unavailable, its replicas, and the polled nodes.
struct Scene<'a, R> {
    engine: Option<&'a R>,
    way: Way,
    victim: &'a Master<'a>,
    /// All other reachable nodes.
    others: Vec<&'a Member>,
    node_timeout: u64,
    cancel: &'a CancellationToken,
    /// Why the container engine refused to pause the master.
    refused: OnceLock<String>,
}

/// The results after the failover was triggered.
#[derive(Default)]
struct Aftermath {
    revived: Option<Instant>,
    back: Option<Instant>,
    trouble: Option<String>,
}

/// Measures one failover. `Err` contains the reason why it was not tried.
pub(crate) async fn failover<R: Faults>(
    target: &Target<'_>,
    way: Way,
    options: &SuiteOptions,
    engine: Option<&R>,
) -> Result<Failover, String> {
    let fresh = Target {
        name: target.name.clone(),
        members: reconnected(&target.members).await,
        plan: target.plan,
        astray: Vec::new(),
    };
    let answers = fresh.views().await;
    let judged = fresh.judge(&answers);
    if !all_passed(&judged) {
        return Err(format!(
            "skipped because the cluster has failures ({})",
            complaint(&judged)
        ));
    }
    let all = masters(&fresh, &answers);
    if way != Way::Command && (engine.is_none() || fresh.plan.is_none()) {
        return Err("only containers started by rcup can be paused and killed".to_owned());
    }
    if way != Way::Command && all.len() < 3 {
        return Err("fewer than 3 masters leave no majority to elect a replica".to_owned());
    }
    let candidates: Vec<&Master<'_>> = all.iter().filter(|one| !one.replicas.is_empty()).collect();
    if candidates.is_empty() {
        return Err("no master has a replica that could take over".to_owned());
    }
    let candidates: Vec<&Master<'_>> = candidates
        .into_iter()
        .filter(|master| fresh.plan.is_none_or(|plan| comes_back(plan, master)))
        .collect();
    if candidates.is_empty() {
        return Err(
            "every replica runs a newer version than its master, which could not replicate from it \
             afterwards"
                .to_owned(),
        );
    }
    // Redis does not fail over the same master again within two node timeouts: each failover type uses
    // another master.
    let nth = WAYS.iter().position(|known| *known == way).unwrap_or_default() + options.round;
    let victim = candidates[nth % candidates.len()];
    let timeout = victim.link.configured("cluster-node-timeout").await;
    let scene = Scene {
        engine,
        way,
        victim,
        others: fresh
            .members
            .iter()
            .filter(|member| member.name != victim.name && member.link.is_ok())
            .collect(),
        node_timeout: timeout.ok().and_then(|text| text.parse().ok()).unwrap_or(15_000),
        cancel: &options.cancel,
        refused: OnceLock::new(),
    };
    options.observer.observe(&Event::note(format!(
        "{}: {} is {}; node timeout {} ms",
        way.id(),
        victim.name,
        way.deed(),
        scene.node_timeout
    )));
    let mut measured = scene.play().await;
    if let Some(refused) = scene.refused.get() {
        return Err(format!("the container engine cannot pause containers: {refused}"));
    }
    if let Err(error) = restored(&fresh, victim).await {
        let why = format!("the planned roles were not restored: {}", told(&error));
        measured.trouble.get_or_insert(why);
    }
    Ok(measured)
}

/// Returns whether a master can replicate from each of its replicas, and so can rejoin the shard after one of
/// them was promoted.
fn comes_back(plan: &Topology, master: &Master<'_>) -> bool {
    let server = |name: &str| {
        let node = plan.nodes.iter().find(|node| node.name == name)?;
        Some(plan.server(node))
    };
    let Some(own) = server(master.name) else {
        return true;
    };
    master
        .replicas
        .iter()
        .all(|replica| server(&replica.name).is_none_or(|theirs| own.can_copy(theirs)))
}

fn told(error: &Error) -> String {
    std::iter::once(error.to_string())
        .chain(error.causes())
        .collect::<Vec<_>>()
        .join(": ")
}

impl<R: Faults> Scene<'_, R> {
    async fn play(&self) -> Failover {
        let tag = self.victim.tag();
        let slot = slot_of(tag.to_string().as_bytes());
        let stations: Vec<&NodeConnection> = std::iter::once(self.victim.link)
            .chain(
                self.victim
                    .replicas
                    .iter()
                    .filter_map(|member| member.link.as_ref().ok()),
            )
            .collect();
        let writer = Writer::new(stations, tag);
        let watch = Watch::new(self.victim.id.clone(), slot);
        let stop = CancellationToken::new();
        let bound = Duration::from_millis(self.way.bound(self.node_timeout));
        // A failed election is retried after four node timeouts.
        let again = Duration::from_millis(self.node_timeout.saturating_mul(4));
        let end = Instant::now() + bound + again + PATIENCE * 3;
        let eyes = self.others.iter().enumerate().filter_map(|(place, member)| {
            let link = member.link.as_ref().ok()?;
            Some(watch.look(place, link, &stop, end))
        });
        let direct = async {
            let measured = self.direct(&writer, &watch, bound + again).await;
            stop.cancel();
            measured
        };
        let (mut measured, (), _) = tokio::join!(direct, writer.write(&stop, end), join_all(eyes));
        let acknowledged = writer.acknowledged().keys.len() as u64;
        measured.acknowledged = acknowledged;
        let successor = watch
            .promoted()
            .map(|(place, _)| self.others[place].name.as_str());
        match self.lost(&writer, successor.unwrap_or(self.victim.name)).await {
            Ok(lost) => measured.lost = lost,
            Err(why) => {
                measured
                    .trouble
                    .get_or_insert(format!("acknowledged writes could not be counted: {why}"));
            }
        }
        measured
    }

    /// Returns how many acknowledged writes are missing on the node that now serves the slots, and deletes
    /// all test keys there.
    async fn lost(&self, writer: &Writer<'_>, serving: &str) -> Result<u64, String> {
        let of = self.others.iter().find(|member| member.name == serving);
        let link = of
            .and_then(|member| member.link.as_ref().ok())
            .unwrap_or(self.victim.link);
        // The connection to a killed node is closed, and the node needs time to restart.
        let deadline = Instant::now() + PATIENCE;
        let alive = until("the slots are served", deadline, STEP, || async {
            let link = match link.ping().await {
                Ok(()) => link.clone(),
                Err(_) => match link.elsewhere(link.address()).await {
                    Ok(again) => again,
                    Err(error) => return Ok(Seen::NotYet(told(&error))),
                },
            };
            // A master that has restarted returns CLUSTERDOWN for several seconds.
            Ok(match writer.is_served_by(&link).await {
                Ok(()) => Seen::Done(link),
                Err(error) => Seen::NotYet(told(&error)),
            })
        })
        .await;
        writer.lost(&alive.map_err(|error| told(&error))?).await
    }

    /// Makes the master unavailable, waits for the new one, and restores the old one.
    async fn direct(&self, writer: &Writer<'_>, watch: &Watch, bound: Duration) -> Failover {
        let warm = self
            .wait("the client writes", PATIENCE, || {
                writer.acknowledged().keys.len() >= WARM
            })
            .await;
        writer.leave();
        let begun = Instant::now();
        let deed = match warm {
            Ok(()) => self.deed().await,
            Err(error) => Err(error),
        };
        let Aftermath {
            revived,
            back,
            trouble,
        } = match deed {
            Ok(()) => self.aftermath(writer, watch, bound).await,
            Err(error) => Aftermath {
                trouble: Some(told(&error)),
                ..Aftermath::default()
            },
        };
        let since = |at: Option<Instant>| at.map(|at| ms(at.saturating_duration_since(begun)));
        let acknowledged = writer.acknowledged();
        let promoted = watch.promoted();
        Failover {
            way: self.way,
            victim: self.victim.name.to_owned(),
            successor: promoted.map(|(place, _)| self.others[place].name.clone()),
            node_timeout: self.node_timeout,
            noticed: self
                .others
                .iter()
                .enumerate()
                .map(|(place, member)| {
                    let learned = watch.learned(place);
                    Noticed {
                        node: member.name.clone(),
                        suspected: since(learned.suspected),
                        failed: since(learned.failed),
                        followed: since(learned.followed),
                    }
                })
                .collect(),
            promoted: since(promoted.map(|(_, at)| at)),
            last_write: since(acknowledged.last_on_old).unwrap_or_default(),
            writes_again: since(acknowledged.first_on_new),
            revived: since(revived),
            back: since(back),
            acknowledged: 0,
            lost: 0,
            trouble,
        }
    }

    /// Waits until another node has taken over, and restores the old master in every case.
    async fn aftermath(&self, writer: &Writer<'_>, watch: &Watch, bound: Duration) -> Aftermath {
        let mut after = Aftermath::default();
        let over = self
            .wait("writes to resume on another node", bound, || {
                writer.acknowledged().first_on_new.is_some() && watch.promoted().is_some()
            })
            .await;
        match over {
            // The other nodes receive the update by gossip; a node that does not is visible in the timeline.
            Ok(()) => {
                let others = self.others.len();
                let _ = self
                    .wait("all nodes know the new master", PATIENCE, || {
                        watch.all_follow(others)
                    })
                    .await;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                after.trouble = Some("interrupted".to_owned());
            }
            Err(_) => {}
        }
        let came_back = match self.revive().await {
            Ok(()) => {
                after.revived = Some(Instant::now());
                if watch.promoted().is_none() {
                    // No replica was promoted, so the node is still the master.
                    return after;
                }
                self.back().await
            }
            Err(error) => Err(error),
        };
        match came_back {
            Ok(at) => after.back = Some(at),
            Err(error) => {
                after.trouble.get_or_insert(told(&error));
            }
        }
        after
    }

    async fn deed(&self) -> Result<()> {
        match (self.way, self.engine) {
            (Way::Pause, Some(engine)) => {
                let paused = engine.pause(self.victim.name).await;
                // A rootless container engine refuses it with cgroups v1 or without cgroup delegation.
                if let Err(error) = &paused
                    && error.kind() == ErrorKind::Engine
                {
                    let _ = self.refused.set(told(error));
                }
                paused
            }
            (Way::Kill, Some(engine)) => engine.kill(self.victim.name).await,
            _ => match self.victim.replicas.first().map(|member| &member.link) {
                Some(Ok(link)) => link.fail_over().await,
                _ => Err(Error::new(ErrorKind::Redis, "no replica can take over")),
            },
        }
    }

    async fn revive(&self) -> Result<()> {
        match (self.way, self.engine) {
            (Way::Pause, Some(engine)) => engine.resume(self.victim.name).await,
            (Way::Kill, Some(engine)) => engine.start(self.victim.name).await,
            _ => Ok(()),
        }
    }

    /// Waits until the old master is a replica in sync.
    async fn back(&self) -> Result<Instant> {
        let what = format!("{} is a replica in sync", self.victim.name);
        let deadline = Instant::now() + PATIENCE;
        until(&what, deadline, STEP, || async {
            // The restart closed its previous connection.
            let link = match self.victim.link.elsewhere(self.victim.link.address()).await {
                Ok(link) => link,
                Err(error) => return Ok(Seen::NotYet(told(&error))),
            };
            Ok(match link.view().await {
                Ok(view) if view.replication.replica && view.replication.link_up => {
                    Seen::Done(Instant::now())
                }
                Ok(view) if view.replication.replica => Seen::NotYet("its link is down".to_owned()),
                Ok(_) => Seen::NotYet("it is still a master".to_owned()),
                Err(error) => Seen::NotYet(told(&error)),
            })
        })
        .await
    }

    /// Waits for a condition on the results of the client and the polled nodes.
    async fn wait(&self, what: &str, patience: Duration, holds: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + patience;
        until(what, deadline, STEP, || {
            let seen = if self.cancel.is_cancelled() {
                Err(Error::new(ErrorKind::Interrupted, "the failover was interrupted"))
            } else if holds() {
                Ok(Seen::Done(()))
            } else {
                Ok(Seen::NotYet("not yet".to_owned()))
            };
            std::future::ready(seen)
        })
        .await
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the same members, and reconnects those whose connection is closed.
async fn reconnected(members: &[Member]) -> Vec<Member> {
    join_all(members.iter().map(|member| async {
        let mut member = member.clone();
        if let Ok(link) = &member.link
            && link.ping().await.is_err()
        {
            member.link = link
                .elsewhere(link.address())
                .await
                .map_err(|error| error.reason());
        }
        member
    }))
    .await
}

/// Restores the master role of the original node, and waits until all nodes agree.
async fn restored(target: &Target<'_>, victim: &Master<'_>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let now = Target {
        name: target.name.clone(),
        members: reconnected(&target.members).await,
        plan: target.plan,
        astray: Vec::new(),
    };
    if let Some(plan) = now.plan {
        let links: Links = now.links();
        if links.iter().count() != plan.nodes.len() {
            return Err(Error::new(ErrorKind::Redis, "not all nodes can be reached"));
        }
        return hand_back(plan, &links, deadline).await.map(drop);
    }
    let own = now.members.iter().find(|member| member.name == victim.name);
    let Some(Ok(link)) = own.map(|member| &member.link) else {
        return Err(Error::new(
            ErrorKind::Redis,
            format!("{} cannot be reached", victim.name),
        ));
    };
    let what = format!("{} is master again", victim.name);
    until(&what, deadline, Duration::from_millis(100), || async {
        let asked = link.fail_over().await;
        let nodes = link.cluster_nodes().await?;
        let master = nodes.iter().any(|line| line.has("myself") && line.is_master());
        Ok(if master {
            Seen::Done(())
        } else {
            Seen::NotYet(
                asked
                    .err()
                    .map_or_else(|| "it is still a replica".to_owned(), |error| error.reason()),
            )
        })
    })
    .await?;
    until(
        "all nodes agree again",
        deadline,
        pace(now.members.len()),
        || async {
            let judged = now.judge(&now.views().await);
            Ok(if all_passed(&judged) {
                Seen::Done(())
            } else {
                Seen::NotYet(complaint(&judged))
            })
        },
    )
    .await
}

//! Monitors a failover: a client that writes continuously, and a poll of every other node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::checks::masters::key;
use crate::server::wire::connection::NodeConnection;
use crate::topology::layout::NodeId;
use crate::wait::{Seen, until};

/// Interval between writes, and between polls of a node.
const PACE: Duration = Duration::from_millis(5);

/// Timeout of a write.
const ANSWER: Duration = Duration::from_millis(100);

/// TTL of the client's keys in milliseconds, in case their deletion fails: longer than any failover.
const KEY_LIFE: &str = "600000";

/// Number of keys to count or delete in one pipeline.
const CHUNK: usize = 500;

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The writes that were acknowledged to the client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acknowledged {
    /// The numbers of its keys.
    pub(crate) keys: Vec<u64>,
    /// When the old master last acknowledged a write.
    pub(crate) last_on_old: Option<Instant>,
    /// When another node first acknowledged a write.
    pub(crate) first_on_new: Option<Instant>,
}

/// A client that continuously writes new keys, to the master until it fails, then to the replicas.
pub(crate) struct Writer<'a> {
    /// The master that is made unavailable, then its replicas.
    stations: Vec<&'a NodeConnection>,
    tag: u64,
    at: AtomicUsize,
    /// Whether the failover has been triggered: before that, a late answer does not make the client switch to
    /// another node.
    leaves: AtomicBool,
    /// The number of attempted writes; they are numbered from 1.
    tried: AtomicU64,
    acknowledged: Mutex<Acknowledged>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(stations: Vec<&'a NodeConnection>, tag: u64) -> Self {
        Self {
            stations,
            tag,
            at: AtomicUsize::new(0),
            leaves: AtomicBool::new(false),
            tried: AtomicU64::new(0),
            acknowledged: Mutex::default(),
        }
    }

    /// Returns the writes that are acknowledged so far.
    pub(crate) fn acknowledged(&self) -> Acknowledged {
        held(&self.acknowledged).clone()
    }

    /// From now on, lets the client switch to the replicas when the master does not answer.
    pub(crate) fn leave(&self) {
        self.leaves.store(true, Ordering::Relaxed);
    }

    fn key(&self, nth: u64) -> String {
        key(self.tag, &format!("failover:{nth}"))
    }

    /// Writes until `stop`.
    pub(crate) async fn write(&self, stop: &CancellationToken, deadline: Instant) {
        // A passed deadline is visible in the acknowledged writes.
        let _ = until("writing ends", deadline, PACE, || async {
            if stop.is_cancelled() {
                return Ok(Seen::Done(()));
            }
            let number = self.tried.fetch_add(1, Ordering::Relaxed) + 1;
            let station = self.at.load(Ordering::Relaxed);
            let key = self.key(number);
            let words = ["SET", &key, "1", "PX", KEY_LIFE];
            let written = self.stations[station].command::<String>(&words);
            match tokio::time::timeout(ANSWER, written).await {
                Ok(Ok(_)) => {
                    let mut acknowledged = held(&self.acknowledged);
                    acknowledged.keys.push(number);
                    if station == 0 {
                        acknowledged.last_on_old = Some(Instant::now());
                    } else {
                        acknowledged.first_on_new.get_or_insert_with(Instant::now);
                    }
                }
                // A client does not return to a master that has failed.
                _ if self.leaves.load(Ordering::Relaxed) => self
                    .at
                    .store(station % (self.stations.len() - 1) + 1, Ordering::Relaxed),
                _ => {}
            }
            Ok(Seen::NotYet("it goes on".to_owned()))
        })
        .await;
    }

    /// Checks whether a node accepts writes to the slots, by deleting a key that never existed.
    pub(crate) async fn is_served_by(&self, master: &NodeConnection) -> crate::error::Result<()> {
        master.command::<u64>(&["DEL", &self.key(0)]).await.map(drop)
    }

    /// Returns how many of the acknowledged keys a node does not have. Deletes all attempted keys there: a
    /// write without an answer may have been executed.
    pub(crate) async fn lost(&self, master: &NodeConnection) -> Result<u64, String> {
        let acknowledged: BTreeSet<u64> = self.acknowledged().keys.into_iter().collect();
        let tried: Vec<u64> = (1..=self.tried.load(Ordering::Relaxed)).collect();
        let mut lost = 0;
        for chunk in tried.chunks(CHUNK) {
            let words: Vec<Vec<String>> = chunk
                .iter()
                .map(|nth| vec!["DEL".to_owned(), self.key(*nth)])
                .collect();
            let found: Vec<u64> = master.pipeline(&words).await.map_err(|error| error.reason())?;
            let gone = chunk.iter().zip(found).filter(|(_, found)| *found == 0);
            lost += gone.filter(|(nth, _)| acknowledged.contains(nth)).count() as u64;
        }
        Ok(lost)
    }
}

/// When one node noticed each state change.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Learned {
    pub(crate) suspected: Option<Instant>,
    pub(crate) failed: Option<Instant>,
    pub(crate) followed: Option<Instant>,
    /// When it reported itself as master of the slot.
    pub(crate) promoted: Option<Instant>,
}

/// What all polled nodes have reported about one master, by their position among them.
pub(crate) struct Watch {
    pub(crate) master: NodeId,
    /// One of its slots.
    pub(crate) slot: u16,
    learned: Mutex<BTreeMap<usize, Learned>>,
}

impl Watch {
    pub(crate) fn new(master: NodeId, slot: u16) -> Self {
        Self {
            master,
            slot,
            learned: Mutex::default(),
        }
    }

    /// Returns what the node at this position has reported so far.
    pub(crate) fn learned(&self, place: usize) -> Learned {
        held(&self.learned).get(&place).copied().unwrap_or_default()
    }

    /// Returns which node has reported itself as master, and when.
    pub(crate) fn promoted(&self) -> Option<(usize, Instant)> {
        held(&self.learned)
            .iter()
            .find_map(|(place, learned)| Some((*place, learned.promoted?)))
    }

    /// Returns whether all of the first `nodes` nodes know the new master.
    pub(crate) fn all_follow(&self, nodes: usize) -> bool {
        let learned = held(&self.learned);
        (0..nodes).all(|place| learned.get(&place).is_some_and(|one| one.followed.is_some()))
    }

    /// Polls a node's view until `stop`.
    pub(crate) async fn look(
        &self,
        place: usize,
        link: &NodeConnection,
        stop: &CancellationToken,
        deadline: Instant,
    ) {
        let _ = until("watching ends", deadline, PACE, || async {
            if stop.is_cancelled() {
                return Ok(Seen::Done(()));
            }
            if let Ok(lines) = link.cluster_nodes().await {
                let now = Instant::now();
                let mut all = held(&self.learned);
                let learned = all.entry(place).or_default();
                let victim = lines.iter().find(|line| line.id == self.master);
                if victim.is_some_and(|line| line.has("fail?")) {
                    learned.suspected.get_or_insert(now);
                }
                if victim.is_some_and(|line| line.has("fail")) {
                    learned.failed.get_or_insert(now);
                }
                let owner = lines.iter().find(|line| {
                    line.id != self.master && line.slots.iter().any(|range| range.contains(self.slot))
                });
                if let Some(owner) = owner {
                    learned.followed.get_or_insert(now);
                    if owner.has("myself") {
                        learned.promoted.get_or_insert(now);
                    }
                }
            }
            Ok(Seen::NotYet("it goes on".to_owned()))
        })
        .await;
    }
}

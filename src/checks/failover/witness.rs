//! Who watches a failover: a client that writes all the time, and a pair of eyes on every other node.

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

/// How often a write is tried, and how often a node is asked for its view.
const PACE: Duration = Duration::from_millis(5);

/// How long a write may take before it counts as unanswered.
const ANSWER: Duration = Duration::from_millis(100);

/// How long a key of the client lives, in milliseconds, should its deletion be lost: longer than any failover.
const KEY_LIFE: &str = "600000";

/// How many keys are counted or deleted at once.
const CHUNK: usize = 500;

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was acknowledged to the client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acknowledged {
    /// The numbers of its keys.
    pub(crate) keys: Vec<u64>,
    /// When the old master answered last.
    pub(crate) last_on_old: Option<Instant>,
    /// When another node answered first.
    pub(crate) first_on_new: Option<Instant>,
}

/// A client that writes a new key all the time, on the master until it fails, then wherever it is taken.
pub(crate) struct Writer<'a> {
    /// The master that is taken away, then its replicas.
    stations: Vec<&'a NodeConnection>,
    tag: u64,
    at: AtomicUsize,
    /// Whether the master is being taken away: until then an answer that is late is no reason to leave it.
    leaves: AtomicBool,
    /// How many writes were tried; they are numbered from 1.
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

    /// What was acknowledged until now.
    pub(crate) fn acknowledged(&self) -> Acknowledged {
        held(&self.acknowledged).clone()
    }

    /// From now on it turns to the replicas where the master does not answer.
    pub(crate) fn leave(&self) {
        self.leaves.store(true, Ordering::Relaxed);
    }

    fn key(&self, nth: u64) -> String {
        key(self.tag, &format!("failover:{nth}"))
    }

    /// Writes until `stop`.
    pub(crate) async fn write(&self, stop: &CancellationToken, deadline: Instant) {
        // That the deadline passes is told by what was acknowledged.
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
                // A client does not go back to a master that has failed it.
                _ if self.leaves.load(Ordering::Relaxed) => self
                    .at
                    .store(station % (self.stations.len() - 1) + 1, Ordering::Relaxed),
                _ => {}
            }
            Ok(Seen::NotYet("it goes on".to_owned()))
        })
        .await;
    }

    /// Whether a node takes writes to the slots: it deletes a key that there never was.
    pub(crate) async fn is_served_by(&self, master: &NodeConnection) -> crate::error::Result<()> {
        master.command::<u64>(&["DEL", &self.key(0)]).await.map(drop)
    }

    /// How many of the acknowledged keys a node does not have. All keys that were ever tried are deleted there: a
    /// write whose answer did not come may have been made all the same.
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

/// When one node learned what.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Learned {
    pub(crate) suspected: Option<Instant>,
    pub(crate) failed: Option<Instant>,
    pub(crate) followed: Option<Instant>,
    /// When it called itself master of the slot.
    pub(crate) promoted: Option<Instant>,
}

/// What all watched nodes learned about one master, by their place among them.
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

    /// What the node at this place has learned until now.
    pub(crate) fn learned(&self, place: usize) -> Learned {
        held(&self.learned).get(&place).copied().unwrap_or_default()
    }

    /// Which node has called itself master, and when.
    pub(crate) fn promoted(&self) -> Option<(usize, Instant)> {
        held(&self.learned)
            .iter()
            .find_map(|(place, learned)| Some((*place, learned.promoted?)))
    }

    /// Whether all of so many nodes know the new master.
    pub(crate) fn all_follow(&self, nodes: usize) -> bool {
        let learned = held(&self.learned);
        (0..nodes).all(|place| learned.get(&place).is_some_and(|one| one.followed.is_some()))
    }

    /// Looks at a node's view until `stop`.
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

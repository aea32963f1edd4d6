//! Slot migration between two masters: while the slot is migrating, its owner redirects clients with ASK.

use crate::checks::masters::{Master, key};
use crate::checks::suite::clients::KEY_LIFE;
use crate::checks::trial::Trial;
use crate::ownership::background::aside;
use crate::server::wire::connection::{Address, NodeConnection};
use crate::topology::slots::slot_of;

/// Number of tags to try to find an empty slot.
const TAGS: u64 = 20_000;

/// Opens an empty slot for migration from the first master to the second, tests both responses, and closes it.
/// `Err` contains the reason why the test could not run.
pub(crate) async fn ask(masters: &[Master<'_>]) -> Result<Vec<Trial>, &'static str> {
    let [from, to, ..] = masters else {
        return Err("slot migration requires two masters, but there is only one");
    };
    let Some(half) = HalfMoved::open(from, to).await else {
        return Err(FULL);
    };
    let own = key(half.tag, "ask");
    let slot = half.slot.clone();
    let asked = from.link.said(&["GET", &own]).await;
    let unasked = to.link.said(&["GET", &own]).await;
    // ASKING applies only to the next command of the connection, so both are sent together.
    let asking = |words: &[&str]| -> Vec<Vec<String>> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        vec![vec!["ASKING".to_owned()], words]
    };
    let written = to
        .link
        .pipeline::<(String, String)>(&asking(&["SET", &own, "there", "PX", KEY_LIFE]))
        .await
        .map_or_else(|error| error.reason(), |(_, answer)| answer);
    let gone = to
        .link
        .pipeline::<(String, u64)>(&asking(&["DEL", &own]))
        .await
        .map_or_else(|error| error.reason(), |(_, count)| count.to_string());
    let (importing, migrating) = (half.importing.clone(), half.migrating.clone());
    let closed = half.close().await;
    Ok(vec![
        Trial::exactly(to.name, "SETSLOT IMPORTING", "OK", importing),
        Trial::exactly(from.name, "SETSLOT MIGRATING", "OK", migrating),
        Trial::beginning(from.name, "GET of a moved key", format!("ASK {slot} "), asked),
        Trial::beginning(to.name, "GET without ASKING", format!("MOVED {slot} "), unasked),
        Trial::exactly(to.name, "SET after ASKING", "OK", written),
        Trial::exactly(to.name, "DEL after ASKING", "1", gone),
        Trial::exactly(from.name, "SETSLOT STABLE on both", "OK", closed),
    ])
}

/// Returns the response of a master to a request for a key that is migrating to another master:
/// `ASK SLOT HOST:PORT`, or something else. `Err` contains the reason why the test could not run, or that the
/// slot could not be closed again.
pub(crate) async fn told_to_ask(from: &Master<'_>, to: &Master<'_>) -> Result<String, String> {
    let Some(half) = HalfMoved::open(from, to).await else {
        return Err(FULL.to_owned());
    };
    let told = from.link.said(&["GET", &key(half.tag, "ask")]).await;
    match half.close().await.as_str() {
        "OK" => Ok(told),
        other => Err(format!("slot {other}: check `rcup validate --only open-slots`")),
    }
}

/// Why no slot was migrated.
const FULL: &str = "no empty slot was found for the test";

/// An empty slot that is migrating from one master to another. It is closed again, also when this is dropped.
struct HalfMoved {
    from: NodeConnection,
    to: NodeConnection,
    /// The name of the importing node.
    name: String,
    tag: u64,
    slot: String,
    importing: String,
    migrating: String,
    open: bool,
}

impl HalfMoved {
    /// Opens an empty slot; `None` if there is none.
    async fn open(from: &Master<'_>, to: &Master<'_>) -> Option<Self> {
        let tag = empty(from).await?;
        let slot = slot_of(tag.to_string().as_bytes()).to_string();
        // Created before the first command is sent, so that the slot is closed in every case.
        let mut half = Self {
            from: from.link.clone(),
            to: to.link.clone(),
            name: to.name.to_owned(),
            tag,
            slot,
            importing: String::new(),
            migrating: String::new(),
            open: true,
        };
        let importing = ["CLUSTER", "SETSLOT", &half.slot, "IMPORTING", &from.id.0];
        half.importing = half.to.said(&importing).await;
        let migrating = ["CLUSTER", "SETSLOT", &half.slot, "MIGRATING", &to.id.0];
        half.migrating = half.from.said(&migrating).await;
        Some(half)
    }

    async fn close(mut self) -> String {
        let closed = close(&self.from, &self.to, &self.name, &self.slot).await;
        self.open = false;
        closed
    }
}

impl Drop for HalfMoved {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let (from, to) = (self.from.clone(), self.to.clone());
        let (name, slot) = (self.name.clone(), self.slot.clone());
        aside("close a slot", async move {
            // The existing connections belong to an executor that may be shutting down.
            let again = tokio::join!(from.elsewhere(from.address()), to.elsewhere(to.address()));
            if let (Ok(from), Ok(to)) = again {
                close(&from, &to, &name, &slot).await;
            }
        });
    }
}

/// Closes the slot on both sides. First moves back the keys that other clients have written on the
/// importing node: they would be inaccessible there.
async fn close(from: &NodeConnection, to: &NodeConnection, name: &str, slot: &str) -> String {
    let strays: Vec<String> = to
        .command(&["CLUSTER", "GETKEYSINSLOT", slot, "1000"])
        .await
        .unwrap_or_default();
    let stable = from.said(&["CLUSTER", "SETSLOT", slot, "STABLE"]).await;
    if !strays.is_empty() {
        let home = home(from).await.unwrap_or_else(|| from.address().clone());
        let port = home.port.to_string();
        let mut words = vec!["MIGRATE", &home.host, &port, "", "0", "5000", "REPLACE", "KEYS"];
        words.extend(strays.iter().map(String::as_str));
        let moved = to.said(&words).await;
        if moved != "OK" && moved != "NOKEY" {
            return format!("keys of other clients remain on {name}: {moved}");
        }
    }
    let other = to.said(&["CLUSTER", "SETSLOT", slot, "STABLE"]).await;
    if stable == "OK" { other } else { stable }
}

/// Returns the address at which the other nodes reach a node. This connection may use a port that is
/// published only on the host.
async fn home(node: &NodeConnection) -> Option<Address> {
    let view = node.view().await.ok()?;
    let myself = view.myself()?;
    (!myself.ip.is_empty()).then(|| Address::new(&myself.ip, node.address().port))
}

/// Returns a tag whose slot the master serves and in which it has no key.
async fn empty(master: &Master<'_>) -> Option<u64> {
    // Starts at a different position in each run, so that two validations rarely use the same slot.
    let first = u64::from(std::process::id()) % TAGS;
    for tag in (first..first + TAGS).filter(|tag| {
        let slot = slot_of(tag.to_string().as_bytes());
        master.slots.iter().any(|range| range.contains(slot))
    }) {
        let slot = slot_of(tag.to_string().as_bytes()).to_string();
        match master
            .link
            .said(&["CLUSTER", "COUNTKEYSINSLOT", &slot])
            .await
            .as_str()
        {
            "0" => return Some(tag),
            count if count.parse::<u64>().is_ok() => {}
            _ => return None,
        }
    }
    None
}

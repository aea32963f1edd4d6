//! A slot between two masters: while it is half migrated, its old owner sends clients on with ASK.

use super::clients::KEY_LIFE;
use super::key;
use super::masters::Master;
use crate::check::Trial;
use crate::topology::slot_of;

/// How many tags are tried to find an empty slot.
const TAGS: u64 = 20_000;

/// Opens an empty slot of the first master towards the second, sees both answers, and closes it again. `Err`
/// says why it could not be tried.
pub(super) async fn ask(masters: &[Master<'_>]) -> Result<Vec<Trial>, &'static str> {
    let [from, to, ..] = masters else {
        return Err("a slot moves between two masters, and there is only one");
    };
    let Some(tag) = empty(from).await else {
        return Err("no empty slot was found to try it with");
    };
    let own = key(tag, "ask");
    let slot = slot_of(tag.to_string().as_bytes()).to_string();
    let importing = to
        .link
        .said(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from.id.0])
        .await;
    let migrating = from
        .link
        .said(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to.id.0])
        .await;
    let asked = from.link.said(&["GET", &own]).await;
    let unasked = to.link.said(&["GET", &own]).await;
    // ASKING holds for the next command of the connection alone, so both are sent at once.
    let asking = |words: &[&str]| -> Vec<Vec<String>> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        vec![vec!["ASKING".to_owned()], words]
    };
    let written = to
        .link
        .pipeline::<(String, String)>(&asking(&["SET", &own, "there", "PX", KEY_LIFE]))
        .await
        .map_or_else(|error| error.causes().join(": "), |(_, answer)| answer);
    let gone = to
        .link
        .pipeline::<(String, u64)>(&asking(&["DEL", &own]))
        .await
        .map_or_else(|error| error.causes().join(": "), |(_, count)| count.to_string());
    let closed = close(from, to, &slot).await;
    Ok(vec![
        Trial::exactly(to.name, "SETSLOT IMPORTING", "OK", importing),
        Trial::exactly(from.name, "SETSLOT MIGRATING", "OK", migrating),
        Trial::beginning(
            from.name,
            "GET of a key that has moved",
            format!("ASK {slot} "),
            asked,
        ),
        Trial::beginning(to.name, "GET without ASKING", format!("MOVED {slot} "), unasked),
        Trial::exactly(to.name, "SET after ASKING", "OK", written),
        Trial::exactly(to.name, "DEL after ASKING", "1", gone),
        Trial::exactly(from.name, "SETSLOT STABLE on both", "OK", closed),
    ])
}

/// Closes the slot on both sides. What another client has written on the new side meanwhile is brought back
/// first: it would be out of reach there.
async fn close(from: &Master<'_>, to: &Master<'_>, slot: &str) -> String {
    let strays: Vec<String> = to
        .link
        .command(&["CLUSTER", "GETKEYSINSLOT", slot, "1000"])
        .await
        .unwrap_or_default();
    let home = from.link.address();
    let stable = from.link.said(&["CLUSTER", "SETSLOT", slot, "STABLE"]).await;
    if !strays.is_empty() {
        let port = home.port.to_string();
        let mut words = vec!["MIGRATE", &home.host, &port, "", "0", "5000", "REPLACE", "KEYS"];
        words.extend(strays.iter().map(String::as_str));
        let moved = to.link.said(&words).await;
        if moved != "OK" && moved != "NOKEY" {
            return format!("keys of other clients stay on {}: {moved}", to.name);
        }
    }
    let other = to.link.said(&["CLUSTER", "SETSLOT", slot, "STABLE"]).await;
    if stable == "OK" { other } else { stable }
}

/// A tag whose slot the master serves and holds no key.
async fn empty(master: &Master<'_>) -> Option<u64> {
    // Begins at another place in each run, so that two validations hardly meet.
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

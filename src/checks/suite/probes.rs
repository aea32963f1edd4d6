//! Functional tests on every master with their own keys: hash tags, scripts, and writes that wait for the
//! replicas.

use futures_util::future::join_all;

use crate::checks::masters::{Master, key};
use crate::checks::suite::clients::KEY_LIFE;
use crate::checks::trial::Trial;
use crate::server::wire::connection::NodeConnection;

/// Timeout for a write to reach the replicas, in milliseconds.
const ARRIVAL: &str = "2000";

/// Checks that keys with one hash tag can be used together, and that keys of two slots cannot, even on one
/// master.
pub(crate) async fn hash_tags(masters: &[Master<'_>]) -> Vec<Trial> {
    let each = masters.iter().map(|master| async move {
        let tag = master.tag();
        let (one, two) = (key(tag, "tags:1"), key(tag, "tags:2"));
        let elsewhere = key(master.other_tag(), "tags:3");
        let link = master.link;
        let set = link
            .transaction(&[
                &["MSET", &one, "a", &two, "b"],
                &["PEXPIRE", &one, KEY_LIFE],
                &["PEXPIRE", &two, KEY_LIFE],
            ])
            .await;
        let got = link.said(&["MGET", &one, &two]).await;
        let crossed = link.said(&["MGET", &one, &elsewhere]).await;
        let gone = link.said(&["DEL", &one, &two]).await;
        [
            Trial::exactly(master.name, "MSET of two keys of one slot", "[OK, 1, 1]", set),
            Trial::exactly(master.name, "MGET of two keys of one slot", "[a, b]", got),
            Trial::beginning(master.name, "MGET across two slots", "CROSSSLOT", crossed),
            Trial::exactly(master.name, "DEL of two keys of one slot", "2", gone),
        ]
    });
    join_all(each).await.into_iter().flatten().collect()
}

/// Returns the number of scripts in the server's cache; `None` if the server does not report it.
async fn cached(link: &NodeConnection) -> Option<u64> {
    let memory = link.info().await.ok()?;
    memory.get("number_of_cached_scripts")?.parse().ok()
}

/// Checks that scripts run on every master, by text and by digest, and that they cannot use several slots. A
/// server cannot remove a single script, so the cache is flushed afterwards if it contains no other scripts;
/// otherwise the two scripts of this test remain, which are the same each time.
pub(crate) async fn scripts(masters: &[Master<'_>]) -> Vec<Trial> {
    const WRITE: &str =
        "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return redis.call('GET', KEYS[1])";
    const READ: &str = "return redis.call('GET', KEYS[1])";
    const OWN: u64 = 2;
    const NOBODYS: &str = "ffffffffffffffffffffffffffffffffffffffff";
    let each = masters.iter().map(|master| async move {
        let link = master.link;
        let own = key(master.tag(), "script");
        let elsewhere = key(master.other_tag(), "script");
        let before = cached(link).await;
        let written = link.said(&["EVAL", WRITE, "1", &own, "written", KEY_LIFE]).await;
        let digest = link.said(&["SCRIPT", "LOAD", READ]).await;
        let read = link.said(&["EVALSHA", &digest, "1", &own]).await;
        let unknown = link.said(&["EVALSHA", NOBODYS, "0"]).await;
        let crossed = link.said(&["EVAL", READ, "2", &own, &elsewhere]).await;
        let gone = link.said(&["DEL", &own]).await;
        if before == Some(0) && cached(link).await.is_some_and(|now| now <= OWN) {
            link.said(&["SCRIPT", "FLUSH"]).await;
        }
        [
            Trial::exactly(master.name, "EVAL that writes and reads", "written", written),
            Trial::exactly(master.name, "EVALSHA that reads", "written", read),
            Trial::beginning(master.name, "EVALSHA of an unknown script", "NOSCRIPT", unknown),
            Trial::beginning(master.name, "EVAL with keys of two slots", "CROSSSLOT", crossed),
            Trial::exactly(master.name, "DEL of the script's key", "1", gone),
        ]
    });
    join_all(each).await.into_iter().flatten().collect()
}

/// Writes on every master and waits until all its replicas have received the write.
pub(crate) async fn waits(masters: &[Master<'_>]) -> Vec<Trial> {
    let each = masters
        .iter()
        .filter(|master| !master.replicas.is_empty())
        .map(|master| async move {
            let replicas = master.replicas.len();
            let what = format!("WAIT for {replicas} replicas");
            // A separate connection: WAIT blocks all other commands on it.
            let link = match master.link.elsewhere(master.link.address()).await {
                Ok(link) => link,
                Err(error) => {
                    return Trial::exactly(master.name, &what, replicas.to_string(), error.reason());
                }
            };
            let own = key(master.tag(), "wait");
            let written = link.said(&["SET", &own, "1", "PX", KEY_LIFE]).await;
            if written != "OK" {
                return Trial::exactly(master.name, "SET before a WAIT", "OK", written);
            }
            let arrived = link.said(&["WAIT", &replicas.to_string(), ARRIVAL]).await;
            link.said(&["DEL", &own]).await;
            Trial::exactly(master.name, &what, replicas.to_string(), arrived)
        });
    join_all(each).await
}

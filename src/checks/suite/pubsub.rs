//! Pub/Sub: channel messages reach every node over the cluster bus, sharded messages the nodes of the shard.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::checks::masters::{Master, key};
use crate::checks::trial::Trial;
use crate::connect::target::{Member, Target};
use crate::server::wire::connection::{Message, NodeConnection};

/// Timeout of a message.
const ARRIVAL: Duration = Duration::from_secs(2);

/// A subscription on one node.
struct Ear<'a> {
    node: &'a str,
    /// The response to the subscription; `subscribed` if it succeeded.
    stands: String,
    /// Kept because the subscription ends when the connection is dropped.
    _link: Option<NodeConnection>,
    messages: Option<UnboundedReceiver<Message>>,
}

async fn subscribe<'a>(member: &'a Member, command: &str, channel: &str) -> Ear<'a> {
    let deaf = |stands: String| Ear {
        node: &member.name,
        stands,
        _link: None,
        messages: None,
    };
    let link = match &member.link {
        Ok(link) => link,
        Err(why) => return deaf(why.clone()),
    };
    match link.listen().await {
        Err(error) => deaf(error.reason()),
        Ok((link, messages)) => match link.subscribe(command, channel).await {
            Err(error) => deaf(error.reason()),
            Ok(()) => Ear {
                node: &member.name,
                stands: "subscribed".to_owned(),
                _link: Some(link),
                messages: Some(messages),
            },
        },
    }
}

/// Returns the next message of the subscription, or the error.
async fn heard(ear: &mut Ear<'_>, sharded: bool) -> String {
    let Some(messages) = &mut ear.messages else {
        return ear.stands.clone();
    };
    let next = async {
        while let Some(message) = messages.recv().await {
            if message.sharded == sharded {
                return message.text;
            }
        }
        "the connection was closed".to_owned()
    };
    let text = tokio::time::timeout(ARRIVAL, next).await;
    text.unwrap_or_else(|_| format!("nothing within {} s", ARRIVAL.as_secs()))
}

/// Checks that a message published on the last master reaches a subscriber on every node.
pub(crate) async fn classic(target: &Target<'_>, masters: &[Master<'_>]) -> Vec<Trial> {
    let Some(speaker) = masters.last() else {
        return Vec::new();
    };
    let channel = key(0, "news");
    let reached = target.members.iter().filter(|member| member.link.is_ok());
    let mut ears = join_all(reached.map(|member| subscribe(member, "SUBSCRIBE", &channel))).await;
    let sent = speaker.link.said(&["PUBLISH", &channel, "hello"]).await;
    let what = format!("SUBSCRIBE, with a PUBLISH on {}", speaker.name);
    let mut trials = vec![Trial::beginning(speaker.name, "PUBLISH", "", sent)];
    let heard = join_all(ears.iter_mut().map(|ear| async {
        let node = ear.node;
        (node, heard(ear, false).await)
    }))
    .await;
    trials.extend(
        heard
            .into_iter()
            .map(|(node, text)| Trial::exactly(node, &what, "hello", text)),
    );
    drop(ears);
    trials
}

/// Checks that a message published in a shard reaches subscribers on its master and on its replicas. Empty if
/// the server has no sharded channels (before Redis 7.0).
pub(crate) async fn sharded(target: &Target<'_>, masters: &[Master<'_>]) -> Vec<Trial> {
    let each = masters.iter().map(|master| async move {
        let channel = key(master.tag(), "news");
        let own = target.members.iter().find(|member| member.name == master.name);
        let members = own.into_iter().chain(master.replicas.iter().copied());
        let mut ears = join_all(members.map(|member| subscribe(member, "SSUBSCRIBE", &channel))).await;
        if ears.iter().any(|ear| ear.stands.contains("unknown command")) {
            return Vec::new();
        }
        master.link.said(&["SPUBLISH", &channel, "hello"]).await;
        let what = format!("SSUBSCRIBE, with an SPUBLISH on {}", master.name);
        let mut trials = Vec::new();
        for ear in &mut ears {
            let text = heard(ear, true).await;
            trials.push(Trial::exactly(ear.node, &what, "hello", text));
        }
        // The subscriptions end with their connections.
        drop(ears);
        trials
    });
    join_all(each).await.into_iter().flatten().collect()
}

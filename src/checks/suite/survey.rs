//! Facts that every server reports about itself: INFO, its configuration, its bus links, its clock.

use futures_util::future::join_all;

use crate::connect::target::Target;
use crate::server::wire::reply::ServerFacts;

/// Queries all reachable nodes concurrently. Omits a node that stops answering in the meantime; the checks
/// that query all nodes report it.
pub(crate) async fn survey(target: &Target<'_>) -> Vec<ServerFacts> {
    let asked = target.members.iter().filter_map(|member| {
        let link = member.link.as_ref().ok()?;
        Some(async move {
            // Before the other queries, whose responses would delay this one.
            let clock = link.clock_seen().await.ok();
            let (info, config, links) = tokio::join!(link.info(), link.configuration(), link.bus_links());
            Some(ServerFacts {
                name: member.name.clone(),
                info: info.ok()?,
                config,
                links,
                clock,
            })
        })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

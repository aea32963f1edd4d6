//! What every server says about itself: INFO, its configuration, its bus links, its clock.

use futures_util::future::join_all;

use crate::connect::target::Target;
use crate::server::wire::reply::ServerFacts;

/// Asks all nodes that can be reached, side by side. One that stops answering meanwhile is left out; the
/// checks that ask everybody tell so.
pub(crate) async fn survey(target: &Target<'_>) -> Vec<ServerFacts> {
    let asked = target.members.iter().filter_map(|member| {
        let link = member.link.as_ref().ok()?;
        Some(async move {
            // Before the rest, whose answers would make this one late.
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

//! Collects every address that a client can receive, tests each from this host and from the cluster's
//! network, and evaluates the results.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::checks::reach::advertised::{Dialled, Place};
use crate::checks::reach::collect::{Collected, collect, whole};
use crate::checks::reach::judge::{Evidence, Unasked, Verification, judge_reach};
use crate::connect::attached::Attached;
use crate::error::{Error, Result};
use crate::runtime::interface::Runtime;
use crate::server::wire::access::Access;
use crate::server::wire::connection::{Address, NodeConnection};
use crate::spec::service_user::ServiceUser;
use crate::topology::layout::NodeId;

/// Number of attempts for an address that times out from this host.
const ATTEMPTS: usize = 4;

impl<R: Runtime> Attached<R> {
    /// Verifies that clients can reach every node, from `place` or from all available locations. Writes no keys;
    /// an empty slot is migrating for a moment, so that its owner returns an ASK redirection.
    ///
    /// # Errors
    /// When authentication fails, or no test can run from `place`.
    #[doc(hidden)]
    pub async fn verify(&self, place: Option<Place>) -> Result<Verification> {
        // Boxed because the future is large and would enlarge every caller's future.
        Box::pin(self.prove(place)).await
    }

    async fn prove(&self, place: Option<Place>) -> Result<Verification> {
        let access = self.access_as(ServiceUser::Validator).await?;
        let target = self.target(ServiceUser::Validator).await;
        let Collected {
            members,
            told,
            mut unasked,
        } = collect(&target, self.topology()).await;
        let named = told
            .iter()
            .map(|told| (told.endpoint.host.clone(), told.endpoint.port))
            .filter(|(host, _)| !host.is_empty())
            .collect::<BTreeSet<_>>();
        let addresses = |place: Place| -> Vec<(String, u16)> {
            let ways = members.iter().flat_map(|member| member.ways(place));
            named
                .iter()
                .cloned()
                .chain(ways)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect()
        };
        let (here, there) = tokio::join!(
            async {
                match place {
                    Some(Place::Network) => None,
                    _ => Some(from_here(addresses(Place::Host), &access).await),
                }
            },
            async {
                match place {
                    Some(Place::Host) => None,
                    _ => Some(
                        crate::checks::reach::network::dial(self, &addresses(Place::Network), &access).await,
                    ),
                }
            }
        );
        let mut places = Vec::new();
        let mut dialled = Vec::new();
        if let Some(here) = here {
            places.push(Place::Host);
            dialled.extend(here);
        }
        match there {
            None => {}
            Some(Ok(there)) => {
                places.push(Place::Network);
                dialled.extend(there);
            }
            Some(Err(error)) if place.is_some() => return Err(error),
            Some(Err(error)) => unasked.push(Unasked {
                node: self.topology().network(),
                why: format!("nothing could be tested from this network: {}", whole(&error)),
            }),
        }
        Ok(judge_reach(&Evidence {
            name: self.topology().name().to_string(),
            announce: self.topology().announce,
            places,
            insisted: place.is_some(),
            members,
            told,
            dialled,
            unasked,
        }))
    }
}

/// Joins the lines of a response: one that does not come from a server of this cluster can have several.
fn in_a_line(why: &str) -> String {
    let lines: Vec<&str> = why
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("; ")
}

/// Tests all addresses from this host concurrently.
async fn from_here(addresses: Vec<(String, u16)>, access: &Access) -> Vec<Dialled> {
    join_all(addresses.into_iter().map(|(host, port)| async move {
        let address = Address::new(&host, port);
        let mut answer = Err(String::new());
        for _ in 0..ATTEMPTS {
            answer = ask(&address, access).await.map_err(|why| in_a_line(&why));
            // A refused connection is final; a timeout can be caused by a temporary load.
            if !answer.as_ref().is_err_and(|why| why.contains("timed out")) {
                break;
            }
        }
        Dialled {
            place: Place::Host,
            host,
            port,
            answer,
        }
    }))
    .await
}

async fn ask(address: &Address, access: &Access) -> Result<NodeId, String> {
    let told = |error: Error| error.causes().join(": ");
    let link = NodeConnection::open(address, access).await.map_err(told)?;
    link.my_id().await.map_err(told)
}

//! What is seen of a cluster that is not well, for `check::diagnose` to judge, and what rcup does about it.

use std::time::Duration;

use tokio::time::Instant;

use crate::checks::diagnose::finding::{Action, Diagnosis, Finding};
use crate::checks::diagnose::judge::diagnose;
use crate::cluster::handle::Cluster;
use crate::connect::attached::Attached;
use crate::connect::endpoint::Endpoint;
use crate::connect::target::Member;
use crate::error::{ErrorKind, Result};
use crate::runtime::docker::client::Docker;
use crate::runtime::faults::Faults;
use crate::spec::service_user::OwnUser;
use crate::wait::{Seen, until};

/// How long nodes may take to show what a remedy has brought about: failovers, handshakes, gossip.
const SETTLING: Duration = Duration::from_secs(20);

/// How often is looked whether they do.
const LOOK: Duration = Duration::from_millis(200);

impl<R: Faults> Attached<R> {
    /// What is wrong with the cluster, why, and what mends it. Changes nothing.
    pub async fn diagnose(&self) -> Diagnosis {
        // Boxed, because it is large, and whoever awaits it would have to carry it.
        diagnose(&Box::pin(crate::checks::diagnose::collect::own(self)).await)
    }

    /// Does what a finding proposes.
    ///
    /// # Errors
    /// What the engine or a server refused.
    pub async fn treat(&self, action: &Action) -> Result<()> {
        let target = self.target(OwnUser::Operator).await;
        crate::lifecycle::repair::treat(&target.members, Some((self.runtime(), self.topology())), action)
            .await
    }

    /// Looks until the treated findings are gone and nothing is in motion, at most 20 seconds; tells what is left.
    ///
    /// # Errors
    /// What the engine refused to tell.
    pub async fn after(&self, treated: &[Finding]) -> Result<Diagnosis> {
        let runtime = self.runtime();
        Box::pin(settle(treated, || async {
            let again = Cluster::attach(runtime.clone(), self.topology().name()).await?;
            Ok(again.diagnose().await)
        }))
        .await
    }
}

impl Endpoint {
    /// As [`Attached::diagnose`], as far as it can be seen from this host.
    pub async fn diagnose(&self) -> Diagnosis {
        diagnose(
            &Box::pin(crate::checks::diagnose::collect::found(
                self.target(),
                self.access(),
            ))
            .await,
        )
    }

    /// As [`Attached::treat`].
    ///
    /// # Errors
    /// What a server refused.
    pub async fn treat(&self, action: &Action) -> Result<()> {
        crate::lifecycle::repair::treat(&self.target().members, None::<(&Docker, _)>, action).await
    }

    /// As [`Attached::after`].
    ///
    /// # Errors
    /// None at present.
    pub async fn after(&self, treated: &[Finding]) -> Result<Diagnosis> {
        Box::pin(settle(treated, || async {
            Ok(self.again().await.diagnose().await)
        }))
        .await
    }
}

async fn settle<F>(treated: &[Finding], mut look: impl FnMut() -> F) -> Result<Diagnosis>
where
    F: Future<Output = Result<Diagnosis>>,
{
    let deadline = Instant::now() + SETTLING;
    // What has not gone by the deadline is told, and is no error.
    let settled = until("the cluster has settled", deadline, LOOK, || {
        let looked = look();
        async move {
            let now = looked.await?;
            Ok(if now.has_settled(treated) {
                Seen::Done(now)
            } else {
                Seen::NotYet(String::new())
            })
        }
    })
    .await;
    match settled {
        Ok(now) => Ok(now),
        Err(error) if error.kind() == ErrorKind::Timeout => look().await,
        Err(error) => Err(error),
    }
}

/// A member by its name.
pub(crate) fn member<'a>(members: &'a [Member], name: &str) -> Option<&'a Member> {
    members.iter().find(|member| member.name == name)
}

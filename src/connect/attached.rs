//! A cluster that somebody else holds, looked at from outside.

use std::time::Duration;

use tokio::sync::OnceCell;

use crate::connect::credentials;
use crate::connect::host_container::inside;
use crate::connect::links::reachable;
use crate::connect::target::{Member, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::docker::client::Docker;
use crate::runtime::interface::{Runtime, Scope};
use crate::runtime::labels;
use crate::runtime::observed::{Activity, ContainerSeen};
use crate::server::wire::access::{Access, Credentials};
use crate::server::wire::connection::NodeConnection;
use crate::spec::name::ClusterName;
use crate::spec::security::{Certificates, Secrets};
use crate::spec::service_user::OwnUser;
use crate::topology::layout::Topology;

/// How long a running node may take to answer, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(3);

/// An existing cluster, looked at from outside.
pub struct Attached<R: Runtime = Docker> {
    runtime: R,
    topology: Topology,
    /// Read from the nodes' files when they are first needed: not every question needs them.
    secrets: OnceCell<Secrets>,
    containers: Vec<ContainerSeen>,
}

impl<R: Runtime> Attached<R> {
    /// See [`Cluster::attach`](crate::Cluster::attach).
    pub(crate) async fn to(runtime: R, name: &ClusterName) -> Result<Self> {
        let observed = runtime.observe(&Scope::Cluster(name.clone())).await?;
        let Some(labels) = observed.all_labels().next() else {
            return Err(not_found(name));
        };
        let topology = labels::topology(labels)?;
        Ok(Self {
            runtime,
            topology,
            secrets: OnceCell::new(),
            containers: observed.containers,
        })
    }

    /// Where everything is.
    #[doc(hidden)]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Sees whether the nodes can be reached where this process runs in a container of the engine.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] where that container is not on the cluster's network, with what puts it there.
    pub async fn within_reach(&self) -> Result<()> {
        let otherwise = match self.topology.spec.network() {
            Some(_) => "run rcup on the engine's machine".to_owned(),
            None => format!("run `rcup up {}` there, which does that", self.topology.name()),
        };
        inside(&self.runtime, &self.topology.network(), &otherwise).await
    }

    /// The engine's view of its containers.
    #[doc(hidden)]
    pub fn containers(&self) -> &[ContainerSeen] {
        &self.containers
    }

    /// With what a client logs in, where the nodes ask for it.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when the nodes' files hold no password any more, although there was one.
    pub async fn credentials(&self) -> Result<Option<Credentials>> {
        Ok(credentials::of_clients(self.secrets().await?))
    }

    /// With what a user of rcup's own logs in, where the nodes have such users.
    ///
    /// # Errors
    /// As [`Attached::credentials`].
    #[doc(hidden)]
    pub async fn credentials_of(&self, user: OwnUser) -> Result<Option<Credentials>> {
        Ok(credentials::of_own(self.secrets().await?, user))
    }

    /// What a client needs that speaks TLS, where the nodes do.
    ///
    /// # Errors
    /// As [`Attached::credentials`].
    pub async fn certificates(&self) -> Result<Option<&Certificates>> {
        Ok(self.secrets().await?.certificates.as_ref())
    }

    /// Everything that the cluster hides, for an export.
    ///
    /// # Errors
    /// As [`Attached::credentials`].
    #[doc(hidden)]
    pub async fn secrets(&self) -> Result<&Secrets> {
        let read = || credentials::read_back(&self.runtime, &self.topology, &self.containers);
        self.secrets.get_or_try_init(read).await
    }

    /// The engine it runs on.
    #[doc(hidden)]
    pub fn runtime(&self) -> &R {
        &self.runtime
    }

    pub(crate) async fn access(&self) -> Result<Access> {
        self.access_as(OwnUser::Operator).await
    }

    pub(crate) async fn access_as(&self, user: OwnUser) -> Result<Access> {
        Ok(credentials::access_as(self.secrets().await?, user))
    }

    /// The nodes that run and answer.
    ///
    /// # Errors
    /// When there is no way to log in.
    pub(crate) async fn links(&self) -> Result<Vec<(usize, NodeConnection)>> {
        self.links_as(OwnUser::Operator).await
    }

    pub(crate) async fn links_as(&self, user: OwnUser) -> Result<Vec<(usize, NodeConnection)>> {
        let running: Vec<usize> = self
            .containers
            .iter()
            .filter(|container| container.activity == Activity::Running)
            .filter_map(ContainerSeen::index)
            .collect();
        let access = credentials::access_as(self.secrets().await?, user);
        Ok(reachable(&self.topology, &access, &running, PATIENCE).await)
    }

    /// All nodes, each with its connection or the reason why there is none.
    pub(crate) async fn target(&self, user: OwnUser) -> Target<'_> {
        // A node that cannot be logged in to is one that does not answer.
        let links = self.links_as(user).await.unwrap_or_default();
        let of = |index: usize| links.iter().find(|(own, _)| *own == index);
        let members = self.topology.nodes.iter().map(|node| Member {
            name: node.name.clone(),
            address: node.address().to_string(),
            link: of(node.index)
                .map(|(_, link)| link.clone())
                .ok_or_else(|| self.silence(node.index)),
        });
        Target {
            name: self.topology.name().to_string(),
            members: members.collect(),
            plan: Some(&self.topology),
            astray: Vec::new(),
        }
    }

    /// Why a node says nothing.
    pub(crate) fn silence(&self, index: usize) -> String {
        let container = self
            .containers
            .iter()
            .find(|container| container.index() == Some(index));
        match container.map(|container| &container.activity) {
            None => "its container is gone".to_owned(),
            Some(Activity::Running) => "it does not answer".to_owned(),
            Some(activity) => format!("its container is {}", activity.as_str()),
        }
    }
}

fn not_found(name: &ClusterName) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("there is no cluster {name} on this engine"),
    )
    .hint(format!("See `rcup list`, or start it with `rcup up {name}`."))
}

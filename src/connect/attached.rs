//! An existing cluster, accessed without owning it.

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
use crate::spec::service_user::ServiceUser;
use crate::topology::layout::Topology;

/// Response timeout of a running node, on a host that may be busy.
const PATIENCE: Duration = Duration::from_secs(3);

/// An existing cluster; dropping this does not remove it.
pub struct Attached<R: Runtime = Docker> {
    runtime: R,
    topology: Topology,
    /// Read from the nodes' files on first use.
    secrets: OnceCell<Secrets>,
    containers: Vec<ContainerSeen>,
}

impl<R: Runtime> Attached<R> {
    /// Attaches to a cluster: see [`Cluster::attach`](crate::Cluster::attach).
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

    /// Returns the topology.
    #[doc(hidden)]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Checks that the nodes are reachable if this process runs in a container.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when that container is not on the cluster's network, with the command that connects it.
    pub async fn within_reach(&self) -> Result<()> {
        let otherwise = match self.topology.spec.network() {
            Some(_) => "run rcup on the Docker host".to_owned(),
            None => format!("run `rcup up {}` there, which connects it", self.topology.name()),
        };
        inside(&self.runtime, &self.topology.network(), &otherwise).await
    }

    /// Returns the containers as the container engine reports them.
    #[doc(hidden)]
    pub fn containers(&self) -> &[ContainerSeen] {
        &self.containers
    }

    /// Returns the credentials for clients, if the nodes require a password.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when the password is missing from the nodes' files.
    pub async fn credentials(&self) -> Result<Option<Credentials>> {
        Ok(credentials::of_clients(self.secrets().await?))
    }

    /// Returns the credentials of a service user, if the cluster has them.
    ///
    /// # Errors
    /// As [`Attached::credentials`].
    #[doc(hidden)]
    pub async fn credentials_of(&self, user: ServiceUser) -> Result<Option<Credentials>> {
        Ok(credentials::of_own(self.secrets().await?, user))
    }

    /// Returns the client certificates, if the cluster uses TLS.
    ///
    /// # Errors
    /// As [`Attached::credentials`].
    pub async fn certificates(&self) -> Result<Option<&Certificates>> {
        Ok(self.secrets().await?.certificates.as_ref())
    }

    /// Returns all secrets of the cluster, for an export.
    ///
    /// # Errors
    /// As [`Attached::credentials`].
    #[doc(hidden)]
    pub async fn secrets(&self) -> Result<&Secrets> {
        let read = || credentials::read_back(&self.runtime, &self.topology, &self.containers);
        self.secrets.get_or_try_init(read).await
    }

    /// Returns the container engine.
    #[doc(hidden)]
    pub fn runtime(&self) -> &R {
        &self.runtime
    }

    pub(crate) async fn access(&self) -> Result<Access> {
        self.access_as(ServiceUser::Operator).await
    }

    pub(crate) async fn access_as(&self, user: ServiceUser) -> Result<Access> {
        Ok(credentials::access_as(self.secrets().await?, user))
    }

    /// Returns connections to the nodes that respond.
    ///
    /// # Errors
    /// When no credentials are found.
    pub(crate) async fn links(&self) -> Result<Vec<(usize, NodeConnection)>> {
        self.links_as(ServiceUser::Operator).await
    }

    pub(crate) async fn links_as(&self, user: ServiceUser) -> Result<Vec<(usize, NodeConnection)>> {
        let running: Vec<usize> = self
            .containers
            .iter()
            .filter(|container| container.activity == Activity::Running)
            .filter_map(ContainerSeen::index)
            .collect();
        let access = credentials::access_as(self.secrets().await?, user);
        Ok(reachable(&self.topology, &access, &running, PATIENCE).await)
    }

    /// Returns all nodes, each with its connection or the reason why it is unreachable.
    pub(crate) async fn target(&self, user: ServiceUser) -> Target<'_> {
        // A node that refuses the login counts as not responding.
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

    /// Returns why a node does not respond.
    pub(crate) fn silence(&self, index: usize) -> String {
        let container = self
            .containers
            .iter()
            .find(|container| container.index() == Some(index));
        match container.map(|container| &container.activity) {
            None => "its container does not exist".to_owned(),
            Some(Activity::Running) => "it does not answer".to_owned(),
            Some(activity) => format!("its container is {}", activity.as_str()),
        }
    }
}

fn not_found(name: &ClusterName) -> Error {
    Error::new(ErrorKind::NotFound, format!("no cluster named {name}"))
        .hint(format!("Run `rcup list`, or start it with `rcup up {name}`."))
}

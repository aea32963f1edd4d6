//! A cluster that somebody else holds, looked at from outside.

use std::time::Duration;

use tokio::sync::OnceCell;
use tracing::Instrument as _;

use crate::checks::failover::judge::WAYS;
use crate::checks::finding::{Check, all_passed};
use crate::checks::readiness::{Roles, judge};
use crate::checks::status::{Report, State};
use crate::checks::suite::catalogue::{Selection, Suite};
use crate::checks::suite::run::{SuiteOptions, run};
use crate::checks::suite::validation::Validation;
use crate::connect::credentials;
use crate::connect::host_container::inside;
use crate::connect::links::reachable;
use crate::connect::target::{Member, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::docker::client::Docker;
use crate::runtime::faults::Faults;
use crate::runtime::interface::{Runtime, Scope};
use crate::runtime::labels;
use crate::runtime::observed::{Activity, ContainerSeen};
use crate::server::wire::access::{Access, Credentials, url};
use crate::server::wire::connection::NodeConnection;
use crate::server::wire::reply::Answer;
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
    /// See [`Cluster::attach`](super::Cluster::attach).
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
    pub async fn secrets(&self) -> Result<&Secrets> {
        let read = || credentials::read_back(&self.runtime, &self.topology, &self.containers);
        self.secrets.get_or_try_init(read).await
    }

    /// The engine it runs on.
    pub fn runtime(&self) -> &R {
        &self.runtime
    }

    pub(crate) async fn access(&self) -> Result<Access> {
        self.access_as(OwnUser::Operator).await
    }

    pub(crate) async fn access_as(&self, user: OwnUser) -> Result<Access> {
        Ok(credentials::access_as(self.secrets().await?, user))
    }

    /// The URL of every node as a client on this host must use it, masters first.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when the cluster's credentials cannot be read back.
    pub async fn urls(&self) -> Result<Vec<String>> {
        let credentials = self.credentials().await?;
        let of_node = |node: &crate::checks::status::NodeReport| {
            url(&node.advertised, credentials.as_ref(), self.topology.spec.tls())
        };
        Ok(self.planned().nodes.iter().map(of_node).collect())
    }

    /// The cluster as planned, without asking anybody.
    fn planned(&self) -> Report {
        let unasked: Vec<Answer> = self.topology.nodes.iter().map(|_| Err(String::new())).collect();
        Report::new(&self.topology, State::Ok, &self.containers, &unasked)
    }

    /// Asks every node that answers.
    pub async fn report(&self) -> Report {
        let answers = self.answers().await;
        let checks = judge(&self.topology, Roles::WithinShards, &answers);
        let state = if self
            .containers
            .iter()
            .all(|container| container.activity != Activity::Running)
        {
            State::Stopped
        } else if all_passed(&checks) {
            State::Ok
        } else if serving(&answers) {
            State::Degraded
        } else {
            State::Fail
        };
        Report::new(&self.topology, state, &self.containers, &answers)
    }

    /// The nodes that run and answer.
    ///
    /// # Errors
    /// When there is no way to log in.
    pub(crate) async fn links(&self) -> Result<Vec<(usize, NodeConnection)>> {
        self.links_as(OwnUser::Operator).await
    }

    async fn links_as(&self, user: OwnUser) -> Result<Vec<(usize, NodeConnection)>> {
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

    async fn answers(&self) -> Vec<Answer> {
        let mut answers: Vec<Answer> = self
            .topology
            .nodes
            .iter()
            .map(|node| Err(self.silence(node.index)))
            .collect();
        // A table of the nodes needs nothing but figures.
        let links = match self.links_as(OwnUser::Monitor).await {
            Ok(links) => links,
            Err(error) => return answers.iter().map(|_| Err(error.to_string())).collect(),
        };
        let views = futures_util::future::join_all(links.iter().map(|(_, link)| link.view())).await;
        for ((index, _), view) in links.iter().zip(views) {
            answers[index - 1] = view.map_err(|error| error.causes().join(": "));
        }
        answers
    }

    /// Why a node says nothing.
    fn silence(&self, index: usize) -> String {
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

impl<R: Faults> Attached<R> {
    /// What `up` proves, as it stands now: the readiness contract, and the use of every advertised address.
    pub async fn validate(&self) -> Vec<Check> {
        let smoke = SuiteOptions::default().selection(Selection::of(Suite::Smoke));
        self.validate_with(&smoke).await.checks
    }

    /// The validation suite, as far as the options select it. A failover takes a master away for a while and
    /// brings it back, also when it is cancelled.
    pub async fn validate_with(&self, options: &SuiteOptions) -> Validation {
        // Who takes a master away must be able to hand the roles back.
        let destructive = WAYS.iter().any(|way| options.selection.includes(way.id()));
        let user = if destructive {
            OwnUser::Operator
        } else {
            OwnUser::Validator
        };
        let target = self.target(user).await;
        // Boxed, because it is large, and whoever awaits it would have to carry it.
        let span = tracing::info_span!("validate", cluster = %self.topology.name());
        Box::pin(run(&target, options, Some(&self.runtime)).instrument(span)).await
    }
}

/// Whether every slot has a master that answers and calls the state ok.
fn serving(answers: &[Answer]) -> bool {
    let owned: usize = answers
        .iter()
        .flatten()
        .filter(|view| view.field("cluster_state") == "ok")
        .filter_map(|view| view.myself())
        .flat_map(|line| line.slots.iter().map(|range| range.len()))
        .sum();
    owned == usize::from(crate::topology::slots::SLOTS)
}

fn not_found(name: &ClusterName) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("there is no cluster {name} on this engine"),
    )
    .hint(format!("See `rcup list`, or start it with `rcup up {name}`."))
}

//! Access to the container engine without rcup.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use bollard::Docker as Client;
use bollard::models::Network;
use bollard::query_parameters as query;
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::Outcome;
use rcup::Docker;
use rcup::runtime::interface::Runtime as _;
use rcup::runtime::labels::CLUSTER;

/// The number of containers that are removed at a time.
const SWEEP: usize = 8;

/// A client of the container engine that rcup uses.
#[derive(Clone, Debug)]
pub struct Engine {
    /// The raw API.
    pub client: Client,
    /// The version of the container engine.
    pub version: String,
    /// The ids of networks that the container engine does not remove.
    held: Arc<Mutex<BTreeSet<String>>>,
}

/// The objects of a cluster, by the ids of the container engine.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Containers, running or not.
    pub containers: Vec<String>,
    /// Networks.
    pub networks: Vec<String>,
    /// Volumes, by their names.
    pub volumes: Vec<String>,
}

impl Objects {
    /// Returns whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.networks.is_empty() && self.volumes.is_empty()
    }
}

impl Engine {
    /// Connects to the container engine that rcup would use.
    pub async fn find() -> Outcome<Self> {
        let found = Docker::find()?.describe().await?;
        Ok(Self {
            client: Client::connect_with_host(&found.endpoint)?,
            version: found.version,
            held: Arc::default(),
        })
    }

    /// Returns all objects with the label of the cluster `name`.
    pub async fn objects(&self, name: &str) -> Outcome<Objects> {
        let label = format!("{CLUSTER}={name}");
        let filters = HashMap::from([("label", vec![label.as_str()])]);
        let containers = query::ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let networks = query::ListNetworksOptionsBuilder::default()
            .filters(&filters)
            .build();
        let volumes = query::ListVolumesOptionsBuilder::default()
            .filters(&filters)
            .build();
        let (containers, networks, volumes) = tokio::try_join!(
            self.client.list_containers(Some(containers)),
            self.client.list_networks(Some(networks)),
            self.client.list_volumes(Some(volumes)),
        )?;
        Ok(Objects {
            containers: containers.into_iter().filter_map(|each| each.id).collect(),
            networks: self.free(networks).filter_map(|each| each.id).collect(),
            volumes: volumes
                .volumes
                .unwrap_or_default()
                .into_iter()
                .map(|each| each.name)
                .collect(),
        })
    }

    /// Removes all clusters whose names begin with `prefix`, including those of other processes and incomplete ones.
    pub async fn sweep(&self, prefix: &str) -> Outcome<()> {
        // Objects that were being created when their process was killed may appear after the first listing.
        for _ in 0..20 {
            let names = self.clusters(prefix).await?;
            if names.is_empty() {
                return Ok(());
            }
            for name in names {
                self.remove(&self.objects(&name).await?, SWEEP).await?;
            }
        }
        Err(format!("clusters named {prefix}… keep appearing").into())
    }

    async fn clusters(&self, prefix: &str) -> Outcome<Vec<String>> {
        let filters = HashMap::from([("label", vec![CLUSTER])]);
        let containers = query::ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let networks = query::ListNetworksOptionsBuilder::default()
            .filters(&filters)
            .build();
        let (containers, networks) = tokio::try_join!(
            self.client.list_containers(Some(containers)),
            self.client.list_networks(Some(networks)),
        )?;
        let mut names: Vec<String> = containers
            .into_iter()
            .filter_map(|each| each.labels)
            .chain(self.free(networks).filter_map(|each| each.labels))
            .filter_map(|mut labels| labels.remove(CLUSTER))
            .filter(|name| name.starts_with(prefix))
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Removes the objects: `at_once` containers at a time, then all other objects at once.
    pub async fn remove(&self, objects: &Objects, at_once: usize) -> Outcome<()> {
        let options = query::RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        stream::iter(&objects.containers)
            .map(|id| async {
                missing_is_fine(self.client.remove_container(id, Some(options.clone())).await)
            })
            .buffer_unordered(at_once)
            .try_collect::<()>()
            .await?;
        let networks = objects.networks.iter().map(|id| self.remove_network(id));
        let volumes = objects.volumes.iter().map(|name| async {
            let options = None::<query::RemoveVolumeOptions>;
            missing_is_fine(self.client.remove_volume(name, options).await)
        });
        tokio::try_join!(try_join_all(networks), try_join_all(volumes))?;
        Ok(())
    }

    /// Returns the networks that are not in `held`.
    fn free(&self, networks: Vec<Network>) -> impl Iterator<Item = Network> {
        let held = self.held.lock().map(|held| held.clone()).unwrap_or_default();
        let is_held = move |one: &Network| one.id.as_ref().is_some_and(|id| held.contains(id));
        networks.into_iter().filter(move |one| !is_held(one))
    }

    /// Removes a network. If the engine keeps it although it has no containers, this is reported and the network stays:
    /// Docker 20.10 sometimes has a wrong endpoint count until it is restarted.
    async fn remove_network(&self, id: &str) -> Outcome<()> {
        match self.client.remove_network(id).await {
            Err(bollard::errors::Error::DockerResponseServerError {
                status_code: 403,
                message,
            }) => {
                let options = None::<query::InspectNetworkOptions>;
                let on_it = self.client.inspect_network(id, options).await?.containers;
                if on_it.is_some_and(|containers| !containers.is_empty()) {
                    return Err(message.into());
                }
                eprintln!("left behind, because the engine has lost count: {message}");
                self.held
                    .lock()
                    .map_err(|error| error.to_string())?
                    .insert(id.to_owned());
                Ok(())
            }
            other => missing_is_fine(other),
        }
    }
}

fn missing_is_fine(result: Result<(), bollard::errors::Error>) -> Outcome<()> {
    match result {
        // 409: another process is removing it.
        Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        }) => Ok(()),
        other => Ok(other?),
    }
}

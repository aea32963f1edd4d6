//! Fault injection with Docker.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::SystemTime;

use bollard::models::{EventMessage, NetworkConnectRequest, NetworkDisconnectRequest};
use bollard::query_parameters as query;
use futures_util::TryStreamExt as _;

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::docker::client::{Docker, QUICK, SLOW, call};
use crate::runtime::docker::translate;
use crate::runtime::faults::Faults;
use crate::runtime::interface::Runtime as _;
use crate::runtime::labels;
use crate::runtime::observed::Activity;
use crate::spec::name::ClusterName;

impl Faults for Docker {
    async fn pause(&self, container: &str) -> Result<()> {
        let what = format!("pause container {container}");
        let paused = call(&what, QUICK, self.client().pause_container(container)).await;
        self.unless(paused, container, &[Activity::Paused]).await
    }

    async fn halt(&self, container: &str, grace: u32) -> Result<()> {
        let what = format!("stop container {container}");
        let grace = i32::try_from(grace).unwrap_or(i32::MAX);
        let options = query::StopContainerOptionsBuilder::default().t(grace).build();
        call(
            &what,
            SLOW,
            self.client().stop_container(container, Some(options)),
        )
        .await
    }

    async fn kill(&self, container: &str) -> Result<()> {
        let what = format!("kill container {container}");
        let options = None::<query::KillContainerOptions>;
        let killed = call(&what, SLOW, self.client().kill_container(container, options)).await;
        self.unless(killed, container, &[Activity::Exited, Activity::Created])
            .await
    }

    async fn disconnect(&self, container: &str, network: &str) -> Result<()> {
        let request = NetworkDisconnectRequest {
            container: container.to_owned(),
            force: Some(true),
        };
        let what = format!("disconnect container {container} from network {network}");
        call(&what, QUICK, self.client().disconnect_network(network, request)).await
    }

    async fn connect(&self, container: &str, network: &str, address: Ipv4Addr) -> Result<()> {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(translate::endpoint(address)),
        };
        let what = format!("connect container {container} to network {network}");
        call(&what, QUICK, self.client().connect_network(network, request)).await
    }

    async fn is_connected(&self, container: &str, network: &str) -> Result<bool> {
        let seen = self.inspect(container).await?;
        Ok(seen["NetworkSettings"]["Networks"].get(network).is_some())
    }

    async fn inspect(&self, container: &str) -> Result<serde_json::Value> {
        let what = format!("inspect container {container}");
        let (seen, _) = call(&what, QUICK, self.inspect_in_any_state(container)).await?;
        serde_json::to_value(seen)
            .map_err(|error| Error::new(ErrorKind::Engine, format!("cannot {what}")).because(error))
    }

    async fn history(&self, cluster: &ClusterName, network: &str) -> Result<Vec<serde_json::Value>> {
        // Network events have no labels.
        let label = format!("{}={cluster}", labels::CLUSTER);
        let (mut all, of_network) = tokio::try_join!(
            self.events("container", "label", &label),
            self.events("network", "network", network)
        )?;
        all.extend(of_network);
        all.sort_by_key(|event| event.time_nano);
        let told = all
            .into_iter()
            .map(serde_json::to_value)
            .collect::<Result<_, _>>();
        told.map_err(|error| {
            Error::new(ErrorKind::Engine, "cannot read container engine events").because(error)
        })
    }
}

impl Docker {
    /// Returns the past events of one type that match a filter.
    async fn events(&self, kind: &str, filter: &str, value: &str) -> Result<Vec<EventMessage>> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default();
        // Whole seconds would omit events of the current second.
        let now = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
        // Since the epoch: without `since`, no past events are reported.
        let options = query::EventsOptionsBuilder::default()
            .since("1")
            .until(&now)
            .filters(&HashMap::from([("type", vec![kind]), (filter, vec![value])]))
            .build();
        call(
            "read container engine events",
            QUICK,
            self.client().events(Some(options)).try_collect(),
        )
        .await
    }

    /// Ignores the conflict that Docker reports if a container already has the requested state.
    async fn unless(&self, done: Result<()>, container: &str, already: &[Activity]) -> Result<()> {
        let Err(error) = done else { return Ok(()) };
        match self.state(container).await {
            Ok(state) if already.contains(&state.activity) => Ok(()),
            _ => Err(error),
        }
    }
}

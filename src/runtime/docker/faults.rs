//! Docker's way to trouble a container.

use std::net::Ipv4Addr;

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest,
};
use bollard::query_parameters as query;

use super::client::{Docker, QUICK, SLOW, call};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Activity;
use crate::runtime::{Faults, Runtime as _};

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
            endpoint_config: Some(EndpointSettings {
                ipam_config: Some(EndpointIpamConfig {
                    ipv4_address: Some(address.to_string()),
                    ..EndpointIpamConfig::default()
                }),
                ..EndpointSettings::default()
            }),
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
        let options = None::<query::InspectContainerOptions>;
        let seen = call(&what, QUICK, self.client().inspect_container(container, options)).await?;
        serde_json::to_value(seen)
            .map_err(|error| Error::new(ErrorKind::Engine, format!("cannot {what}")).because(error))
    }
}

impl Docker {
    /// Docker calls it a conflict when a container is already what it shall become.
    async fn unless(&self, done: Result<()>, container: &str, already: &[Activity]) -> Result<()> {
        let Err(error) = done else { return Ok(()) };
        match self.state(container).await {
            Ok(state) if already.contains(&state.activity) => Ok(()),
            _ => Err(error),
        }
    }
}

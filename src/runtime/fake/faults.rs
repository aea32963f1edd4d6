//! Fault injection in the fake container engine.

use std::net::Ipv4Addr;

use crate::error::Result;
use crate::runtime::fake::Fake;
use crate::runtime::faults::Faults;
use crate::runtime::observed::Activity;
use crate::spec::name::ClusterName;

impl Fake {
    async fn becomes(&self, call: &'static str, container: &str, activity: Activity) -> Result<()> {
        let name = container.to_owned();
        self.call(call, container, move |state| {
            state.container(&name)?.seen.activity = activity;
            Ok(())
        })
        .await
    }
}

impl Faults for Fake {
    async fn pause(&self, container: &str) -> Result<()> {
        self.becomes("pause", container, Activity::Paused).await
    }

    async fn halt(&self, container: &str, _grace: u32) -> Result<()> {
        self.becomes("halt", container, Activity::Exited).await
    }

    async fn kill(&self, container: &str) -> Result<()> {
        self.becomes("kill", container, Activity::Exited).await
    }

    async fn disconnect(&self, container: &str, _network: &str) -> Result<()> {
        let name = container.to_owned();
        self.call("disconnect", container, move |state| {
            state.container(&name)?.network.clear();
            Ok(())
        })
        .await
    }

    async fn connect(&self, container: &str, network: &str, _address: Ipv4Addr) -> Result<()> {
        let (name, network) = (container.to_owned(), network.to_owned());
        self.call("connect", container, move |state| {
            state.container(&name)?.network = network;
            Ok(())
        })
        .await
    }

    async fn is_connected(&self, container: &str, network: &str) -> Result<bool> {
        let (name, network) = (container.to_owned(), network.to_owned());
        self.call("is_connected", container, move |state| {
            Ok(state.container(&name)?.network == network)
        })
        .await
    }

    async fn inspect(&self, container: &str) -> Result<serde_json::Value> {
        let name = container.to_owned();
        self.call("inspect", container, move |state| {
            let seen = &state.container(&name)?.seen;
            Ok(serde_json::json!({ "Name": seen.name, "State": seen.activity.as_str() }))
        })
        .await
    }

    async fn history(&self, cluster: &ClusterName, _network: &str) -> Result<Vec<serde_json::Value>> {
        let name = cluster.to_string();
        self.call("history", &name, |state| {
            let calls = state.calls.iter();
            Ok(calls
                .map(|call| serde_json::json!({ "Action": call.name, "Actor": call.on }))
                .collect())
        })
        .await
    }
}

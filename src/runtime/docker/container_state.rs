//! Reads containers in any state.
//!
//! bollard's types list Docker's states and reject every other word. Podman has more: `stopped` between the end of
//! a process and its cleanup, `configured`, `initialized`, `stopping` (libpod/define/containerstate.go). One such
//! container would make every list unreadable, so the states are removed and the response is parsed again.

use bollard::errors::Error as DockerError;
use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bollard::query_parameters as query;
use serde_json::Value;

use crate::runtime::docker::client::Docker;
use crate::runtime::observed::Activity;

impl Docker {
    /// Lists the containers, each with its state.
    pub(crate) async fn list(
        &self,
        options: query::ListContainersOptions,
    ) -> Result<Vec<(ContainerSummary, Activity)>, DockerError> {
        match self.client.list_containers(Some(options)).await {
            Ok(all) => Ok(all
                .into_iter()
                .map(|one| {
                    let state = one.state.as_ref().map(ToString::to_string);
                    (one, activity(state.as_deref()))
                })
                .collect()),
            Err(error) => reread(error, summaries),
        }
    }

    /// Inspects a container and returns it with its state.
    pub(crate) async fn inspect_in_any_state(
        &self,
        container: &str,
    ) -> Result<(ContainerInspectResponse, Activity), DockerError> {
        let options = None::<query::InspectContainerOptions>;
        match self.client.inspect_container(container, options).await {
            Ok(seen) => {
                let state = seen.state.as_ref().and_then(|state| state.status);
                let state = state.map(|status| status.to_string());
                Ok((seen, activity(state.as_deref())))
            }
            Err(error) => reread(error, inspected),
        }
    }
}

/// Parses a response again that bollard rejected.
fn reread<T>(error: DockerError, read: impl FnOnce(Value) -> Option<T>) -> Result<T, DockerError> {
    let DockerError::JsonDataError { contents, .. } = &error else {
        return Err(error);
    };
    let value = serde_json::from_str(contents).ok();
    value.and_then(read).ok_or(error)
}

fn summaries(list: Value) -> Option<Vec<(ContainerSummary, Activity)>> {
    let Value::Array(all) = list else { return None };
    all.into_iter()
        .map(|mut one| {
            let state = one.as_object_mut()?.remove("State");
            let seen = serde_json::from_value(one).ok()?;
            Some((seen, activity(state.as_ref().and_then(Value::as_str))))
        })
        .collect()
}

fn inspected(mut one: Value) -> Option<(ContainerInspectResponse, Activity)> {
    let state = one.get_mut("State")?.as_object_mut()?.remove("Status");
    let seen = serde_json::from_value(one).ok()?;
    Some((seen, activity(state.as_ref().and_then(Value::as_str))))
}

fn activity(state: Option<&str>) -> Activity {
    match state.unwrap_or("unknown") {
        "created" | "configured" | "initialized" => Activity::Created,
        "running" => Activity::Running,
        "paused" => Activity::Paused,
        "restarting" => Activity::Restarting,
        "exited" | "stopped" => Activity::Exited,
        other => Activity::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected<T: serde::de::DeserializeOwned + std::fmt::Debug>(contents: &str) -> DockerError {
        let error = serde_json::from_str::<T>(contents).unwrap_err();
        DockerError::JsonDataError {
            message: error.to_string(),
            contents: contents.to_owned(),
            column: error.column(),
        }
    }

    #[test]
    fn list_with_unknown_states_is_read() {
        let list = r#"[{"Id": "a", "Names": ["/rcup-a-1"], "State": "stopped", "Labels": {"rcup.node": "1"}},
                       {"Id": "b", "State": "running"}, {"Id": "c", "State": "improper"}, {"Id": "d"}]"#;
        let seen = reread(rejected::<Vec<ContainerSummary>>(list), summaries).unwrap();
        let states: Vec<&Activity> = seen.iter().map(|(_, activity)| activity).collect();
        let other = |word: &str| Activity::Other(word.to_owned());
        assert_eq!(
            states,
            [
                &Activity::Exited,
                &Activity::Running,
                &other("improper"),
                &other("unknown")
            ]
        );
        assert_eq!(seen[0].0.labels.as_ref().unwrap()["rcup.node"], "1");
    }

    #[test]
    fn inspected_container_with_unknown_state_is_read() {
        let one = r#"{"Id": "a", "RestartCount": 3, "State": {"Status": "stopped", "ExitCode": 1}}"#;
        let (seen, activity) = reread(rejected::<ContainerInspectResponse>(one), inspected).unwrap();
        assert_eq!((activity, seen.restart_count), (Activity::Exited, Some(3)));
        assert_eq!(seen.state.unwrap().exit_code, Some(1));
    }

    #[test]
    fn answer_that_is_no_list_stays_an_error() {
        let error = rejected::<Vec<ContainerSummary>>(r#"{"cause": "x"}"#);
        let message = error.to_string();
        assert_eq!(reread(error, summaries).unwrap_err().to_string(), message);
    }
}

//! Short-lived probe containers.

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters as query;
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::error::{Error, Result};
use crate::runtime::docker::client::{Docker, QUICK, call, late};
use crate::runtime::interface::{LogLine, LogRequest, Runtime as _};
use crate::runtime::request::{ProbeRequest, USER};

impl Docker {
    /// Creates a probe container: see [`crate::runtime::interface::Runtime::create_probe`].
    pub(crate) async fn make_probe(&self, request: &ProbeRequest) -> Result<String> {
        let what = told(request);
        let body = ContainerCreateBody {
            image: Some(request.image.clone()),
            entrypoint: Some(request.command.iter().take(1).cloned().collect()),
            cmd: Some(request.command.iter().skip(1).cloned().collect()),
            user: Some(format!("{USER}:{USER}")),
            network_disabled: Some(request.network.is_none()),
            labels: Some(request.labels.clone().into_iter().collect()),
            host_config: Some(HostConfig {
                network_mode: Some(request.network.clone().unwrap_or_else(|| "none".to_owned())),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = query::CreateContainerOptionsBuilder::default()
            .name(&request.name)
            .build();
        let id = call(&what, QUICK, self.client.create_container(Some(options), body))
            .await?
            .id;
        if !request.files.is_empty()
            && let Err(error) = self.put(&id, "/", &request.files).await
        {
            let _ = self.remove_container(&id).await;
            return Err(error);
        }
        Ok(id)
    }

    /// Runs a probe container: see [`crate::runtime::interface::Runtime::run_once`].
    pub(crate) async fn probe_once(&self, request: &ProbeRequest) -> Result<String> {
        let id = self.make_probe(request).await?;
        let output = self.run_to_end(&told(request), &id).await;
        let removed = self.remove_container(&id).await;
        let output = output?;
        removed.map(|()| output)
    }

    async fn run_to_end(&self, what: &str, id: &str) -> Result<String> {
        self.start(id).await.map_err(|error| {
            let mut told = Error::new(error.kind(), format!("cannot {what}"));
            if let Some(cause) = error.causes().into_iter().next() {
                told = told.because(cause);
            }
            match error.hint_text() {
                Some(hint) => told.hint(hint),
                None => told,
            }
        })?;
        let mut ended = self
            .client
            .wait_container(id, None::<query::WaitContainerOptions>);
        // A failing program ends the stream with an error; its output is more useful than its exit code.
        let _ = tokio::time::timeout(QUICK, ended.next())
            .await
            .map_err(|_| late(what, QUICK))?;
        let lines: Vec<LogLine> = tokio::time::timeout(
            QUICK,
            self.logs(id, LogRequest::default()).try_collect::<Vec<_>>(),
        )
        .await
        .map_err(|_| late(what, QUICK))??;
        Ok(lines
            .into_iter()
            .map(|line| line.text)
            .collect::<Vec<_>>()
            .join("\n"))
    }
}

/// Returns the description of a probe for errors.
fn told(request: &ProbeRequest) -> String {
    format!(
        "run {} in image {}",
        request.command.first().map_or("", String::as_str),
        request.image
    )
}

//! Short-lived probe containers. Each is labelled with its owner process and an expiry, so that a later rcup
//! removes it if this one is killed.

use std::time::{Duration, SystemTime};

use crate::error::Result;
use crate::event::Silent;
use crate::ownership::pending::Kind;
use crate::ownership::rollback::Guard;
use crate::runtime::interface::Runtime;
use crate::runtime::labels;
use crate::runtime::request::{File, ProbeRequest};
use crate::spec::expiry::{Life, Owner};
use crate::spec::name::ClusterName;
use crate::topology::layout::Topology;

/// Path of the CA certificate in a probe on a cluster's network.
pub(crate) const AUTHORITY: &str = "/rcup-authority.crt";

/// Expiry of a probe whose owner process cannot be checked.
const LONGEST: Duration = Duration::from_mins(10);

/// A probe of an image, optionally for `cluster`.
pub(crate) fn probe(image: &str, command: &[String], cluster: Option<&ClusterName>) -> ProbeRequest {
    let mark = ClusterName::generated("probe");
    let life = Life {
        owner: Owner::this_process().ok(),
        expires: None,
    };
    let life = life.until(SystemTime::now(), LONGEST);
    ProbeRequest {
        name: mark.network(),
        image: image.to_owned(),
        command: command.to_vec(),
        network: None,
        files: Vec::new(),
        labels: labels::of_probe(cluster.unwrap_or(&mark), mark.as_str(), &life),
    }
}

/// Runs a program in an isolated container of an image and returns its output.
///
/// # Errors
/// When the container engine refuses it.
pub(crate) async fn run_once<R: Runtime>(runtime: &R, image: &str, command: &[String]) -> Result<String> {
    runtime.run_once(&probe(image, command, None)).await
}

/// Runs `work` in a temporary container on the cluster's network. It has the cluster's image, and the
/// CA certificate if the cluster uses TLS. `work` receives the container's id.
///
/// # Errors
/// When the container engine refuses it, or `work` fails.
pub(crate) async fn on_network<R: Runtime, T>(
    runtime: &R,
    topology: &Topology,
    authority: Option<&str>,
    work: impl AsyncFnOnce(String) -> Result<T>,
) -> Result<T> {
    let sleep = ["sh", "-c", "sleep 600"].map(str::to_owned);
    let mut request = probe(&topology.placement.image.reference, &sleep, Some(topology.name()));
    request.network = Some(topology.network());
    request.files = authority
        .map(|authority| File {
            path: AUTHORITY.to_owned(),
            mode: 0o644,
            contents: Some(authority.to_owned()),
        })
        .into_iter()
        .collect();
    let mut guard = Guard::new(runtime.clone());
    guard.arm(request.labels.get(labels::RUN).map_or("", String::as_str));
    let making = guard.making();
    let worked = async {
        let made = making.answer(Kind::Container, &request.name, runtime.create_probe(&request));
        let id = made.await?;
        runtime.start(&id).await?;
        work(id).await
    };
    let outcome = worked.await;
    guard.try_undo(&Silent).await;
    outcome
}

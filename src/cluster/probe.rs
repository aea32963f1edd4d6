//! Containers in which something is tried for a moment. Each carries its process and an end, so that a later rcup
//! removes it should this one be killed.

use std::time::{Duration, SystemTime};

use super::builder::made_up;
use crate::error::Result;
use crate::plan::{ProbeRequest, labels};
use crate::runtime::Runtime;
use crate::spec::{ClusterName, Life, Owner};

/// How long a probe lasts at most, should nobody be able to tell whether its process lives.
const LONGEST: Duration = Duration::from_mins(10);

/// A probe of an image. It belongs to `cluster`, or to none.
pub(super) fn probe(image: &str, command: &[String], cluster: Option<&ClusterName>) -> ProbeRequest {
    let mark = made_up("probe");
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

/// Runs a program in a container of an image, apart from everything, and returns what it printed.
///
/// # Errors
/// What the engine refused.
pub(super) async fn run_once<R: Runtime>(runtime: &R, image: &str, command: &[String]) -> Result<String> {
    runtime.run_once(&probe(image, command, None)).await
}

//! The one seam to containers: a trait in rcup's own words, Docker's implementation, and a fake.
//!
//! The words are kept few and small so that the fake stays small too: what can be decided without an
//! engine is decided in `plan`, and tested there.

mod docker;
pub mod fake;
mod faults;
mod seam;

pub use docker::Docker;
pub use faults::Faults;
use seam::host_of;
pub use seam::{
    EngineDetails, EngineInfo, ExecRequest, ExecSession, ImageSeen, LogLine, LogRequest, NodeState, Output,
    OwnContainer, Runtime, Scope,
};

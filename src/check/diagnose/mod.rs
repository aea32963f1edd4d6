//! What is wrong with a cluster, why, and what mends it: observations go in, findings come out. A check says
//! that something is not in order; a finding names the cause, with the evidence and the exact remedy.

mod access;
mod bus;
mod causes;
mod finding;
mod judge;
mod observed;
mod server;
mod slots;
mod views;

pub use bus::cut;
pub use causes::CAUSES;
pub use finding::{Action, Diagnosis, Finding};
pub use judge::diagnose;
pub use observed::{BusAnswer, BusProbe, ContainerFound, Inside, Mislead, NodeFound, Observations, Place};
pub use slots::doubtful;

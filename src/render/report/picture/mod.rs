//! The drawings of the page, as SVG: who copies whom, how long answers took, what happened when.

mod draw;
mod failover;
mod histogram;
mod topology;

pub(super) use failover::failover;
pub(super) use histogram::histogram;
pub(super) use topology::topology;

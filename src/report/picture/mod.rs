//! The drawings of the page, as SVG: who copies whom, how long answers took, what happened when.

pub mod draw;
pub mod failover;
pub mod histogram;
pub mod topology;

//! SVG diagrams of the page: topology, latency histograms and failovers.

pub mod draw;
pub mod failover;
pub mod histogram;
pub mod topology;

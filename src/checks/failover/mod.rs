//! Failovers: measured on a running cluster, judged, and summarized over several rounds.

pub mod judge;
pub mod measure;
pub mod statistics;
pub mod witness;

//! Failovers: measured on a running cluster, judged, and summarized over several rounds.

pub mod hand_back;
pub mod judge;
pub mod measure;
pub mod statistics;
pub mod witness;

//! Response times of the nodes: measured, then judged against thresholds.

pub mod judge;
pub mod measure;

//! Response times of the nodes: measured, then compared with thresholds.

pub mod judge;
pub mod measure;

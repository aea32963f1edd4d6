//! Diagnosis of a cluster: takes observations and returns findings. A check reports that something is wrong;
//! a finding names the cause, with the evidence and the exact fix.

pub mod access;
pub mod bundle;
pub mod bus;
pub mod causes;
pub mod collect;
pub mod finding;
pub mod inside;
pub mod judge;
pub mod observed;
pub mod server;
pub mod slots;
pub mod views;

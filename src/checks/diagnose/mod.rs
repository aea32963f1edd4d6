//! What is wrong with a cluster, why, and what mends it: observations go in, findings come out. A check says
//! that something is not in order; a finding names the cause, with the evidence and the exact remedy.

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

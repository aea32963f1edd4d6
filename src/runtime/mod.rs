//! The one seam to containers: a trait in rcup's own words, Docker's implementation, and a fake.
//!
//! The words are kept few and small so that the fake stays small too: what can be decided without an
//! engine is decided in `plan`, and tested there.

pub mod docker;
pub mod exec;
#[cfg(any(test, feature = "test-util"))]
pub mod fake;
pub mod faults;
pub mod interface;
pub mod labels;
pub mod network;
pub mod observed;
pub mod request;

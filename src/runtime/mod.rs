//! The interface to container engines: a trait, the Docker implementation, and a fake.
//!
//! The trait is small so that the fake stays small too: decisions that need no container engine are in `plan`, and
//! tested there.

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

//! Public API of the library: handles, builder, blocking API and test fixtures.

pub mod actions;
#[cfg(feature = "blocking")]
pub mod blocking;
pub mod builder;
pub mod client;
#[cfg(feature = "blocking")]
pub mod executor;
pub mod handle;
pub mod list;
pub mod node;
pub mod pool;
pub mod testing;

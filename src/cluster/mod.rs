//! Where a plan meets the world: looking, executing, waiting, proving, removing.

pub mod actions;
pub mod blocking;
pub mod builder;
pub mod client;
pub mod handle;
pub mod list;
pub mod node;
pub mod pool;
pub mod testing;

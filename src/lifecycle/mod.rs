//! Changes to clusters: start, stop, restart, reset, repair, remove. The only layer that executes plans.

pub mod bootstrap;
pub mod dry_run;
pub mod execute;
pub mod keep;
pub mod options;
pub mod placement;
pub mod power;
pub mod prepare;
pub mod prune;
#[cfg(feature = "cli")]
pub mod repair;
pub mod reset;
pub mod retry;
pub mod secrets;
pub mod up;
pub mod warnings;

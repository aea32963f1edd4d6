//! Where a plan meets the world: looking, executing, waiting, proving, removing.

mod execute;
mod form;
mod guard;
mod handle;
mod host;
mod image;
mod link;
mod lock;
mod making;
mod place;
mod prove;
mod report;
mod up;
mod wait;

pub use execute::Timings;
pub use guard::Removed;
pub use handle::{Attached, Cluster, Listed, down, list};
pub use report::{NetworkReport, NodeReport, Report, State};
pub use up::UpOptions;

//! What to do, as data. A plan can be printed, compared and undone; executing it takes no decision.

mod down;
pub mod labels;
mod observed;
mod request;
mod step;
mod up;

pub use down::remove;
pub use observed::{Activity, ContainerSeen, NetworkSeen, Observed, VolumeSeen};
pub use request::{
    ContainerRequest, File, NetworkRequest, USER, VolumeRequest, container, files, network, volume,
};
pub use step::{Plan, Planned, Step};
pub use up::{Decision, adopt, create, damaged, decide};

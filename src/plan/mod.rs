//! What to do, as data. A plan can be printed, compared and undone; executing it takes no decision.

mod down;
pub mod labels;
mod mend;
mod network;
mod observed;
mod prune;
mod request;
mod step;
mod up;

pub use down::remove;
pub use mend::{Mend, Remembered, mend, unvote};
pub use network::{NetworkDetails, on_network};
pub use observed::{Activity, ContainerSeen, NetworkSeen, Observed, VolumeSeen};
pub use prune::{Cause, Leftover, leftovers};
pub use request::{
    ContainerRequest, File, FilesRequest, NetworkRequest, ProbeRequest, USER, VolumeRequest, container,
    delivery, network, volumes,
};
pub use step::{Plan, Planned, Step};
pub use up::{Decision, adopt, create, damaged, decide, restore};

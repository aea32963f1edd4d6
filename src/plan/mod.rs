//! What to do, as data. A plan can be printed, compared and undone; executing it takes no decision.

mod down;
pub mod labels;
mod mend;
mod network;
mod observed;
mod prune;
mod request;
mod step;
mod unvote;
mod up;

pub use down::remove;
pub use mend::{Mend, mend};
pub use network::{NetworkDetails, on_network};
pub use observed::{Activity, ContainerSeen, NetworkSeen, Observed, VolumeSeen};
pub use prune::{Cause, Leftover, leftovers};
pub use request::{
    ContainerRequest, File, FilesRequest, NetworkRequest, ProbeRequest, USER, VolumeRequest, container,
    delivery, network, volumes,
};
pub use step::{Plan, Planned, Step};
pub use unvote::{Remembered, Unvote, unvote};
pub use up::{Decision, adopt, create, damaged, decide, restore};

//! What this and the machine on which the containers run, say of themselves; and mending it.

mod cheap;
mod engine;
mod examine;
mod firewall;
mod fsync;
mod inside;
mod kernel;
mod mend;
mod own;
mod processes;

pub(super) use cheap::look;
pub use examine::{Look, Reading, examine};
pub use mend::{Mended, mend};
pub use own::this_machine;
pub(super) use own::{is_own_address, neighbour_limit, open_files, port_holder, routes};

//! Where everything goes: names, addresses, ports, slots and ids, as a pure function of the specification
//! and of what the surroundings leave free.

mod address;
mod boot;
mod layout;
mod machine;
mod offline;
mod servers;
mod slots;

pub use crate::spec::size;
pub use address::{
    FIRST_PORT, TakenPort, TakenSubnet, choose_addresses, choose_ports, choose_subnet, gateway,
};
pub(crate) use boot::callers;
#[cfg(test)]
pub(crate) use layout::tests::{mixed, surroundings, topology};
pub use layout::{Announce, Formation, Image, Node, NodeId, Role, Shard, Shared, Surroundings, Topology};
pub use machine::{MIB, Machine, Memory};
pub use offline::without_engine;
pub use slots::{SLOTS, SlotRange, slot_of, split, tag_in};

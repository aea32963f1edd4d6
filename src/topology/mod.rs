//! Layout of a cluster: names, addresses, ports, slots and ids, as a pure function of the specification and
//! of the free resources of the environment.

pub mod address;
pub mod hardware;
pub mod layout;
pub mod offline;
pub mod servers;
pub mod slots;
pub mod startup;

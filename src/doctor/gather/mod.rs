//! What this and the machine on which the containers run, say of themselves; and mending it.

pub mod apply;
pub mod engine;
pub mod examine;
pub mod firewall;
pub mod fsync;
pub mod inside;
pub mod kernel;
pub mod processes;
pub mod quick;
pub mod this_machine;

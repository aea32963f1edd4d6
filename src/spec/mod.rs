//! What the user asks for. Everything here is checked once, when it is made, and valid from then on.

mod cluster;
mod directive;
mod engine;
mod name;
mod selector;

pub use cluster::{
    AnnounceChoice, BUS_OFFSET, ClusterSpec, ClusterSpecBuilder, FormationChoice, MOST_NODES, Pull, room,
    smallest_prefix,
};
pub use directive::Directive;
pub use engine::{Engine, Server, Version};
pub use name::ClusterName;
pub use selector::Selector;

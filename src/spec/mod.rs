//! What the user asks for. Everything here is checked once, when it is made, and valid from then on.

mod capability;
mod choice;
mod cluster;
mod directive;
pub mod directives;
mod engine;
mod life;
mod name;
mod node_wish;
mod own_user;
mod profile;
mod secret;
mod security;
mod selector;
mod shape;
mod size;
mod span;
mod user;

pub use capability::Capability;
pub use choice::{AnnounceChoice, FormationChoice, Pull};
pub use cluster::{BUS_OFFSET, ClusterSpec, ClusterSpecBuilder, MOST_NODES};
pub use directive::Directive;
pub use engine::{Engine, Server, Version, VersionWish};
pub use life::{Life, Owner, Presence};
pub use name::ClusterName;
pub use node_wish::NodeWish;
pub use own_user::{OwnUser, VALIDATION_PREFIX};
pub use profile::Profile;
pub use secret::Secret;
pub use security::{Certificates, ClientCertificate, Password, Secrets};
pub use selector::Selector;
pub use shape::{room, smallest_prefix};
pub use size::{bytes, size};
pub use user::{DEFAULT_USER, Login, User, hashed, split_rules};

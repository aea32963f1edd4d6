//! Pure text: what stands in a node's files, in the files that take a cluster elsewhere, and in reports.

mod alike;
mod bare_metal;
mod beside;
pub mod clients;
mod compose;
mod conf;
mod document;
mod kubernetes;
mod nodes_conf;
mod placeless;
mod redis_conf;
pub mod report;
mod secrets;
mod settings;
mod swarm;
mod tls;
mod yaml;

pub use bare_metal::{BareMetal, bare_metal, bare_metal_secrets, on_machines};
pub use beside::beside;
pub use compose::{COMPOSE_FILE, compose};
pub use conf::conf;
pub use document::{Document, PASSWORD_FILE};
pub use kubernetes::{kubernetes, kubernetes_secrets};
pub use nodes_conf::{ghosts, nodes_conf, settled_nodes_conf};
pub use redis_conf::{HOME, conf_path, directory, redis_conf, settled_redis_conf};
pub use secrets::{secret_lines, secrets_path, users_acl, users_path};
pub use settings::{NODE_TIMEOUT, Origin, Setting, Temporary, settings, temporary, waking};
pub use swarm::{STACK_FILE, swarm};
pub use tls::{authority_path, certificate_files, certificate_path};

//! Reads what people have already: a Compose file with the nodes of a Redis Cluster becomes settings of rcup, with a
//! note on everything that is wrong in it, and the line. Text in, text out; whoever calls gives the files that the text
//! names.

mod bitnami;
mod command;
mod compose;
mod conf;
mod imported;
mod member;
mod service;
mod tree;
mod wishes;

pub use compose::compose;
pub use imported::{Imported, Note};

//! Reads what people have already: a Compose file with the nodes of a Redis Cluster becomes settings of rcup, with a
//! note on everything that is wrong in it, and the line. Text in, text out.

mod command;
mod compose;
mod tree;

pub use compose::{Imported, Note, compose};

//! The wire: connections to single nodes, the commands that form and judge a cluster, and parsers for
//! what they answer.

mod admin;
mod connection;
mod parse;

pub use connection::{Address, NodeConnection};

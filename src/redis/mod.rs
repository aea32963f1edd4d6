//! The wire: connections to single nodes, the commands that form and judge a cluster, and parsers for
//! what they answer.

mod access;
mod admin;
mod ask;
mod benchmark;
mod connection;
mod parse;
mod served;

pub use access::{Access, Credentials, url};
pub use benchmark::{Benchmark, benchmark, last_words};
pub use connection::{Address, Message, NodeConnection, trust};
pub use served::served_certificate;

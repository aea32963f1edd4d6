//! The wire: connections to single nodes, the commands that form and judge a cluster, and parsers for
//! what they answer.

pub mod access;
pub mod admin;
pub mod benchmark;
pub mod certificate;
pub mod connection;
pub mod cron_rate;
pub mod gossip;
pub mod parse;
pub mod queries;
pub mod reply;
pub mod tls_peer;

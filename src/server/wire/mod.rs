//! The wire protocol: connections to single nodes, the commands that form and check a cluster, and parsers for the
//! replies.

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

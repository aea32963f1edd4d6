//! The directives of Redis and Valkey as data: who knows which, and what their values look like.
//!
//! The names and their versions are those of the tables in `src/config.c` of Redis 6.2, 7.0, 7.2, 7.4 and
//! 8.0 and of Valkey 7.2 and 8.0, and of what Redis 8.0, Valkey 8.1 and Valkey 9.1 answer to `CONFIG GET *`;
//! those that are newer stand in the servers' release notes. A file a family; a row a name.

mod clients;
mod cluster;
mod data;
mod lookup;
mod memory;
mod monitoring;
mod network;
mod persistence;
mod process;
mod replication;
mod row;
mod security;
mod tls;

pub use lookup::{all, canonical, check, find, nearest, refusal};
pub use row::{Kind, Row};

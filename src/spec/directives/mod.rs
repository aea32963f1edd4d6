//! The directives of Redis and Valkey as data: who knows which, and what their values look like.
//!
//! The names and their versions are those of the tables in `src/config.c` of Redis 6.2, 7.0, 7.2, 7.4 and
//! 8.0 and of Valkey 7.2 and 8.0, and of what Redis 8.0, Valkey 8.1 and Valkey 9.1 answer to `CONFIG GET *`;
//! those that are newer stand in the servers' release notes. A file a family; a row a name.

pub mod clients;
pub mod cluster;
pub mod data;
pub mod lookup;
pub mod memory;
pub mod monitoring;
pub mod network;
pub mod persistence;
pub mod process;
pub mod replication;
pub mod row;
pub mod security;
pub mod tls;

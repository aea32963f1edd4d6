//! The directives of Redis and Valkey as data: supporting versions and kinds of values.
//!
//! Sources of names and versions: the tables in `src/config.c` of Redis 6.2, 7.0, 7.2, 7.4 and 8.0 and of
//! Valkey 7.2 and 8.0; the reply to `CONFIG GET *` of Redis 8.0, Valkey 8.1 and Valkey 9.1; the release notes
//! for newer directives. Each file contains one group of directives, with one row per name.

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

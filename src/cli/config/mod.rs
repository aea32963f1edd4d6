//! `rcup.toml`: cluster settings in a file.
//!
//! Keys have the names of the flags and are parsed by the flags' value parsers. Precedence: flag, environment,
//! file, profile, default.

pub mod document;
pub mod entry;
pub mod keys;
pub mod layers;
pub mod nodes;
pub mod template;

//! `rcup.toml`: the flags of a cluster in a file.
//!
//! The file says what the flags say, under the flags' own names, and goes through the flags' own parser:
//! what can be given on the command line can stand in the file, is checked by the same rules, and loses
//! against a flag and against the environment.

pub mod document;
pub mod keys;
pub mod layers;
pub mod nodes;
pub mod template;

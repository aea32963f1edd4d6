//! `rcup.toml`: the flags of a cluster in a file.
//!
//! The file says what the flags say, under the flags' own names, and goes through the flags' own parser:
//! what can be given on the command line can stand in the file, is checked by the same rules, and loses
//! against a flag and against the environment.

mod document;
mod keys;
mod layers;
mod nodes;
mod template;

pub use keys::schema;
pub use layers::{Given, Source, layered};
pub use template::TEMPLATE;

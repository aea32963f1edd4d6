//! Makes a container image of a server where no registry can be reached.
//!
//! The server comes from packages of the distribution's mirror, or from what is installed on this machine.
//! Either way the result is an archive of a trimmed root file system: the server, its client and benchmark,
//! the shared libraries that these load, and a few small tools. This module knows nothing about container
//! engines; whoever calls it sends the archive to one as an import.
//!
//! `recipe` says what is wanted and `build` follows it. `host` and `suite` fetch the programs, `closure`
//! finds what they load, `layout` decides what lies where, and `archive` writes it down.

mod apt;
mod archive;
mod artifact;
mod build;
mod closure;
mod elf;
mod host;
mod layout;
mod machine;
mod mirrors;
mod packages;
mod process;
mod programs;
mod recipe;
mod suite;

pub use artifact::{Archive, Artifact};
pub use build::build;
pub use recipe::{Recipe, Source};

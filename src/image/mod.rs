//! Makes a container image of a server where no registry can be reached.
//!
//! The server comes from packages of the distribution's mirror, or from what is installed on this machine.
//! Either way the result is an archive of a trimmed root file system: the server, its client and benchmark,
//! the shared libraries that these load, and a few small tools. This module knows nothing about container
//! engines; whoever calls it sends the archive to one as an import.
//!
//! `recipe` says what is wanted and `build` follows it. `host` and `suite` fetch the programs, `closure`
//! finds what they load, `layout` decides what lies where, and `archive` writes it down.

pub mod apt;
pub mod archive;
pub mod artifact;
pub mod build;
pub mod closure;
pub mod elf;
pub mod host;
pub mod layout;
pub mod machine;
pub mod mirrors;
pub mod packages;
pub mod process;
pub mod programs;
pub mod recipe;
pub mod select;
pub mod suite;

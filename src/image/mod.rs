//! Makes a container image of a server where no registry can be reached.
//!
//! The server comes from packages of the distribution's mirror, or from what is installed on this machine.
//! Either way the result is an archive of a trimmed root file system: the server, its client and benchmark,
//! the shared libraries that these load, and a few small tools. This module knows nothing about container
//! engines; whoever calls it sends the archive to one as an import.
//!
//! `recipe` says what is wanted and `build` follows it. `host` and `suite` fetch the programs, `closure`
//! finds what they load, `layout` decides what lies where, and `archive` writes it down.

#[cfg(feature = "cli")]
pub mod apt;
#[cfg(feature = "cli")]
pub mod archive;
#[cfg(feature = "cli")]
pub mod artifact;
#[cfg(feature = "cli")]
pub mod build;
#[cfg(feature = "cli")]
pub mod closure;
#[cfg(feature = "cli")]
pub mod elf;
#[cfg(feature = "cli")]
pub mod host;
#[cfg(feature = "cli")]
pub mod layout;
#[cfg(feature = "cli")]
pub mod machine;
#[cfg(feature = "cli")]
pub mod mirrors;
#[cfg(feature = "cli")]
pub mod packages;
#[cfg(feature = "cli")]
pub mod process;
#[cfg(feature = "cli")]
pub mod programs;
#[cfg(feature = "cli")]
pub mod recipe;
pub mod select;
#[cfg(feature = "cli")]
pub mod suite;

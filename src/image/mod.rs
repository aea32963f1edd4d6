//! Builds a container image of a server without access to a registry.
//!
//! The server comes from packages of the distribution's mirror, or from the programs that are installed on this
//! machine. The result is an archive of a minimal root file system: the server, its client and benchmark, the shared
//! libraries that they load, and a few small tools. This module does not depend on a container engine: the caller
//! imports the archive.
//!
//! `recipe` describes the image and `build` builds it. `host` and `suite` find the programs, `closure` finds their
//! libraries, `layout` defines the directory layout, and `archive` writes the archive.

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

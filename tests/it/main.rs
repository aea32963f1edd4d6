//! The one test binary.

mod docker;

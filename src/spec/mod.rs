//! What the user asks for. Everything here is checked once, when it is made, and valid from then on.

mod engine;

pub use engine::{Engine, Server, Version};

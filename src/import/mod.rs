//! Reads Compose files with the nodes of a Redis Cluster as settings of rcup, with a note on every problem and its line. Text in,
//! text out: the caller gives the files and variables that the text names.

pub mod bitnami;
pub mod command;
pub mod compose;
pub mod conf;
pub mod guard;
pub mod imported;
pub mod member;
pub mod node;
pub mod own_export;
pub mod ports;
pub mod resolve;
pub mod service;
pub mod settings;
pub mod shape;
pub mod shell;
pub mod tree;
pub mod variables;

//! Converts Compose files with the nodes of a Redis Cluster to settings of rcup, with a note and a line number for each
//! problem. This module does no I/O: the caller provides the files and variables that the text refers to.

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

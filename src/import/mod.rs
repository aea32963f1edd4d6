//! Reads what people have already: a Compose file with the nodes of a Redis Cluster becomes settings of rcup, with a
//! note on everything that is wrong in it, and the line. Text in, text out; whoever calls gives the files that the text
//! names.

pub mod bitnami;
pub mod command;
pub mod compose;
pub mod conf;
pub mod imported;
pub mod member;
pub mod service;
pub mod settings;
pub mod tree;

//! Directives: encryption of the connections.

use super::super::span::{NEVER, since};
use super::row::Kind::{Bool, Choice, Number, Text};
use super::row::Row;

/// See [`super::all`].
pub(super) const ROWS: &[Row] = &[
    Row::new("tls-auth-clients", Choice(&["no", "yes", "optional"])),
    Row::new("tls-auth-clients-user", Text)
        .redis(since(8, 6))
        .valkey(since(9, 0)),
    Row::new("tls-auto-reload-interval", Number)
        .redis(NEVER)
        .valkey(since(9, 0)),
    Row::new("tls-ca-cert-dir", Text).owned("This version of rcup starts clusters without TLS."),
    Row::new("tls-ca-cert-file", Text).owned("This version of rcup starts clusters without TLS."),
    Row::new("tls-cert-file", Text).owned("This version of rcup starts clusters without TLS."),
    Row::new("tls-ciphers", Text),
    Row::new("tls-ciphersuites", Text),
    Row::new("tls-client-cert-file", Text).owned("This version of rcup starts clusters without TLS."),
    Row::new("tls-client-key-file", Text).owned("This version of rcup starts clusters without TLS."),
    Row::new("tls-client-key-file-pass", Text).owned("This version of rcup starts clusters without TLS."),
    Row::new("tls-cluster", Bool).owned("This version of rcup starts clusters without TLS."),
    Row::new("tls-dh-params-file", Text),
    Row::new("tls-key-file", Text).owned("This version of rcup starts clusters without TLS."),
    Row::new("tls-key-file-pass", Text).owned("This version of rcup starts clusters without TLS."),
    Row::new("tls-port", Number).owned("This version of rcup starts clusters without TLS."),
    Row::new("tls-prefer-server-ciphers", Bool),
    Row::new("tls-protocols", Text),
    Row::new("tls-replication", Bool).owned("This version of rcup starts clusters without TLS."),
    Row::new("tls-session-cache-size", Number),
    Row::new("tls-session-cache-timeout", Number),
    Row::new("tls-session-caching", Bool),
];

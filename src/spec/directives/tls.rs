//! Directives for TLS.

use crate::spec::directives::row::Kind::{Bool, Choice, Number, Text};
use crate::spec::directives::row::Row;
use crate::spec::version_range::{NEVER, since};

const FLAG: &str = "Use --tls: clients, replicas and the cluster bus then speak TLS, and nothing else.";

const OWN_FILES: &str =
    "Use --tls for certificates made by rcup, or --tls-ca, --tls-cert and --tls-key for your own.";

const ONE_FOR_BOTH: &str =
    "A node proves itself to others with the certificate that it shows to clients: use --tls-cert.";

const IN_THE_CLEAR: &str = "A key lies unencrypted where only its node can read it: give --tls-key what `openssl pkey` has decrypted.";

/// The directives of this group, see [`super::lookup::all`].
pub(crate) const ROWS: &[Row] = &[
    Row::new("tls-auth-clients", Choice(&["no", "yes", "optional"])),
    Row::new("tls-auth-clients-user", Text)
        .redis(since(8, 6))
        .valkey(since(9, 0)),
    Row::new("tls-auto-reload-interval", Number)
        .redis(NEVER)
        .valkey(since(9, 0)),
    Row::new("tls-ca-cert-dir", Text).owned(OWN_FILES),
    Row::new("tls-ca-cert-file", Text).owned(OWN_FILES),
    Row::new("tls-cert-file", Text).owned(OWN_FILES),
    Row::new("tls-ciphers", Text),
    Row::new("tls-ciphersuites", Text),
    Row::new("tls-client-cert-file", Text).owned(ONE_FOR_BOTH),
    Row::new("tls-client-key-file", Text).owned(ONE_FOR_BOTH),
    Row::new("tls-client-key-file-pass", Text).owned(IN_THE_CLEAR),
    Row::new("tls-cluster", Bool).owned(FLAG),
    Row::new("tls-dh-params-file", Text),
    Row::new("tls-key-file", Text).owned(OWN_FILES),
    Row::new("tls-key-file-pass", Text).owned(IN_THE_CLEAR),
    Row::new("tls-port", Number).owned(FLAG),
    Row::new("tls-prefer-server-ciphers", Bool),
    Row::new("tls-protocols", Text),
    Row::new("tls-replication", Bool).owned(FLAG),
    Row::new("tls-session-cache-size", Number),
    Row::new("tls-session-cache-timeout", Number),
    Row::new("tls-session-caching", Bool),
];

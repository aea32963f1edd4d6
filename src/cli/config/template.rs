//! The file that `rcup config init` writes.

/// A file with every setting explained and commented out.
pub const TEMPLATE: &str = r#"# Clusters for rcup. Keys are the flags of `rcup up` without their dashes; a flag or a variable
# RCUP_… overrides this file. `rcup config show` prints the result.

# For all clusters:

#masters = 3
#replicas = 1
#server = "redis"            # or "valkey"
#server-version = "8.0"      # default: newest tested
#profile = "dev"             # or "staging", "production": timeouts, memory, persistence, eviction
# image = "redis:8.0"        # instead of server and server-version
#memory = "256mb"            # maxmemory per node; default: an equal share of the host's RAM
#persist = true              # default: set by the profile
#node-timeout = "5s"
#ttl = "8h"                  # delete the cluster after this time; default: never

# Network, and the address that nodes advertise to clients:
#subnet = "10.88.0.0/24"     # default: a free one
# network = "app"            # instead of subnet: an existing bridge network, which rcup never removes
#publish = "192.168.1.10"    # address of the Docker host; default: 127.0.0.1, reachable only from that host
#announce = "auto"           # or "ip", "hostname", "client-ipv4"; default: chosen by a reachability test

# Authentication. Keep your own password in a separate file or in RCUP_PASSWORD:
#password = true             # generated; `rcup env` prints it
# password-file = "secret"   # the first line of a file
#tls = true                  # with generated certificates; or with your own, which must list every node:
# tls-ca = "ca.crt"
# tls-cert = "node.crt"
# tls-key = "node.key"

# Directives for every node's redis.conf:
#[set]
#maxmemory-policy = "allkeys-lru"

# Per-node overrides (`image`, `memory`, `set`): by index, `masters`, `replicas`, "master:2" or "replica:2".
#[node.4]
#image = "redis:8.2"          # a replica needs its master's version or a later one
#
#[node.4.set]
#replica-priority = 0

# Users in addition to `default`, with rules in ACL SETUSER syntax. Nodes store only the SHA-256 of the password:
#[users.app]
#rules = "~app:* +@read +@write -@dangerous"
#password-env = "APP_PASSWORD"     # or password-file, password-hash, nopass = true

# Settings of a single cluster, started by `rcup up orders`:
#[cluster.orders]
#masters = 5
#port = 7101
#
#[cluster.orders.set]
#slowlog-log-slower-than = 5000
"#;

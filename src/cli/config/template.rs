//! The file that `rcup config init` writes.

/// A file in which everything is explained and nothing is changed.
pub const TEMPLATE: &str = r#"# Clusters for rcup. Keys are the flags of `rcup up` without their dashes; a flag or a variable
# RCUP_… wins over this file. `rcup config show` prints what comes out of it.

# For all clusters:

#masters = 3
#replicas = 1
#engine = "redis"            # or "valkey"
#engine-version = "8.0"      # default: the newest that is tried
#profile = "dev"             # or "staging", "production": timeouts, memory, persistence, eviction
# image = "redis:8.0"        # instead of engine and engine-version
#memory = "256mb"            # of each node; default: its share of the machine
#persist = true              # default: as the profile says
#node-timeout = "5s"
#ttl = "8h"                  # the next rcup after that removes the cluster; default: it stays

# Where the nodes are, and what they tell clients:
#subnet = "10.88.0.0/24"     # default: a free one
# network = "app"            # instead of subnet: a bridge network of yours, which rcup never removes
#publish = "192.168.1.10"    # an address of the engine's machine; default: 127.0.0.1, for this host alone
#announce = "auto"           # or "ip", "hostname", "client-ipv4"; default: measured

# Who gets in. The password itself is better in a file, or in RCUP_PASSWORD:
#password = true             # one is made, and `rcup env` tells it
# password-file = "secret"   # the first line of a file
#tls = true                  # with certificates made for the cluster; or your own, which name every node:
# tls-ca = "ca.crt"
# tls-cert = "node.crt"
# tls-key = "node.key"

# Lines of every node's redis.conf:
#[set]
#maxmemory-policy = "allkeys-lru"

# What single nodes have otherwise (`image`, `memory`, `set`): by index, `masters`, `replicas`, "master:2" or "replica:2".
#[node.4]
#image = "redis:8.2"          # its own server; replicas have their master's or a later one
#
#[node.4.set]
#replica-priority = 0

# Users beside `default`, with rules as ACL SETUSER takes them. The nodes keep only the password's SHA-256:
#[users.app]
#rules = "~app:* +@read +@write -@dangerous"
#password-env = "APP_PASSWORD"     # or password-file, password-hash, nopass = true

# A cluster of its own: `rcup up orders`
#[cluster.orders]
#masters = 5
#port = 7101
#
#[cluster.orders.set]
#slowlog-log-slower-than = 5000
"#;

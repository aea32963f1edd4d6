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
#memory = "256mb"            # of each node; default: its share of the machine
#persist = true              # default: as the profile says
#node-timeout = "5s"

# Lines of every node's redis.conf:
#[set]
#maxmemory-policy = "allkeys-lru"

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

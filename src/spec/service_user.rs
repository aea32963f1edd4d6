//! Service users of rcup, each with the minimum permissions for its task.

use serde::{Deserialize, Serialize};

use crate::spec::capability::Capability;
use crate::spec::server::{Engine, Server};

/// A service user. A cluster has service users if access is restricted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ServiceUser {
    /// Forms the cluster, verifies its readiness, triggers failovers and restores roles, repairs and resets
    /// the cluster.
    Operator,
    /// Runs the checks and tests of the validation suite that change no role, on dedicated keys and channels.
    Validator,
    /// Reads metrics only, for example for a metrics exporter.
    Monitor,
    /// Authenticates a replica to its master.
    Replica,
}

/// Prefix of the keys and channels that `rcup validate` uses.
pub const VALIDATION_PREFIX: &str = "rcup:validate";

impl ServiceUser {
    /// All service users.
    pub const ALL: [Self; 4] = [Self::Operator, Self::Validator, Self::Monitor, Self::Replica];

    /// Returns the user name on the servers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "rcup-operator",
            Self::Validator => "rcup-validator",
            Self::Monitor => "rcup-monitor",
            Self::Replica => "rcup-replica",
        }
    }

    /// Describes the purpose of the user in one sentence.
    pub fn why(self) -> &'static str {
        match self {
            Self::Operator => "Used by rcup to form, verify, repair and reset the cluster.",
            Self::Validator => "Used by `rcup validate`.",
            Self::Monitor => "For monitoring, such as a metrics exporter.",
            Self::Replica => "Used by replicas to log in to their masters.",
        }
    }

    /// Returns the ACL rules of the user, limited to commands that all `servers` support.
    pub fn rules(self, servers: &[Server]) -> String {
        let keys = format!("~{VALIDATION_PREFIX}:*");
        let channels = format!("&{VALIDATION_PREFIX}:*");
        // A client library sends its name and version when it connects. Each denial would add an entry to ACL
        // LOG.
        let connects = if servers.iter().all(|server| server.can(Capability::ClientInfo)) {
            "+ping +info +client|setinfo"
        } else {
            "+ping +info"
        };
        let validates = format!(
            "{keys} {channels} {connects} +cluster|info +cluster|nodes +cluster|slots +cluster|shards +cluster|links \
             +cluster|myid +cluster|countkeysinslot +cluster|getkeysinslot +cluster|setslot +config|get +time +wait \
             +dbsize +asking +get +set +del +exists +pexpire +mget +mset +multi +exec +eval +evalsha +script|load +script|flush \
             +publish +subscribe +spublish +ssubscribe"
        );
        match self {
            // A reset restores settings and users, so the operator must be able to set them.
            Self::Operator => format!(
                "{validates} +cluster +config|set +config|rewrite +flushall +function|flush \
                 +client|unpause +acl|list +acl|setuser +acl|deluser +acl|log +client|list +slowlog|get +latency|latest \
                 +latency|histogram +latency|doctor +memory|doctor (~* +migrate +restore +restore-asking)"
            ),
            Self::Validator => validates,
            Self::Monitor => format!(
                "{connects} +cluster|info +cluster|nodes +cluster|slots +cluster|shards +cluster|links \
                 +slowlog|get +slowlog|len +latency|latest +latency|history +latency|histogram +memory|stats \
                 +time +dbsize +command|count"
            ),
            // The second channel of a full sync in Valkey (dual-channel replication) starts with SYNC.
            Self::Replica if servers.iter().any(|server| server.engine == Engine::Valkey) => {
                "+psync +replconf +ping +sync".to_owned()
            }
            Self::Replica => "+psync +replconf +ping".to_owned(),
        }
    }
}

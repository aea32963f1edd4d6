//! The users as which rcup itself works, each with no more than its work needs.

use serde::{Deserialize, Serialize};

use crate::spec::capability::Capability;
use crate::spec::server::{Engine, Server};

/// A user of rcup's own. A cluster has them as soon as anybody is kept from anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OwnUser {
    /// Forms the cluster, proves it ready, takes masters away and hands their roles back, mends and resets it.
    Operator,
    /// Makes those checks and trials of the validation suite that change no role, on keys and channels of its own.
    Validator,
    /// Reads figures and nothing else: for an exporter of metrics.
    Monitor,
    /// As whom a replica logs in to its master.
    Replica,
}

/// What the keys and channels of a validation begin with.
pub const VALIDATION_PREFIX: &str = "rcup:validate";

impl OwnUser {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Operator, Self::Validator, Self::Monitor, Self::Replica];

    /// Its name in the servers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "rcup-operator",
            Self::Validator => "rcup-validator",
            Self::Monitor => "rcup-monitor",
            Self::Replica => "rcup-replica",
        }
    }

    /// What it is there for, in a sentence.
    pub fn why(self) -> &'static str {
        match self {
            Self::Operator => "Used by rcup to form, verify, repair and reset the cluster.",
            Self::Validator => "Used by `rcup validate`.",
            Self::Monitor => "For monitoring, such as a metrics exporter.",
            Self::Replica => "Used by replicas to log in to their masters.",
        }
    }

    /// Its rules, in what all these servers know.
    pub fn rules(self, servers: &[Server]) -> String {
        let keys = format!("~{VALIDATION_PREFIX}:*");
        let channels = format!("&{VALIDATION_PREFIX}:*");
        // A client says its name and its kind when it connects; a refusal would fill the server's ACL LOG.
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
            // A reset brings back settings and users as they were, for which it must be able to set them.
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
            // Valkey's second channel for a full copy begins with SYNC.
            Self::Replica if servers.iter().any(|server| server.engine == Engine::Valkey) => {
                "+psync +replconf +ping +sync".to_owned()
            }
            Self::Replica => "+psync +replconf +ping".to_owned(),
        }
    }
}

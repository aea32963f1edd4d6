//! Settings with an automatic default: pull policy, announced address, formation.

use serde::{Deserialize, Serialize};

/// Pull policy of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Pull {
    /// Pull if the container engine does not have the image.
    #[default]
    Missing,
    /// Pull before every start.
    Always,
    /// Never pull: a missing image is an error.
    Never,
}

/// Address that nodes advertise to clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AnnounceChoice {
    /// The bridge address if this host can reach it, otherwise the best option of the server for the
    /// published port.
    #[default]
    Auto,
    /// The address on the bridge network.
    Ip,
    /// `127.0.0.1` as an announced host name.
    Hostname,
    /// `127.0.0.1` for clients only (Valkey 8.0 and later).
    ClientIpv4,
}

/// How the cluster is formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FormationChoice {
    /// Seeded where it is verified for the server, otherwise by commands.
    #[default]
    Auto,
    /// With a `nodes.conf` that is written before the start.
    Seeded,
    /// With `ADDSLOTSRANGE`, `SET-CONFIG-EPOCH`, `MEET` and `REPLICATE`.
    Commands,
}

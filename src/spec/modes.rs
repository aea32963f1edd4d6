//! What the user may leave to rcup: when to pull, what to announce, how to form.

use serde::{Deserialize, Serialize};

/// When to pull an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Pull {
    /// When the engine does not have it.
    #[default]
    Missing,
    /// Before every start.
    Always,
    /// Never: what is not there is an error.
    Never,
}

/// Under which address the nodes tell clients to find them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AnnounceChoice {
    /// The bridge address where this host can reach it, else what the server offers for the published port.
    #[default]
    Auto,
    /// The address on the bridge network.
    Ip,
    /// `127.0.0.1` as an announced host name.
    Hostname,
    /// `127.0.0.1` for clients alone (Valkey 8.0 and later).
    ClientIpv4,
}

/// By which way the nodes become a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FormationChoice {
    /// The fast way where it is proven for the server, the plain commands elsewhere.
    #[default]
    Auto,
    /// A `nodes.conf` written before the start.
    Seeded,
    /// `ADDSLOTSRANGE`, `SET-CONFIG-EPOCH`, `MEET` and `REPLICATE`.
    Commands,
}

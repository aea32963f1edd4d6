//! Generates code that connects to a cluster with common client libraries. If a client cannot connect to the advertised
//! addresses, the code maps them to reachable ones. The code reads the password from the environment and never
//! contains it.

pub mod code;
pub mod dotnet;
pub mod go;
pub mod java;
pub mod javascript;
pub mod python;
pub mod rust;
pub mod spring;
pub mod wiring;

use crate::export::clients::wiring::Wiring;

/// A client library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Library {
    /// redis-py (Python).
    RedisPy,
    /// redis-rs (Rust).
    RedisRs,
    /// ioredis (JavaScript).
    IoRedis,
    /// node-redis (JavaScript), the official client.
    NodeRedis,
    /// go-redis (Go).
    GoRedis,
    /// Jedis (Java), blocking.
    Jedis,
    /// Lettuce (Java), asynchronous.
    Lettuce,
    /// StackExchange.Redis (C#).
    StackExchangeRedis,
    /// Spring Boot (Java).
    Spring,
}

impl Library {
    /// All client libraries.
    #[cfg(any(test, feature = "test-util"))]
    pub const ALL: [Self; 9] = [
        Self::RedisPy,
        Self::RedisRs,
        Self::IoRedis,
        Self::NodeRedis,
        Self::GoRedis,
        Self::Jedis,
        Self::Lettuce,
        Self::StackExchangeRedis,
        Self::Spring,
    ];

    /// Returns the code that connects this client to the nodes.
    pub fn snippet(self, wiring: &Wiring) -> String {
        match self {
            Self::RedisPy => python::redis_py(wiring),
            Self::RedisRs => rust::redis_rs(wiring),
            Self::IoRedis => javascript::ioredis(wiring),
            Self::NodeRedis => javascript::node_redis(wiring),
            Self::GoRedis => go::go_redis(wiring),
            Self::Jedis => java::jedis(wiring),
            Self::Lettuce => java::lettuce(wiring),
            Self::StackExchangeRedis => dotnet::stack_exchange_redis(wiring),
            Self::Spring => spring::spring(wiring),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::modes::AnnounceChoice;
    use crate::spec::security::Password;
    use crate::spec::server::Engine;
    use crate::topology::layout::Topology;
    use crate::topology::layout::tests::placement;

    fn wiring(locked: bool, announce: AnnounceChoice) -> Wiring {
        let mut spec = ClusterSpec::builder().replicas(0).announce(announce).tls(locked);
        if locked {
            spec = spec.password(Password::Any);
        }
        let place = placement(Engine::Valkey, "8.1.1");
        Wiring::new(
            &Topology::new(&spec.build().unwrap(), &place).unwrap(),
            wiring::Vantage::Network,
        )
    }

    #[test]
    fn the_plain_snippets_are_as_they_were_reviewed() {
        let wiring = wiring(false, AnnounceChoice::Ip);
        for library in Library::ALL {
            insta::assert_snapshot!(format!("plain_{library:?}"), library.snippet(&wiring));
        }
    }

    #[test]
    fn the_snippets_with_everything_are_as_they_were_reviewed() {
        let wiring = wiring(true, AnnounceChoice::Hostname);
        for library in Library::ALL {
            let text = library.snippet(&wiring);
            assert!(
                text.contains("REDIS_PASSWORD") && text.contains("REDIS_TLS_CA_CERT"),
                "{text}"
            );
            insta::assert_snapshot!(format!("full_{library:?}"), text);
        }
    }

    #[test]
    fn nothing_of_what_is_not_there_is_in_a_snippet() {
        let wiring = wiring(false, AnnounceChoice::Ip);
        for library in Library::ALL {
            let text = library.snippet(&wiring);
            assert!(text.contains("10.213.0.2") && text.contains("7003"), "{text}");
            for part in [
                "127.0.0.1",
                "REDIS_PASSWORD",
                "REDIS_TLS_CA_CERT",
                "rediss",
                "tls",
            ] {
                assert!(!text.contains(part), "{library:?} {part}\n{text}");
            }
            assert!(text.ends_with('\n') && !text.contains(" \n"), "{text}");
        }
    }
}

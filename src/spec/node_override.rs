//! Overrides of settings for single nodes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::spec::directive::Directive;
use crate::spec::directives::lookup::canonical;
use crate::spec::size::size;

/// Overrides for one node. A setting without an override has the value of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeOverride {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    directives: Vec<Directive>,
}

impl NodeOverride {
    /// Returns the image to run.
    #[doc(hidden)]
    pub fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// Returns `maxmemory` in bytes.
    #[doc(hidden)]
    pub fn memory(&self) -> Option<u64> {
        self.memory
    }

    /// Returns the directives for `redis.conf` of the node. They replace those of the cluster.
    #[doc(hidden)]
    pub fn directives(&self) -> &[Directive] {
        &self.directives
    }

    /// Sets the image.
    #[must_use]
    pub fn with_image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// Sets `maxmemory` in bytes.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Adds a directive. It replaces an earlier directive with the same name.
    #[must_use]
    pub fn set(mut self, directive: Directive) -> Self {
        self.directives
            .retain(|existing| canonical(existing.name()) != canonical(directive.name()));
        self.directives.push(directive);
        self
    }

    /// Returns whether there are no overrides.
    #[doc(hidden)]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Merges `later` into these overrides. Settings in `later` take precedence.
    pub(crate) fn then(self, later: &Self) -> Self {
        let mut both = later.directives.iter().cloned().fold(self, Self::set);
        both.image = later.image.clone().or(both.image);
        both.memory = later.memory.or(both.memory);
        both
    }
}

/// Writes, for example, `image redis:8.0, memory 64mb, hz=50`.
impl fmt::Display for NodeOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut directives: Vec<String> = self.directives.iter().map(ToString::to_string).collect();
        directives.sort();
        let image = self.image.iter().map(|image| format!("image {image}"));
        let memory = self.memory.iter().map(|bytes| format!("memory {}", size(*bytes)));
        let all: Vec<String> = image.chain(memory).chain(directives).collect();
        f.write_str(if all.is_empty() { "nothing of its own" } else { "" })?;
        f.write_str(&all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::server::{Engine, Server};

    fn request(directives: &[&str]) -> NodeOverride {
        let parsed = directives.iter().map(|text| text.parse().unwrap());
        parsed.fold(NodeOverride::default(), NodeOverride::set)
    }

    #[test]
    fn a_later_wish_wins_where_it_says_something() {
        let first = request(&["hz=50", "min-slaves-max-lag=5"]).with_image("redis:7.0");
        let second = request(&["min-replicas-max-lag=9"]).with_memory(64 << 20);
        assert_eq!(
            first.then(&second).to_string(),
            "image redis:7.0, memory 64mb, hz=50, min-replicas-max-lag=9"
        );
        assert_eq!(NodeOverride::default().to_string(), "nothing of its own");
    }

    #[test]
    fn a_node_has_its_own_where_it_has_any() {
        let request = |text: &str| NodeOverride::default().set(text.parse().unwrap());
        let spec = ClusterSpec::builder()
            .set("maxmemory=1gb".parse().unwrap())
            .set("hz=10".parse().unwrap())
            .node(
                "replicas".parse().unwrap(),
                request("hz=20").with_image("redis:8.0"),
            )
            .node("4".parse().unwrap(), request("hz=40"))
            .node(
                "master:2".parse().unwrap(),
                NodeOverride::default().with_memory(64 << 20),
            )
            .build()
            .unwrap();
        let told = |node| {
            let all: Vec<String> = spec.directives_of(node).iter().map(ToString::to_string).collect();
            all.join(" ")
        };
        assert_eq!(told(1), "maxmemory=1gb hz=10");
        assert_eq!((told(2).as_str(), spec.memory_of(2)), ("hz=10", Some(64 << 20)));
        assert_eq!(told(4), "maxmemory=1gb hz=40");
        assert_eq!(told(5), "maxmemory=1gb hz=20");
        assert_eq!((spec.own_image(1), spec.own_image(4)), (None, Some("redis:8.0")));
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ClusterSpec>(&json).unwrap(), spec);
        let plain = serde_json::to_string(&ClusterSpec::default()).unwrap();
        assert!(!plain.contains("overrides"), "labels stay as they were: {plain}");
    }

    #[test]
    fn a_node_that_is_not_there_has_no_wishes() {
        let spec = ClusterSpec::builder().node(
            "7".parse().unwrap(),
            NodeOverride::default().with_memory(64 << 20),
        );
        let error = spec.build().unwrap_err();
        assert_eq!(error.to_string(), "no node matches `7`");
    }

    #[test]
    fn a_directive_is_refused_for_the_nodes_own_server() {
        let spec = ClusterSpec::builder()
            .node(
                "4".parse().unwrap(),
                NodeOverride::default().set("io-threads-do-reads=yes".parse().unwrap()),
            )
            .build()
            .unwrap();
        let server = |text: &str| Server::new(Engine::Redis, text.parse().unwrap());
        assert!(spec.check_for(1, server("8.0.2")).is_ok());
        assert!(spec.check_for(4, server("7.0.15")).is_ok());
        let error = spec.check_for(4, server("8.0.2")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "node 4: Redis 8.0.2 has no directive `io-threads-do-reads`"
        );
        assert!(error.hint_text().unwrap().contains("Redis before 8.0"));
    }
}

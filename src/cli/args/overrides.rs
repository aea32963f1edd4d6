//! Flags for per-node overrides.

use std::str::FromStr;

use clap::Args;

use crate::error::{Error, ErrorKind};
use crate::spec::builder::ClusterSpecBuilder;
use crate::spec::directive::Directive;
use crate::spec::node_override::NodeOverride;
use crate::spec::selector::Selector;
use crate::spec::size::bytes;

/// Per-node overrides.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Per-node overrides")]
pub struct Nodes {
    /// Image of selected nodes (repeatable): `4=redis:8.0`, `replicas=redis:8.0`, `master:2=valkey/valkey:8.1`
    #[arg(
        id = "node_image",
        long = "node-image",
        value_name = "NODE=REF",
        value_delimiter = ';',
        env = "RCUP_NODE_IMAGE",
        hide_env_values = true
    )]
    pub image: Vec<NodeImage>,
    /// maxmemory of selected nodes (repeatable): `4=64mb`
    #[arg(
        id = "node_memory",
        long = "node-memory",
        value_name = "NODE=SIZE",
        value_delimiter = ';',
        env = "RCUP_NODE_MEMORY",
        hide_env_values = true
    )]
    pub memory: Vec<NodeMemory>,
    /// Directive for the redis.conf of selected nodes (repeatable): `4:hz=50`, `replica:1:replica-priority=0`
    #[arg(
        id = "node_set",
        long = "node-set",
        value_name = "NODE:DIRECTIVE=VALUE",
        value_delimiter = ';',
        env = "RCUP_NODE_SET",
        hide_env_values = true
    )]
    pub set: Vec<NodeSet>,
}

impl Nodes {
    /// Adds the overrides to a specification. If two apply to the same setting of a node, the later one wins.
    pub fn add_to(self, mut spec: ClusterSpecBuilder) -> ClusterSpecBuilder {
        for NodeImage(nodes, image) in self.image {
            spec = spec.node(nodes, NodeOverride::default().with_image(image));
        }
        for NodeMemory(nodes, bytes) in self.memory {
            spec = spec.node(nodes, NodeOverride::default().with_memory(bytes));
        }
        for NodeSet(nodes, directive) in self.set {
            spec = spec.node(nodes, NodeOverride::default().set(directive));
        }
        spec
    }
}

/// An image for some nodes.
#[derive(Clone, Debug)]
pub struct NodeImage(pub Selector, pub String);

/// A `maxmemory` for some nodes.
#[derive(Clone, Debug)]
pub struct NodeMemory(pub Selector, pub u64);

/// A directive for some nodes.
#[derive(Clone, Debug)]
pub struct NodeSet(pub Selector, pub Directive);

/// Splits a text at the equals sign.
fn halves<'a>(text: &'a str, example: &str) -> Result<(&'a str, &'a str), Error> {
    text.split_once('=').ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("`{text}` is not NODE=VALUE"))
            .hint(format!("Write it as `{example}`."))
    })
}

impl FromStr for NodeImage {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (nodes, image) = halves(text, "4=redis:8.0")?;
        Ok(Self(nodes.trim().parse()?, image.trim().to_owned()))
    }
}

impl FromStr for NodeMemory {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (nodes, size) = halves(text, "4=64mb")?;
        Ok(Self(nodes.trim().parse()?, bytes(size)?))
    }
}

impl FromStr for NodeSet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        const EXAMPLE: &str = "4:maxmemory=64mb";
        let (name, _) = halves(text, EXAMPLE)?;
        // A selector may contain a colon, but the name of a directive does not.
        let (nodes, _) = name.rsplit_once(':').ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("`{text}` names no node"))
                .hint(format!("Write it as `{EXAMPLE}`, or use --set for all nodes."))
        })?;
        Ok(Self(nodes.trim().parse()?, text[nodes.len() + 1..].parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_stands_before_what_it_gets() {
        let set = |text: &str| {
            let NodeSet(nodes, directive) = text.parse().unwrap();
            (nodes.to_string(), directive.to_string())
        };
        assert_eq!(set("4:hz=50"), ("4".to_owned(), "hz=50".to_owned()));
        assert_eq!(
            set("master:2:proc-title-template=a:b=c"),
            ("master:2".to_owned(), "proc-title-template=a:b=c".to_owned())
        );
        let NodeImage(nodes, image) = "replicas=mirror.test:5000/redis:8.0".parse().unwrap();
        assert_eq!(
            (nodes, image.as_str()),
            (Selector::Replicas, "mirror.test:5000/redis:8.0")
        );
        let NodeMemory(_, size) = "4=64mb".parse().unwrap();
        assert_eq!(size, 64 << 20);
    }

    #[test]
    fn what_says_too_little_is_refused_with_an_example() {
        for bad in ["hz=50", "4:hz", "0:hz=50", "4:hzz=50", "4", "x:hz=50"] {
            let error = bad.parse::<NodeSet>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{bad}");
            assert!(error.hint_text().is_some(), "{bad}");
        }
        assert!("redis:8.0".parse::<NodeImage>().is_err());
        assert!("first=redis:8.0".parse::<NodeImage>().is_err());
        assert!("4=much".parse::<NodeMemory>().is_err());
    }
}

//! Node selectors: `2`, `master:2`, `replica:2`, `masters`, `replicas`, `all`.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// A selection of nodes. Indices and ordinals start at 1. `primary` is accepted for `master` everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// Every node.
    All,
    /// Every master.
    Masters,
    /// Every replica.
    Replicas,
    /// The node with this index.
    Node(usize),
    /// The n-th master.
    Master(usize),
    /// The n-th replica.
    Replica(usize),
}

impl Selector {
    /// Returns the indices of the selected nodes. `nodes` contains (index, is a master) of each node, in
    /// order.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if no node matches.
    #[doc(hidden)]
    pub fn choose(self, nodes: &[(usize, bool)]) -> Result<Vec<usize>> {
        let of_role = |wanted: bool| {
            nodes
                .iter()
                .filter(move |(_, master)| *master == wanted)
                .map(|(index, _)| *index)
        };
        let nth = |wanted, n: usize| of_role(wanted).nth(n - 1).into_iter().collect();
        let chosen: Vec<usize> = match self {
            Self::All => nodes.iter().map(|(index, _)| *index).collect(),
            Self::Masters => of_role(true).collect(),
            Self::Replicas => of_role(false).collect(),
            Self::Node(wanted) => nodes
                .iter()
                .map(|(index, _)| *index)
                .filter(|index| *index == wanted)
                .collect(),
            Self::Master(n) => nth(true, n),
            Self::Replica(n) => nth(false, n),
        };
        if chosen.is_empty() {
            let masters = of_role(true).count();
            return Err(
                Error::new(ErrorKind::Usage, format!("no node matches `{self}`")).hint(format!(
                    "The cluster has {masters} masters and {} replicas, numbered 1 to {}.",
                    nodes.len() - masters,
                    nodes.len()
                )),
            );
        }
        Ok(chosen)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Masters => f.write_str("masters"),
            Self::Replicas => f.write_str("replicas"),
            Self::Node(index) => write!(f, "{index}"),
            Self::Master(n) => write!(f, "master:{n}"),
            Self::Replica(n) => write!(f, "replica:{n}"),
        }
    }
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::new(ErrorKind::Usage, format!("`{text}` selects no node"))
                .hint("Use a node's index, `master:N`, `replica:N`, `masters`, `replicas` or `all`.")
        };
        let ordinal = |digits: &str| match digits.parse::<usize>() {
            Ok(n) if n > 0 => Ok(n),
            _ => Err(bad()),
        };
        match text.split_once(':') {
            Some(("master" | "primary", n)) => Ok(Self::Master(ordinal(n)?)),
            Some(("replica", n)) => Ok(Self::Replica(ordinal(n)?)),
            Some(_) => Err(bad()),
            None => match text {
                "all" => Ok(Self::All),
                "masters" | "primaries" => Ok(Self::Masters),
                "replicas" => Ok(Self::Replicas),
                index => Ok(Self::Node(ordinal(index)?)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: [(usize, bool); 4] = [(1, true), (2, true), (3, false), (4, false)];

    fn choose(text: &str) -> Result<Vec<usize>> {
        text.parse::<Selector>()?.choose(&NODES)
    }

    #[test]
    fn every_form_finds_its_nodes() {
        assert_eq!(choose("all").unwrap(), [1, 2, 3, 4]);
        assert_eq!(choose("primaries").unwrap(), [1, 2]);
        assert_eq!(choose("replicas").unwrap(), [3, 4]);
        assert_eq!(choose("3").unwrap(), [3]);
        assert_eq!(choose("master:2").unwrap(), [2]);
        assert_eq!(choose("replica:1").unwrap(), [3]);
    }

    #[test]
    fn what_matches_nothing_is_an_error() {
        for bad in ["0", "5", "master:3", "replica:0", "slave:1", "first", ""] {
            assert_eq!(choose(bad).unwrap_err().kind(), ErrorKind::Usage, "{bad}");
        }
    }
}

//! Determines which nodes of a file form the cluster, and how many of them are masters.

use std::collections::BTreeSet;

use crate::error::{Error, ErrorKind, Result};
use crate::import::command::{AddNode, Create};
use crate::import::imported::Note;
use crate::import::member::Look;
use crate::import::node::Member;
use crate::import::service::ports;
use crate::import::shell::is_unknown;

/// The number of masters and replicas, and the nodes of the cluster.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) masters: usize,
    pub(crate) replicas: usize,
    /// The nodes of the cluster, by their index.
    pub(crate) members: BTreeSet<usize>,
    pub(crate) notes: Vec<Note>,
}

/// A creation and the nodes that it names. `members` is `None` if an address belongs to no node of the file.
struct Candidate<'a> {
    look: &'a Look<'a>,
    create: &'a Create,
    members: Option<BTreeSet<usize>>,
}

impl Candidate<'_> {
    fn place(&self) -> String {
        format!("service `{}` (line {})", self.look.name, self.look.command.line)
    }

    /// Checks whether another command creates the same cluster, for example as a retry.
    fn is_same(&self, other: &Self) -> bool {
        let nodes = match (&self.members, &other.members) {
            (Some(own), Some(others)) => own == others,
            _ => self.create.addresses == other.create.addresses,
        };
        nodes && self.create.replicas == other.create.replicas
    }
}

/// Determines the shape.
///
/// # Errors
/// [`ErrorKind::Usage`] if the file creates several clusters and their nodes cannot be distinguished.
pub(crate) fn shape(looks: &[Look<'_>], nodes: &[Member<'_>]) -> Result<Shape> {
    let mut shape = Shape::default();
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for look in looks {
        for create in &look.creates {
            let found: Option<BTreeSet<usize>> = create
                .addresses
                .iter()
                .map(|address| node_at(address, nodes))
                .collect();
            let candidate = Candidate {
                look,
                create,
                members: found.filter(|found| !found.is_empty()),
            };
            if !candidates.iter().any(|known| known.is_same(&candidate)) {
                candidates.push(candidate);
            }
        }
    }
    let Some((taken, others)) = candidates.split_first() else {
        uncreated(&mut shape, looks, nodes);
        return Ok(shape);
    };
    for other in others {
        let apart = taken.members.as_ref().zip(other.members.as_ref());
        if !apart.is_some_and(|(own, others)| own.is_disjoint(others)) {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("{} and {} both create a cluster", taken.place(), other.place()),
            )
            .because("it is unknown which of the nodes belong to which cluster")
            .hint("Keep the services of one cluster in the file."));
        }
        shape.note(
            other.look.command.line,
            format!(
                "service `{}` creates another cluster, which is left out: the file's first cluster is imported, which service `{}` \
                 creates",
                other.look.name, taken.look.name
            ),
        );
    }
    let counts = created(&mut shape, taken, nodes, looks);
    let members: BTreeSet<usize> = others
        .iter()
        .filter_map(|other| other.members.as_ref())
        .flatten()
        .copied()
        .collect();
    left_out(&mut shape, nodes, &members);
    divide(&mut shape, taken, counts);
    Ok(shape)
}

/// Sets the shape if no command creates the cluster.
fn uncreated(shape: &mut Shape, looks: &[Look<'_>], nodes: &[Member<'_>]) {
    shape.masters = nodes.iter().map(|node| node.copies).sum();
    shape.members = (0..nodes.len()).collect();
    match looks.iter().find(|look| look.command.meets()) {
        Some(look) => shape.note(
            look.command.line,
            format!(
                "service `{}` forms the cluster by CLUSTER MEET, from which the number of replicas cannot be read: all nodes \
                 become masters. Set `masters` and `replicas` yourself",
                look.name
            ),
        ),
        None => shape.note(
            nodes[0].service.line,
            "no service creates the cluster with `redis-cli --cluster create`, so the number of replicas is unknown: all nodes \
             become masters. Set `masters` and `replicas` yourself if that is wrong",
        ),
    }
}

/// The number of masters and replicas that the commands create and add.
#[derive(Clone, Copy)]
struct Counts {
    masters: usize,
    replicas: usize,
}

fn created(shape: &mut Shape, taken: &Candidate<'_>, nodes: &[Member<'_>], looks: &[Look<'_>]) -> Counts {
    let line = taken.look.command.line;
    let name = taken.look.name;
    let is_own = |added: &AddNode| match (&taken.members, node_at(&added.existing, nodes)) {
        (Some(own), Some(existing)) => own.contains(&existing),
        _ => true,
    };
    let added: Vec<&AddNode> = looks
        .iter()
        .flat_map(|look| &look.added)
        .filter(|added| is_own(added))
        .collect();
    let all: usize = nodes.iter().map(|node| node.copies).sum();
    let addresses = &taken.create.addresses;
    let are_known = !addresses.is_empty() && !addresses.iter().any(|address| is_unknown(address));
    let count = if are_known {
        addresses.len()
    } else {
        all.saturating_sub(added.len())
    };
    shape.members = match &taken.members {
        Some(members) => {
            let added = added.iter().filter_map(|added| node_at(&added.address, nodes));
            members.iter().copied().chain(added).collect()
        }
        None => (0..nodes.len()).collect(),
    };
    if taken.members.is_none() && are_known && count + added.len() != all {
        shape.note(
            line,
            format!(
                "service `{name}` creates a cluster of {} nodes, but the file has {all}: {} are imported",
                count + added.len(),
                count + added.len()
            ),
        );
    }
    let said = taken.create.replicas.as_deref().unwrap_or("0");
    let each = said.parse::<usize>().unwrap_or_else(|_| {
        shape.note(
            line,
            format!(
                "service `{name}`: the number of replicas is `{said}`, which is unknown here: all nodes become masters. Set `masters` \
                 and `replicas` yourself"
            ),
        );
        0
    });
    let masters = (count / each.saturating_add(1)).max(1);
    if masters < 3 {
        shape.note(
            line,
            format!(
                "service `{name}`: {count} nodes with {each} {} each have {masters} {}; `redis-cli --cluster create` refuses fewer \
                 than 3 masters",
                plural(each, "replica"),
                plural(masters, "master")
            ),
        );
    }
    let replicas = added.iter().filter(|added| added.is_replica).count();
    Counts {
        masters: masters + added.len() - replicas,
        replicas: count.saturating_sub(masters) + replicas,
    }
}

/// Divides the replicas equally among the masters.
fn divide(shape: &mut Shape, taken: &Candidate<'_>, counts: Counts) {
    let Counts { masters, replicas } = counts;
    shape.masters = masters;
    shape.replicas = replicas / masters;
    let rest = replicas % masters;
    if rest > 0 {
        shape.note(
            taken.look.command.line,
            format!(
                "service `{}`: {replicas} {} cannot be divided among {masters} masters; each gets {}, and {rest} {} left out",
                taken.look.name,
                plural(replicas, "replica"),
                shape.replicas,
                if rest == 1 { "is" } else { "are" }
            ),
        );
    }
}

/// Adds a note for each node that no command adds to a cluster.
fn left_out(shape: &mut Shape, nodes: &[Member<'_>], of_others: &BTreeSet<usize>) {
    for (at, node) in nodes.iter().enumerate() {
        if !shape.members.contains(&at) && !of_others.contains(&at) {
            shape.note(
                node.service.line,
                format!(
                    "service `{}` is a node, but no command adds it to the cluster: it is left out",
                    node.name
                ),
            );
        }
    }
}

impl Shape {
    fn note(&mut self, line: usize, text: impl Into<String>) {
        self.notes.push(Note {
            line,
            fault: true,
            text: text.into(),
        });
    }
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 {
        word.to_owned()
    } else {
        format!("{word}s")
    }
}

/// Returns the node at an address.
fn node_at(address: &str, nodes: &[Member<'_>]) -> Option<usize> {
    let (host, port) = address.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let is_host = matches!(
        host,
        "127.0.0.1" | "localhost" | "0.0.0.0" | "host.docker.internal"
    );
    let all = nodes.iter().enumerate();
    let mut found = all.filter(|(_, node)| {
        let listens = node.port() == port;
        if is_host {
            let is_published = || ports(node.service).iter().any(|own| own.published == Some(port));
            return listens && node.value("port").is_some() || is_published();
        }
        listens && (node.hosts().contains(&host) || is_copy(host, node))
    });
    found.next().map(|(at, _)| at)
}

/// Checks whether `host` is the name of one of the service's containers: `project-service-1`.
fn is_copy(host: &str, node: &Member<'_>) -> bool {
    let Some((service, number)) = host.rsplit_once(['-', '_']) else {
        return false;
    };
    let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    let is_service = service
        .strip_suffix(node.name)
        .is_some_and(|project| project.is_empty() || project.ends_with(['-', '_']));
    node.copies > 1 && is_number && is_service
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::member::look;
    use crate::import::resolve::Sources;
    use crate::import::service::Contents;
    use crate::import::tree::Tree;

    const NODE: &str = "command: redis-server --cluster-enabled yes";

    /// Returns the shape of the nodes `a` to `last`, which a service `m` forms into a cluster.
    fn formed(last: char, command: &str) -> (usize, usize, usize, Vec<String>) {
        let nodes: String = ('a'..=last).fold(String::new(), |all, name| {
            all + &format!("{name}: {{ {NODE} }}\n")
        });
        let tree = Tree::read(&format!("{nodes}m: {{ command: sh -c '{command}' }}\n")).unwrap();
        let sources = Sources {
            file: &|_| None,
            variable: &|_| None,
        };
        let contents = Contents {
            tree: &tree,
            sources: &sources,
        };
        let looks: Vec<Look<'_>> = tree
            .entries()
            .iter()
            .map(|(name, service)| look(name, service, contents).unwrap())
            .collect();
        let nodes: Vec<Member<'_>> = looks.iter().flat_map(|look| look.nodes.clone()).collect();
        let shape = shape(&looks, &nodes).unwrap();
        let notes = shape.notes.into_iter().map(|note| note.text).collect();
        (shape.masters, shape.replicas, shape.members.len(), notes)
    }

    const CREATE: &str = "redis-cli --cluster create";

    #[test]
    fn added_nodes_count_as_masters_or_replicas() {
        let add = "redis-cli --cluster add-node";
        let three = format!("{CREATE} a:6379 b:6379 c:6379");
        let (masters, replicas, members, notes) = formed(
            'h',
            &format!(
                "{three}; {add} d:6379 a:6379; {add} e:6379 a:6379 --cluster-slave; {add} f:6379 a:6379 --cluster-slave; \
                 {add} g:6379 a:6379 --cluster-slave; {add} h:6379 a:6379 --cluster-slave"
            ),
        );
        assert_eq!((masters, replicas, members, notes), (4, 1, 8, Vec::new()));
        let (masters, replicas, members, notes) =
            formed('d', &format!("{three}; {add} d:6379 a:6379 --cluster-slave"));
        assert_eq!((masters, replicas, members), (3, 0, 4));
        assert!(
            notes[0].contains("1 replica cannot be divided among 3 masters"),
            "{notes:?}"
        );
    }

    #[test]
    fn addresses_that_lead_nowhere_still_count() {
        let (masters, replicas, members, notes) = formed(
            'g',
            &format!("{CREATE} x:1 x:2 x:3 x:4 x:5 x:6 --cluster-replicas 1"),
        );
        assert_eq!((masters, replicas, members), (3, 1, 7));
        assert!(
            notes[0].contains("a cluster of 6 nodes, but the file has 7"),
            "{notes:?}"
        );
        let (masters, replicas, _, notes) =
            formed('f', &format!("{CREATE} $(find nodes) --cluster-replicas 1"));
        assert_eq!((masters, replicas, notes), (3, 1, Vec::new()));
    }

    #[test]
    fn fewer_than_three_masters_are_reported() {
        let (masters, replicas, _, notes) = formed(
            'd',
            &format!("{CREATE} a:6379 b:6379 c:6379 d:6379 --cluster-replicas 1"),
        );
        assert_eq!((masters, replicas), (2, 1));
        assert!(notes[0].contains("refuses fewer than 3 masters"), "{notes:?}");
    }
}

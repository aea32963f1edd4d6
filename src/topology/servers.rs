//! The servers of a cluster, which may differ between nodes: their compatibility and common features.

use crate::error::{Error, ErrorKind, Result};
use crate::spec::cluster::ClusterSpec;
use crate::spec::server::Server;
use crate::topology::layout::{Image, Node, Placement, Topology};

impl Placement {
    /// Returns the image of the node with this index.
    pub fn image_of(&self, node: usize) -> &Image {
        self.images.get(&node).unwrap_or(&self.image)
    }

    /// Checks that the servers support the requested directives and are compatible, and that every replica
    /// can replicate from its master.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with the first node that fails a check.
    pub fn check(&self, spec: &ClusterSpec) -> Result<()> {
        for index in 1..=spec.nodes() {
            spec.check_for(index, self.image_of(index).server)?;
        }
        if let Some((one, other)) = self.strangers(spec) {
            let server = |index: usize| self.image_of(index).server;
            return Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "node {one} with {} and node {other} with {} cannot be in one cluster",
                    server(one),
                    server(other)
                ),
            )
            .because("Redis and Valkey give different meanings to the same messages of the bus since 8.0")
            .hint("Take Redis 7 beside Valkey, or one of the two for all nodes."));
        }
        for (master, replica) in pairs(spec.masters(), spec.replicas()) {
            let (theirs, own) = (self.image_of(master).server, self.image_of(replica).server);
            if !own.can_copy(theirs) {
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!("node {replica} with {own} cannot copy its master, node {master} with {theirs}"),
                )
                .because("a server reads the data of its own version and of earlier ones, not of later ones")
                .hint(format!(
                    "Give replicas their master's server or a later one, as in an upgrade, which begins with the \
                     replicas: `--node-image {replica}=REF`."
                )));
            }
        }
        Ok(())
    }

    /// Returns the first two nodes with incompatible servers.
    fn strangers(&self, spec: &ClusterSpec) -> Option<(usize, usize)> {
        // Compare only with nodes that have their own image, so that a thousand identical nodes are not
        // compared.
        (1..=spec.nodes()).find_map(|one| {
            let own = self.image_of(one).server;
            let other = self
                .images
                .iter()
                .find(|(index, image)| **index > one && !own.understands(image.server));
            other
                .map(|(index, _)| *index)
                .or_else(|| {
                    let common = !own.understands(self.image.server);
                    common
                        .then(|| (one + 1..=spec.nodes()).find(|index| !self.images.contains_key(index)))
                        .flatten()
                })
                .map(|other| (one, other))
        })
    }

    /// Returns the servers of each shard, the server of the master first.
    pub(crate) fn shards(&self, spec: &ClusterSpec) -> Vec<Vec<Server>> {
        let of = |index: usize| self.image_of(index).server;
        (1..=spec.masters())
            .map(|master| {
                (0..=spec.replicas())
                    .map(|nth| of(nth * spec.masters() + master))
                    .collect()
            })
            .collect()
    }
}

/// Returns the indices of each replica and its master, as (master, replica).
fn pairs(masters: usize, replicas: usize) -> impl Iterator<Item = (usize, usize)> {
    (1..=replicas).flat_map(move |nth| (1..=masters).map(move |master| (master, nth * masters + master)))
}

impl Topology {
    /// Returns the image of a node and its contents.
    pub fn image(&self, node: &Node) -> &Image {
        self.placement.image_of(node.index)
    }

    /// Returns the server of a node.
    pub fn server(&self, node: &Node) -> Server {
        self.image(node).server
    }

    /// Returns the distinct servers, in the order of the nodes.
    pub fn servers(&self) -> Vec<Server> {
        let mut all: Vec<Server> = Vec::new();
        for node in &self.nodes {
            let server = self.server(node);
            if !all.contains(&server) {
                all.push(server);
            }
        }
        all
    }

    /// Describes the servers: `Redis 7.0.15`, or `Redis 7.0.15 and Redis 8.0.2`.
    pub fn servers_in_words(&self) -> String {
        let all: Vec<String> = self.servers().iter().map(ToString::to_string).collect();
        all.join(" and ")
    }

    /// Returns each replica that its master could not replicate from, as (master, replica). After a failover
    /// to this replica, the former master could not become its replica.
    pub fn one_way(&self) -> Vec<(&Node, &Node)> {
        let server = |node| self.server(node);
        self.replicas()
            .map(|replica| (self.master_of(self.shard_of(replica)), replica))
            .filter(|(master, replica)| !server(master).can_copy(server(replica)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::modes::FormationChoice;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::mixed;
    use crate::topology::layout::{Announce, Formation};

    #[test]
    fn a_replica_that_cannot_copy_its_master_is_refused() {
        let (spec, place) = mixed(3, 1, (Engine::Redis, "8.0.2"), &[(5, Engine::Redis, "7.0.15")]);
        let error = place.check(&spec).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert_eq!(
            error.to_string(),
            "node 5 with Redis 7.0.15 cannot copy its master, node 2 with Redis 8.0.2"
        );
        assert!(error.hint_text().unwrap().contains("--node-image 5=REF"));
        let (spec, place) = mixed(3, 1, (Engine::Redis, "7.0.15"), &[(5, Engine::Redis, "8.0.2")]);
        place.check(&spec).unwrap();
    }

    #[test]
    fn servers_that_do_not_understand_each_other_are_refused() {
        let (spec, place) = mixed(3, 1, (Engine::Redis, "7.0.15"), &[(4, Engine::Valkey, "8.1.1")]);
        place.check(&spec).unwrap();
        let both = [(4, Engine::Valkey, "8.1.1"), (5, Engine::Redis, "8.0.2")];
        let (spec, place) = mixed(3, 1, (Engine::Redis, "7.0.15"), &both);
        let error = place.check(&spec).unwrap_err();
        assert_eq!(
            error.to_string(),
            "node 4 with Valkey 8.1.1 and node 5 with Redis 8.0.2 cannot be in one cluster"
        );
    }

    #[test]
    fn what_is_chosen_for_all_is_what_all_can() {
        let made = |common: (Engine, &str), own: &[(usize, Engine, &str)]| {
            let (spec, mut place) = mixed(3, 2, common, own);
            place.bridge_reachable = false;
            place.check(&spec).unwrap();
            Topology::new(&spec, &place).unwrap()
        };
        let valkey = (Engine::Valkey, "8.1.1");
        let alike = made(valkey, &[]);
        assert_eq!(
            (alike.announce, alike.formation),
            (Announce::ClientIpv4, Formation::Seeded)
        );
        // Redis can advertise a host name to clients, but no separate address.
        let apart = made(valkey, &[(4, Engine::Redis, "7.2.4")]);
        assert_eq!(
            (apart.announce, apart.formation),
            (Announce::Hostname, Formation::Seeded)
        );
        assert_eq!(apart.servers_in_words(), "Valkey 8.1.1 and Redis 7.2.4");
        assert!(apart.one_way().is_empty());
        // Seeded formation swaps roles, and the planned master could not replicate from a later server.
        let later = made((Engine::Redis, "7.0.15"), &[(4, Engine::Redis, "8.0.2")]);
        assert_eq!(later.formation, Formation::Commands);
        let one_way: Vec<(usize, usize)> = later.one_way().iter().map(|(a, b)| (a.index, b.index)).collect();
        assert_eq!(one_way, [(1, 4)]);
        let unproven = made(
            valkey,
            &[(9, Engine::Valkey, "7.2.0"), (3, Engine::Valkey, "7.2.0")],
        );
        assert_eq!(unproven.formation, Formation::Commands);
        let server =
            |version: &str| crate::spec::server::Server::new(Engine::Redis, version.parse().unwrap());
        let shards = [vec![server("7.0.15"), server("8.0.2")]];
        let refused = Formation::decide(FormationChoice::Seeded, &shards).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("Redis 7.0.15 cannot copy Redis 8.0.2"),
            "{refused}"
        );
    }
}

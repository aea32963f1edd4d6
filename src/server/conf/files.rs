//! The files of every node of a formed cluster.

use crate::server::conf::document::Document;
use crate::server::conf::nodes_conf::settled_nodes_conf;
use crate::server::conf::paths::directory;
use crate::server::conf::redis_conf::settled_redis_conf;
use crate::server::conf::secrets::{secret_lines, users_acl};
use crate::server::conf::tls::certificate_files;
use crate::spec::security::Secrets;
use crate::topology::layout::{Node, Topology};

/// Returns a directory for each node, named like its container, with its `redis.conf` and its `nodes.conf`. The
/// latter has the planned roles: nodes that boot with these files form a cluster after two seconds, without further
/// commands. Passwords are in separate files: `redis.conf` names one and includes the other.
pub fn conf(topology: &Topology, secrets: &Secrets) -> Vec<Document> {
    let of_node = |node: &Node| {
        let file = |name: &str, text| Document::new(format!("{}/{name}", node.name), text).mode(0o600);
        let mut conf = head(node) + &settled_redis_conf(topology, node);
        if topology.spec.guards() {
            let include = format!(
                "\n# Credentials of a replica at its master.\ninclude {}/secrets.conf\n",
                directory(node)
            );
            conf.push_str(&include);
        }
        let mut files = vec![
            file("redis.conf", conf),
            file("nodes.conf", settled_nodes_conf(topology, node)),
        ];
        if topology.spec.guards() {
            let lines = secret_lines(secrets).trim_start().to_owned();
            for (name, text) in [
                ("secrets.conf", lines),
                (
                    "users.acl",
                    users_acl(topology, &[topology.server(node)], secrets),
                ),
            ] {
                files.push(Document {
                    secret: true,
                    ..file(name, text)
                });
            }
        }
        for (path, text) in secrets
            .certificates
            .iter()
            .flat_map(|all| certificate_files(all, node))
        {
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            files.push(Document {
                secret: true,
                ..file(&name, text)
            });
        }
        files
    };
    topology.nodes.iter().flat_map(of_node).collect()
}

/// Returns the header comment, which describes the files to readers without rcup.
fn head(node: &Node) -> String {
    format!(
        "# Written by `rcup export conf`, rcup {}, for a node that finds these files in {}.\n\
         # Proven: a test boots nodes with such files, and nothing else, to a cluster. Not proven: other paths, for which\n\
         # the ones in this file must be changed.\n\n",
        env!("CARGO_PKG_VERSION"),
        directory(node)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::topology;

    #[test]
    fn every_node_has_its_files() {
        let files = conf(&topology(3, 1, Engine::Redis, "7.0.15"), &Secrets::default());
        assert_eq!(files.len(), 12);
        assert_eq!(files[2].path, "rcup-default-2/redis.conf");
        assert!(
            files[2].contents.contains("\nport 7002\n"),
            "{}",
            files[2].contents
        );
        assert!(files[2].contents.contains("\ncluster-node-timeout 5000\n"));
        assert_eq!(files[3].path, "rcup-default-2/nodes.conf");
        insta::assert_snapshot!(files[3].contents);
    }
}

//! The cluster for Kubernetes, as a directory for kustomize.
//!
//! Every shard is a `StatefulSet` of its own, so that a rule of affinity can keep a replica off its master's
//! machine whoever is master at the time, and a disruption budget can allow one pod of each shard to be away.
//! The pods' addresses change, so nothing is seeded: a job forms the cluster, and may run again at any time.

mod manifests;

use super::document::Document;
use super::placeless::placeless_conf;
use crate::topology::Topology;

/// What the pods run, in files of their own so that a shell and its checkers can read them.
const SCRIPTS: [(&str, &str); 4] = [
    ("start.sh", include_str!("start.sh")),
    ("stop.sh", include_str!("stop.sh")),
    ("probe.sh", include_str!("probe.sh")),
    ("create.sh", include_str!("create.sh")),
];

/// Renders the directory.
pub fn kubernetes(topology: &Topology) -> Vec<Document> {
    let mut files = vec![
        Document::new("kustomization.yaml", manifests::kustomization(topology)),
        Document::new("redis.conf", conf(topology)),
        Document::new("services.yaml", manifests::services(topology)),
        Document::new("shards.yaml", manifests::shards(topology)),
        Document::new("disruption.yaml", manifests::disruption(topology)),
        Document::new("create.yaml", manifests::creation(topology)),
    ];
    files.extend(
        SCRIPTS.map(|(name, text)| Document::new(format!("scripts/{name}"), text.to_owned()).mode(0o755)),
    );
    files
}

/// What all pods have in common.
fn conf(topology: &Topology) -> String {
    let head = format!(
        "# Every pod of the cluster `{}`; what is a pod's own is added by scripts/start.sh.\n\nport {}\ndir /data\n",
        topology.name(),
        manifests::PORT
    );
    placeless_conf(topology, &head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Engine;
    use crate::topology::topology;

    #[test]
    fn the_files_are_as_they_were_reviewed() {
        let files = kubernetes(&topology(3, 1, Engine::Valkey, "8.1.1"));
        for name in ["kustomization", "services", "disruption", "create"] {
            let file = files
                .iter()
                .find(|file| file.path == format!("{name}.yaml"))
                .unwrap();
            insta::assert_snapshot!(name, file.contents);
        }
        let shards = &files
            .iter()
            .find(|file| file.path == "shards.yaml")
            .unwrap()
            .contents;
        assert_eq!(shards.matches("kind: StatefulSet").count(), 3);
        insta::assert_snapshot!("first_shard", shards.split("\n---\n").next().unwrap());
    }

    #[test]
    fn no_directive_stands_twice_in_a_pods_file() {
        let conf = conf(&topology(3, 1, Engine::Redis, "8.0.2"));
        let mut names: Vec<&str> = conf
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .filter_map(|line| line.split(' ').next())
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{conf}");
        assert!(!conf.contains("10.213."), "{conf}");
    }
}

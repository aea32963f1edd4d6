//! The cluster for Kubernetes, as a directory for kustomize.
//!
//! Every shard is a `StatefulSet` of its own, so that a rule of affinity can keep a replica off its master's
//! machine whoever is master at the time, and a disruption budget can allow one pod of each shard to be away.
//! The pods' addresses change, so nothing is seeded: a job forms the cluster, and may run again at any time.

pub mod manifests;

use crate::error::Result;
use crate::export::scheduled_conf::{placeless_conf, refuse_overrides};
use crate::server::conf::document::Document;
use crate::spec::security::Secrets;
use crate::spec::service_user::OwnUser;
use crate::topology::layout::Topology;

/// What the pods run, in files of their own so that a shell and its checkers can read them.
const SCRIPTS: [(&str, &str); 4] = [
    ("start.sh", include_str!("start.sh")),
    ("stop.sh", include_str!("stop.sh")),
    ("probe.sh", include_str!("probe.sh")),
    ("create.sh", include_str!("create.sh")),
];

/// Where the password of the exporter's user lies.
const MONITOR_FILE: &str = "secrets/monitor";

/// Renders the directory. With `monitored`, each pod has an exporter of metrics beside its server, and there is an object by
/// which a Prometheus finds them. No password is in these files.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::error::ErrorKind::Usage) for a cluster whose nodes differ by more than their place.
pub fn kubernetes(topology: &Topology, monitored: bool) -> Result<Vec<Document>> {
    refuse_overrides(topology, "Kubernetes manifest")?;
    let mut files = vec![
        Document::new(
            "kustomization.yaml",
            manifests::kustomization(topology, monitored),
        ),
        Document::new("redis.conf", conf(topology)),
        Document::new("services.yaml", manifests::services(topology, monitored)),
        Document::new("shards.yaml", manifests::shards(topology, monitored)),
        Document::new("disruption.yaml", manifests::disruption(topology)),
        Document::new("create.yaml", manifests::creation(topology)),
    ];
    if monitored {
        files.push(Document::new(
            "monitor.yaml",
            manifests::service_monitor(topology),
        ));
    }
    files.extend(
        SCRIPTS.map(|(name, text)| Document::new(format!("scripts/{name}"), text.to_owned()).mode(0o755)),
    );
    Ok(files)
}

/// The files of passwords that the export takes with it, as far as there are any: the clients', and the exporter's.
pub fn kubernetes_secrets(secrets: &Secrets, monitored: bool) -> Vec<Document> {
    let mut files: Vec<Document> = secrets.password.iter().map(Document::password).collect();
    if let Some(password) = secrets.own.get(&OwnUser::Monitor).filter(|_| monitored) {
        files.push(Document {
            secret: true,
            ..Document::new(MONITOR_FILE, format!("{}\n", password.expose()))
        });
    }
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
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::{surroundings, topology};

    #[test]
    fn the_files_are_as_they_were_reviewed() {
        let files = kubernetes(&topology(3, 1, Engine::Valkey, "8.1.1"), false).unwrap();
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
        let conf = files.iter().find(|file| file.path == "redis.conf").unwrap();
        insta::assert_snapshot!("redis_conf", conf.contents);
    }

    #[test]
    fn each_server_has_an_exporter_beside_it_where_that_is_wished() {
        let files = kubernetes(&topology(3, 1, Engine::Redis, "8.0.2"), true).unwrap();
        let text = |path: &str| {
            let file = files.iter().find(|file| file.path == path);
            file.unwrap().contents.as_str()
        };
        assert_eq!(text("shards.yaml").matches("- name: exporter").count(), 3);
        assert!(text("shards.yaml").contains("{ name: MONITOR, value: rcup-monitor }"));
        assert!(text("services.yaml").contains("{ name: metrics, port: 9121 }"));
        assert!(text("kustomization.yaml").contains("      - secrets/monitor\n"));
        insta::assert_snapshot!("service_monitor", text("monitor.yaml"));
    }

    #[test]
    fn a_pod_gets_the_memory_that_was_asked_for_and_what_a_save_takes() {
        let shards = |spec: ClusterSpec| {
            let topology = Topology::new(&spec, &surroundings(Engine::Redis, "8.0.2")).unwrap();
            let files = kubernetes(&topology, false).unwrap();
            files
                .into_iter()
                .find(|file| file.path == "shards.yaml")
                .unwrap()
                .contents
        };
        let asked = ClusterSpec::builder().memory(1 << 30).build().unwrap();
        let wanted = (1_u64 << 30) * 3 / 2 + (64 << 20);
        assert_eq!(
            shards(asked)
                .matches(&format!("limits: {{ memory: '{wanted}' }}"))
                .count(),
            3
        );
    }

    /// A job's template is immutable: what it names must not change with the contents of a file.
    #[test]
    fn nothing_that_the_job_names_has_a_name_that_changes() {
        let files = kubernetes(&topology(3, 1, Engine::Redis, "8.0.2"), false).unwrap();
        let text = |path: &str| {
            files
                .iter()
                .find(|file| file.path == path)
                .unwrap()
                .contents
                .clone()
        };
        let (job, kustomization) = (text("create.yaml"), text("kustomization.yaml"));
        assert!(
            job.contains("configMap: { name: rcup-default-create,")
                && job.contains("secretName: rcup-default,")
        );
        for stable in [
            "  - name: rcup-default-create\n",
            "secretGenerator:\n  # The pods take another password when all of them start again.\n  - name: rcup-default\n",
        ] {
            let wanted = format!("{stable}    options: {{ disableNameSuffixHash: true }}\n");
            assert!(kustomization.contains(&wanted), "{kustomization}");
        }
        assert!(
            job.contains("  ttlSecondsAfterFinished: 600\n")
                && job.contains("  activeDeadlineSeconds: 900\n")
        );
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

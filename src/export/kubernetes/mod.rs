//! Exports the cluster as a kustomize directory for Kubernetes.
//!
//! Every shard is a separate `StatefulSet`. Anti-affinity can then keep replicas off the Kubernetes node of their
//! master after any failover, and a `PodDisruptionBudget` can allow one unavailable pod for each shard. Pod addresses
//! change, so there is no prepared `nodes.conf`: a job forms the cluster, and can run again at any time.

pub mod manifests;

use crate::error::Result;
use crate::export::scheduled_conf::{placeless_conf, refuse_overrides};
use crate::server::conf::document::Document;
use crate::spec::security::Secrets;
use crate::spec::service_user::ServiceUser;
use crate::topology::layout::Topology;

/// The scripts that run in the pods.
const SCRIPTS: [(&str, &str); 4] = [
    ("start.sh", include_str!("start.sh")),
    ("stop.sh", include_str!("stop.sh")),
    ("probe.sh", include_str!("probe.sh")),
    ("create.sh", include_str!("create.sh")),
];

/// The file with the password of the exporter user.
const MONITOR_FILE: &str = "secrets/monitor";

/// Renders the directory. With `monitored`, each pod gets a metrics exporter, and there is a `ServiceMonitor`. These
/// files contain no password.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::error::ErrorKind::Usage) if single nodes have settings that differ from the others.
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

/// Returns the password files for clients and for the exporter. Empty for a cluster without a password.
pub fn kubernetes_secrets(secrets: &Secrets, monitored: bool) -> Vec<Document> {
    let mut files: Vec<Document> = secrets.password.iter().map(Document::password).collect();
    if let Some(password) = secrets.own.get(&ServiceUser::Monitor).filter(|_| monitored) {
        files.push(Document {
            secret: true,
            ..Document::new(MONITOR_FILE, format!("{}\n", password.expose()))
        });
    }
    files
}

/// Returns the `redis.conf` that all pods share.
fn conf(topology: &Topology) -> String {
    let head = format!(
        "# For every pod of the cluster `{}`. scripts/start.sh adds what differs from pod to pod.\n\nport {}\ndir /data\n",
        topology.name(),
        manifests::PORT
    );
    placeless_conf(topology, &head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::security::Password;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::{placement, topology};

    fn with_password(engine: Engine, version: &str) -> Topology {
        let spec = ClusterSpec::builder().password(Password::Any).build().unwrap();
        Topology::new(&spec, &placement(engine, version)).unwrap()
    }

    #[test]
    fn the_files_are_as_they_were_reviewed() {
        let files = kubernetes(&with_password(Engine::Valkey, "8.1.1"), false).unwrap();
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
        let files = kubernetes(&with_password(Engine::Redis, "8.0.2"), true).unwrap();
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
            let topology = Topology::new(&spec, &placement(Engine::Redis, "8.0.2")).unwrap();
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

    /// A job's template is immutable: the names that it refers to must not change with the contents of a file.
    #[test]
    fn nothing_that_the_job_names_has_a_name_that_changes() {
        let files = kubernetes(&with_password(Engine::Redis, "8.0.2"), false).unwrap();
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
            "secretGenerator:\n  # Another password takes effect when all pods have restarted.\n  - name: rcup-default\n",
        ] {
            let wanted = format!("{stable}    options: {{ disableNameSuffixHash: true }}\n");
            assert!(kustomization.contains(&wanted), "{kustomization}");
        }
        assert!(
            job.contains("  ttlSecondsAfterFinished: 600\n")
                && job.contains("  activeDeadlineSeconds: 900\n")
        );
    }

    /// `kubectl apply -k` fails on a missing secret file, before it creates anything.
    #[test]
    fn export_without_password_refers_to_no_secret() {
        let topology = topology(3, 1, Engine::Redis, "8.0.2");
        for monitored in [false, true] {
            let files = kubernetes(&topology, monitored).unwrap();
            for file in files.iter().filter(|file| !file.path.starts_with("scripts/")) {
                for part in [
                    "secrets/",
                    "secretName",
                    "secretKeyRef",
                    "mountPath: /run/secrets",
                    "MONITOR",
                ] {
                    assert!(!file.contents.contains(part), "{}: {part}", file.path);
                }
            }
            let kustomization = &files[0].contents;
            assert!(kustomization.contains("There is no password"), "{kustomization}");
            assert_eq!(kustomization.contains("The Prometheus Operator"), monitored);
        }
    }

    #[test]
    fn header_names_the_nodes_that_the_export_needs() {
        let head = |replicas| {
            let files = kubernetes(&topology(3, replicas, Engine::Redis, "8.0.2"), false).unwrap();
            files[0].contents.clone()
        };
        assert!(head(1).contains("At least 2 nodes"));
        assert!(head(2).contains("At least 3 nodes"));
        assert!(!head(0).contains("At least"));
    }

    /// A spread constraint by zone would disable the one by node if the nodes have no zone label.
    #[test]
    fn first_masters_are_spread_over_nodes_without_zones() {
        let files = kubernetes(&topology(3, 1, Engine::Redis, "8.0.2"), false).unwrap();
        let shards = files.iter().find(|file| file.path == "shards.yaml").unwrap();
        for shard in shards.contents.split("---\n") {
            let (_, spread) = shard.split_once("topologySpreadConstraints:\n").unwrap();
            let (spread, _) = spread.split_once("      containers:\n").unwrap();
            assert_eq!(spread.matches("topologyKey:").count(), 1, "{spread}");
            assert!(spread.contains("topologyKey: kubernetes.io/hostname\n"));
            assert!(spread.contains("matchLabelKeys: [apps.kubernetes.io/pod-index]\n"));
            assert!(
                !spread.contains("rcup/shard"),
                "the masters are in different shards"
            );
        }
    }

    /// `kubectl drain` refuses to evict a pod with an emptyDir.
    #[test]
    fn pods_have_no_local_storage() {
        let files = kubernetes(&topology(3, 1, Engine::Redis, "8.0.2"), true).unwrap();
        assert!(files.iter().all(|file| !file.contents.contains("emptyDir")));
    }

    #[test]
    fn comments_in_redis_conf_are_true_of_pods() {
        let conf = conf(&topology(3, 1, Engine::Redis, "8.0.2"));
        assert!(!conf.contains("127.0.0.1") && !conf.contains("`rcup "), "{conf}");
        assert!(conf.contains("other addresses.\nprotected-mode no\n"), "{conf}");
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

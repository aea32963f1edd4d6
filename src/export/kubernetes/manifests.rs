//! Kubernetes manifests as text, so that the files keep their comments next to the fields.

use std::fmt::Write as _;

use crate::export::yaml::quoted;
use crate::spec::service_user::ServiceUser;
use crate::topology::hardware::Memory;
use crate::topology::layout::{Shard, Topology};

/// The port of every pod. All pods can use the same port, because each has its own IP address.
pub(crate) const PORT: u16 = 6379;

/// The user ID of the server in the official images.
const USER: u32 = 999;

/// The port of the metrics exporter.
const METRICS: u16 = 9121;

/// The image of the metrics exporter and its user ID.
const EXPORTER: &str = "oliver006/redis_exporter:v1.62.0";
const EXPORTER_USER: u32 = 59000;

fn app(topology: &Topology) -> String {
    format!("rcup-{}", topology.name())
}

fn shard_name(topology: &Topology, shard: &Shard) -> String {
    format!("{}-shard-{}", app(topology), shard.number)
}

/// Returns the DNS names of a shard's pods in the headless service. The first pod is the initial master.
fn pods(topology: &Topology, shard: &Shard) -> Vec<String> {
    let (app, name) = (app(topology), shard_name(topology, shard));
    (0..=topology.spec.replicas())
        .map(|nth| format!("{name}-{nth}.{app}"))
        .collect()
}

fn labels(topology: &Topology, columns: usize) -> String {
    let indent = " ".repeat(columns);
    format!(
        "{indent}app.kubernetes.io/name: {}\n{indent}app.kubernetes.io/instance: {}\n",
        topology.placement.image.server.engine.as_str(),
        topology.name()
    )
}

/// Checks whether the pods have a password and therefore a secret.
fn has_secret(topology: &Topology) -> bool {
    topology.spec.password().is_some()
}

pub(crate) fn kustomization(topology: &Topology, monitored: bool) -> String {
    let app = app(topology);
    let mut text = kustomization_head(topology, monitored);
    text.push_str(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n  - services.yaml\n  - shards.yaml\n  \
         - disruption.yaml\n  - create.yaml\n",
    );
    if monitored {
        text.push_str("  - monitor.yaml\n");
    }
    let _ = write!(
        text,
        "configMapGenerator:\n  # A change of these files gives the map another name, which restarts the pods one by one.\n  \
         - name: {app}\n    files:\n      - redis.conf\n      - scripts/start.sh\n      - scripts/stop.sh\n      - scripts/probe.sh\n  \
         # A job's template cannot be changed, so its map keeps its name.\n  \
         - name: {app}-create\n    options: {{ disableNameSuffixHash: true }}\n    files:\n      - scripts/create.sh\n"
    );
    if has_secret(topology) {
        let _ = write!(
            text,
            "secretGenerator:\n  # Another password takes effect when all pods have restarted.\n  \
             - name: {app}\n    options: {{ disableNameSuffixHash: true }}\n    files:\n      - secrets/password\n"
        );
        if monitored {
            text.push_str("      - secrets/monitor\n");
        }
    }
    text
}

/// Returns the header comment: contents, usage, requirements and tested versions.
fn kustomization_head(topology: &Topology, monitored: bool) -> String {
    let app = app(topology);
    let (masters, replicas) = (topology.spec.masters(), topology.spec.replicas());
    let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    let mut text = format!(
        "# Redis Cluster `{}`: {} with {} each, {}. Written by `rcup export kubernetes`, rcup {}.\n#\n",
        topology.name(),
        count(masters, "master"),
        count(replicas, "replica"),
        topology.servers_in_words(),
        env!("CARGO_PKG_VERSION"),
    );
    let _ = write!(
        text,
        "#   kubectl apply -k .\n\
         #   kubectl wait --for=condition=complete job/{app}-create --timeout=5m\n#\n\
         # It needs:\n\
         # - Kubernetes 1.28 or later, with a default StorageClass.\n"
    );
    if replicas > 0 {
        let _ = writeln!(
            text,
            "# - At least {} nodes, because no two pods of a shard run on one node. With fewer nodes (kind and minikube start\n\
             #   one), pods stay Pending and the cluster is not formed.",
            replicas + 1
        );
    }
    if monitored {
        text.push_str(
            "# - The Prometheus Operator. Without its ServiceMonitor resource, `kubectl apply` creates everything else and then\n\
             #   fails; in that case remove monitor.yaml from the list below.\n",
        );
    }
    text.push_str("#\n");
    if has_secret(topology) {
        text.push_str("# The secret is made from the files in secrets/. If they are not there:\n");
        for file in ["password", "monitor"].iter().take(1 + usize::from(monitored)) {
            let _ = writeln!(
                text,
                "#   mkdir -p secrets && openssl rand -hex 16 | tr -d '\\n' > secrets/{file}"
            );
        }
    } else {
        text.push_str(
            "# There is no password: everyone who reaches the pods can read and write. Export with --password to have one.\n",
        );
    }
    if replicas > 0 {
        text.push_str(
            "#\n# The first masters are spread over the nodes. Drains and failovers move roles, so later several masters may run on\n\
         # one node. If it has most of them, its loss stops the cluster, because a failover needs the votes of most masters.\n\
         # `CLUSTER NODES` shows the roles, `CLUSTER FAILOVER` on a replica makes it the master.\n",
        );
    }
    text.push_str(
        "#\n\
         # Run on Kubernetes 1.33 with three nodes on one machine, Redis 7.0 and a password: formation, rolling restart, deleted\n\
         # pods and drains under load. Tested in containers since then, with Redis and Valkey: new addresses for all pods at\n\
         # once, and the end of all pods. Not tested: zones, several machines, Valkey on Kubernetes, network storage, the\n\
         # exporter. The manifests are validated against the API's schemas (1.37).\n",
    );
    text
}

pub(crate) fn services(topology: &Topology, monitored: bool) -> String {
    let (app, labels, selector) = (app(topology), labels(topology, 4), labels(topology, 4));
    let metrics = if monitored {
        format!("    - {{ name: metrics, port: {METRICS} }}\n")
    } else {
        String::new()
    };
    format!(
        "# Names for the pods, also for those that are not ready: they must find each other to become ready.\n\
         apiVersion: v1\nkind: Service\nmetadata:\n  name: {app}\n  labels:\n{labels}spec:\n  clusterIP: None\n  \
         publishNotReadyAddresses: true\n  selector:\n{selector}  ports:\n    - {{ name: redis, port: {PORT} }}\n    \
         - {{ name: bus, port: {bus} }}\n{metrics}---\n\
         # The address for a client's first connection. Redirections carry the pods' own addresses.\n\
         apiVersion: v1\nkind: Service\nmetadata:\n  name: {app}-client\n  labels:\n{labels}spec:\n  selector:\n{selector}  \
         ports:\n    - {{ name: redis, port: {PORT} }}\n",
        bus = PORT + crate::spec::cluster::BUS_OFFSET
    )
}

pub(crate) fn disruption(topology: &Topology) -> String {
    let budget = |shard: &Shard| {
        format!(
            "# Evict at most one pod of each shard at a time.\n\
             apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata:\n  name: {}\n  labels:\n{}spec:\n  maxUnavailable: 1\n  \
             selector:\n    matchLabels:\n{}      rcup/shard: '{}'\n",
            shard_name(topology, shard),
            labels(topology, 4),
            labels(topology, 6),
            shard.number
        )
    };
    let all: Vec<String> = topology.shards.iter().map(budget).collect();
    all.join("---\n")
}

/// Returns the environment variables that the scripts read.
fn environment(topology: &Topology, columns: usize) -> String {
    let engine = topology.placement.image.server.engine;
    let indent = " ".repeat(columns);
    format!(
        "{indent}- {{ name: SERVER, value: {} }}\n{indent}- {{ name: CLI, value: {} }}\n{indent}- {{ name: PORT, value: '{PORT}' }}\n",
        engine.server(),
        engine.client()
    )
}

const NO_PRIVILEGE: &str = concat!(
    "          securityContext:\n",
    "            allowPrivilegeEscalation: false\n",
    "            readOnlyRootFilesystem: true\n",
    "            capabilities: { drop: [ALL] }\n",
);

/// Returns the volume mounts of a container.
fn mounts(topology: &Topology) -> String {
    let secret = "            - { name: secret, mountPath: /run/secrets/redis }\n";
    format!(
        "            - {{ name: conf, mountPath: /etc/redis }}\n{}",
        if has_secret(topology) { secret } else { "" }
    )
}

fn volumes(topology: &Topology, conf: &str) -> String {
    let mut text = format!(
        "      volumes:\n        - name: conf\n          configMap: {{ name: {conf}, defaultMode: 0555 }}\n"
    );
    if has_secret(topology) {
        let _ = write!(
            text,
            "        - name: secret\n          secret: {{ secretName: {}, defaultMode: 0440 }}\n",
            app(topology)
        );
    }
    text
}

fn pod_security() -> String {
    format!(
        "      automountServiceAccountToken: false\n      securityContext:\n        runAsNonRoot: true\n        runAsUser: {USER}\n        \
         runAsGroup: {USER}\n        fsGroup: {USER}\n        seccompProfile: {{ type: RuntimeDefault }}\n"
    )
}

pub(crate) fn shards(topology: &Topology, monitored: bool) -> String {
    let all: Vec<String> = topology
        .shards
        .iter()
        .map(|shard| one_shard(topology, shard, monitored))
        .collect();
    all.join("---\n")
}

fn one_shard(topology: &Topology, shard: &Shard, monitored: bool) -> String {
    let (app, name, number) = (app(topology), shard_name(topology, shard), shard.number);
    let peers: Vec<String> = topology
        .shards
        .iter()
        .flat_map(|shard| pods(topology, shard))
        .collect();
    let mut text = format!(
        "# Shard {number}: slots {}. Its first pod is the first master.\n\
         apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: {name}\n  labels:\n{}    rcup/shard: '{number}'\nspec:\n  \
         serviceName: {app}\n  replicas: {}\n  podManagementPolicy: Parallel\n  selector:\n    matchLabels:\n{}      \
         rcup/shard: '{number}'\n  template:\n    metadata:\n      labels:\n{}        rcup/shard: '{number}'\n    spec:\n",
        shard.slots,
        labels(topology, 4),
        topology.spec.replicas() + 1,
        labels(topology, 6),
        labels(topology, 8),
    );
    text.push_str(&pod_security());
    text.push_str(
        "      # Time to hand over the role and to write the data.\n      terminationGracePeriodSeconds: 60\n",
    );
    text.push_str(&placement(topology, number));
    let _ = write!(
        text,
        "      containers:\n        - name: redis\n          image: {}\n          command: [sh, /etc/redis/start.sh]\n          env:\n{}            \
         - {{ name: PEERS, value: {} }}\n            - name: POD_IP\n              valueFrom: {{ fieldRef: {{ fieldPath: status.podIP }} }}\n{}          \
         ports:\n            - {{ name: redis, containerPort: {PORT} }}\n            - {{ name: bus, containerPort: {} }}\n",
        quoted(&topology.placement.image.reference),
        environment(topology, 12),
        quoted(&peers.join(" ")),
        monitor(topology, monitored),
        PORT + crate::spec::cluster::BUS_OFFSET
    );
    text.push_str(&resources(topology));
    text.push_str(
        "          lifecycle:\n            preStop: { exec: { command: [sh, /etc/redis/stop.sh] } }\n          \
         # A large data set takes long to load. The pod is not restarted meanwhile.\n          startupProbe:\n            \
         exec: { command: [sh, /etc/redis/probe.sh, alive] }\n            periodSeconds: 2\n            timeoutSeconds: 5\n            \
         failureThreshold: 300\n          livenessProbe:\n            exec: { command: [sh, /etc/redis/probe.sh, alive] }\n            \
         periodSeconds: 10\n            timeoutSeconds: 5\n            failureThreshold: 6\n          readinessProbe:\n            \
         exec: { command: [sh, /etc/redis/probe.sh, ready] }\n            periodSeconds: 5\n            timeoutSeconds: 5\n",
    );
    text.push_str(NO_PRIVILEGE);
    let _ = write!(
        text,
        "          volumeMounts:\n            - {{ name: data, mountPath: /data }}\n{}{}{}  \
         volumeClaimTemplates:\n    - metadata:\n        name: data\n      spec:\n        \
         accessModes: [ReadWriteOnce]\n        resources: {{ requests: {{ storage: 10Gi }} }}\n",
        mounts(topology),
        exporter(topology, monitored),
        volumes(topology, &app)
    );
    text
}

/// Returns the scheduling constraints of the pods of a shard.
///
/// Nodes without a zone must not lose the spread over nodes: the scheduler scores a node by its spread constraints
/// only if it has the labels of all of them (`requireAllTopologies` in podtopologyspread/scoring.go). Therefore the
/// zone is a preferred anti-affinity, which ignores nodes without that label.
fn placement(topology: &Topology, shard: usize) -> String {
    let selector = |columns: usize| {
        format!(
            "{}{}rcup/shard: '{shard}'\n",
            labels(topology, columns),
            " ".repeat(columns)
        )
    };
    format!(
        "      affinity:\n        podAntiAffinity:\n          \
         # No two pods of a shard on one node: a replica is never lost with its master.\n          \
         requiredDuringSchedulingIgnoredDuringExecution:\n            - topologyKey: kubernetes.io/hostname\n              \
         labelSelector:\n                matchLabels:\n{}          \
         # In different zones, if the nodes have zones.\n          \
         preferredDuringSchedulingIgnoredDuringExecution:\n            - weight: 100\n              podAffinityTerm:\n                \
         topologyKey: topology.kubernetes.io/zone\n                labelSelector:\n                  matchLabels:\n{}      \
         topologySpreadConstraints:\n        \
         # Pods of one index on different nodes: the pods with index 0 are the first masters.\n        \
         - maxSkew: 1\n          topologyKey: kubernetes.io/hostname\n          whenUnsatisfiable: ScheduleAnyway\n          \
         matchLabelKeys: [apps.kubernetes.io/pod-index]\n          labelSelector:\n            matchLabels:\n{}",
        selector(18),
        selector(20),
        labels(topology, 14),
    )
}

/// Returns the environment variables that create the exporter's user in a pod.
fn monitor(topology: &Topology, monitored: bool) -> String {
    if !monitored || !has_secret(topology) {
        return String::new();
    }
    format!(
        "            - {{ name: MONITOR, value: {} }}\n            - {{ name: MONITOR_RULES, value: {} }}\n",
        ServiceUser::Monitor.name(),
        quoted(&ServiceUser::Monitor.rules(&topology.servers()))
    )
}

/// Returns the memory of a pod, if it is known. Request and limit are equal, so a pod never uses memory that other pods
/// requested.
fn resources(topology: &Topology) -> String {
    let memory = topology.placement.machine.memory(&topology.spec, 1);
    memory.map_or_else(String::new, |memory| {
        let bytes = memory.container.unwrap_or(Memory::contained(memory.data));
        format!(
            "          # maxmemory, half of it more for a save, and what the server uses beside its data.\n          \
             resources:\n            requests: {{ memory: '{bytes}' }}\n            limits: {{ memory: '{bytes}' }}\n"
        )
    })
}

/// Returns the exporter container of each pod. If there is a password, it logs in as a user that may only read metrics.
fn exporter(topology: &Topology, monitored: bool) -> String {
    if !monitored {
        return String::new();
    }
    let login = if has_secret(topology) {
        format!(
            "            - {{ name: REDIS_USER, value: {} }}\n            - name: REDIS_PASSWORD\n              \
             valueFrom: {{ secretKeyRef: {{ name: {}, key: monitor }} }}\n",
            ServiceUser::Monitor.name(),
            app(topology)
        )
    } else {
        String::new()
    };
    format!(
        "        - name: exporter\n          image: {EXPORTER}\n          env:\n            \
         - {{ name: REDIS_ADDR, value: 'redis://127.0.0.1:{PORT}' }}\n{login}          \
         ports:\n            - {{ name: metrics, containerPort: {METRICS} }}\n          resources:\n            \
         requests: {{ cpu: 10m, memory: 32Mi }}\n            limits: {{ memory: 64Mi }}\n          securityContext:\n            \
         runAsUser: {EXPORTER_USER}\n            runAsGroup: {EXPORTER_USER}\n            allowPrivilegeEscalation: false\n            \
         readOnlyRootFilesystem: true\n            capabilities: {{ drop: [ALL] }}\n"
    )
}

/// Returns the `ServiceMonitor` for the Prometheus Operator.
pub(crate) fn service_monitor(topology: &Topology) -> String {
    let app = app(topology);
    format!(
        "# Needs the Prometheus Operator, which then reads each pod's exporter. Add the labels that your Prometheus selects.\n\
         apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata:\n  name: {app}\n  labels:\n{}spec:\n  selector:\n    \
         matchLabels:\n{}  endpoints:\n    - {{ port: metrics, interval: 30s }}\n",
        labels(topology, 4),
        labels(topology, 6),
    )
}

pub(crate) fn creation(topology: &Topology) -> String {
    let app = app(topology);
    let lines = topology.shards.iter().fold(String::new(), |mut text, shard| {
        let _ = writeln!(
            text,
            "                {} {} {}",
            shard.slots.first,
            shard.slots.last,
            pods(topology, shard).join(" ")
        );
        text
    });
    let mut text = format!(
        "# Forms the cluster, or adds new pods to it. It changes only what is missing, so it may run again. Ten minutes after\n\
         # its end it is deleted, and the next apply creates it anew. A job cannot be changed: before an apply of another\n\
         # number of masters or replicas within these ten minutes, run `kubectl delete job {app}-create`. Otherwise apply\n\
         # reports `spec.template: field is immutable`, and new pods stay outside the cluster.\n\
         apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {app}-create\n  labels:\n{}spec:\n  backoffLimit: 10\n  activeDeadlineSeconds: 900\n  ttlSecondsAfterFinished: 600\n  template:\n    \
         metadata:\n      labels:\n        rcup/job: create\n    spec:\n      restartPolicy: OnFailure\n",
        labels(topology, 4)
    );
    text.push_str(&pod_security());
    let _ = write!(
        text,
        "      containers:\n        - name: create\n          image: {}\n          command: [sh, /etc/redis/create.sh]\n          env:\n{}            \
         - name: SHARDS\n              value: |-\n{lines}",
        quoted(&topology.placement.image.reference),
        environment(topology, 12),
    );
    text.push_str(NO_PRIVILEGE);
    let _ = write!(
        text,
        "          volumeMounts:\n{}{}",
        mounts(topology),
        volumes(topology, &format!("{app}-create"))
    );
    text
}

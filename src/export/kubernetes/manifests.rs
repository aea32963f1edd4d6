//! The objects, written by hand so that a reader finds the reasons beside them.

use std::fmt::Write as _;

use crate::export::yaml::quoted;
use crate::spec::service_user::OwnUser;
use crate::topology::hardware::Memory;
use crate::topology::layout::{Shard, Topology};

/// The port of every pod: each has an address of its own.
pub(crate) const PORT: u16 = 6379;

/// The user of the official images.
const USER: u32 = 999;

/// Where the exporter gives its figures.
const METRICS: u16 = 9121;

/// The exporter of metrics, and its own user.
const EXPORTER: &str = "oliver006/redis_exporter:v1.62.0";
const EXPORTER_USER: u32 = 59000;

fn app(topology: &Topology) -> String {
    format!("rcup-{}", topology.name())
}

fn shard_name(topology: &Topology, shard: &Shard) -> String {
    format!("{}-shard-{}", app(topology), shard.number)
}

/// A shard's pods by the names that the headless service gives them; the first is its first master.
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
        topology.surroundings.image.server.engine.as_str(),
        topology.name()
    )
}

pub(crate) fn kustomization(topology: &Topology, monitored: bool) -> String {
    let app = app(topology);
    let (masters, replicas) = (topology.spec.masters(), topology.spec.replicas());
    let mut text = format!(
        "# Redis Cluster `{}`: {masters} {} with {replicas} {} each, {}. Written by `rcup export kubernetes`, rcup {}.\n#\n\
         #   mkdir -p secrets && openssl rand -hex 16 | tr -d '\\n' > secrets/password\n",
        topology.name(),
        if masters == 1 { "master" } else { "masters" },
        if replicas == 1 { "replica" } else { "replicas" },
        topology.servers_in_words(),
        env!("CARGO_PKG_VERSION"),
    );
    if monitored {
        text.push_str("#   openssl rand -hex 16 | tr -d '\\n' > secrets/monitor\n");
    }
    let _ = write!(
        text,
        "#   kubectl apply -k .\n\
         #   kubectl wait --for=condition=complete job/{app}-create --timeout=5m\n#\n\
         # The files in secrets/ are there already where the export had a password to write.\n#\n\
         # Proven: a test holds the objects against the API's published schemas (1.37), strictly, and another runs the scripts\n\
         # in containers with a name for each pod: forming twice, probes, an end under load, new addresses for all.\n\
         # Not proven: nothing of it has run on a Kubernetes. Try it where a fault costs nothing.\n\
         apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n  - services.yaml\n  - shards.yaml\n  \
         - disruption.yaml\n  - create.yaml\n"
    );
    if monitored {
        text.push_str("  - monitor.yaml\n");
    }
    let _ = write!(
        text,
        "configMapGenerator:\n  # A change of these files gives the map another name, which starts the pods again one by one.\n  \
         - name: {app}\n    files:\n      - redis.conf\n      - scripts/start.sh\n      - scripts/stop.sh\n      - scripts/probe.sh\n  \
         # A job's template cannot be changed, so what it names keeps its name.\n  \
         - name: {app}-create\n    options: {{ disableNameSuffixHash: true }}\n    files:\n      - scripts/create.sh\n\
         secretGenerator:\n  # The pods take another password when all of them start again.\n  \
         - name: {app}\n    options: {{ disableNameSuffixHash: true }}\n    files:\n      - secrets/password\n"
    );
    if monitored {
        text.push_str("      - secrets/monitor\n");
    }
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
        "# Names for the pods. Also of those that are not ready: they must find each other to get ready.\n\
         apiVersion: v1\nkind: Service\nmetadata:\n  name: {app}\n  labels:\n{labels}spec:\n  clusterIP: None\n  \
         publishNotReadyAddresses: true\n  selector:\n{selector}  ports:\n    - {{ name: redis, port: {PORT} }}\n    \
         - {{ name: bus, port: {bus} }}\n{metrics}---\n\
         # Where a client begins; it is then told the pods' own addresses.\n\
         apiVersion: v1\nkind: Service\nmetadata:\n  name: {app}-client\n  labels:\n{labels}spec:\n  selector:\n{selector}  \
         ports:\n    - {{ name: redis, port: {PORT} }}\n",
        bus = PORT + crate::spec::cluster::BUS_OFFSET
    )
}

pub(crate) fn disruption(topology: &Topology) -> String {
    let budget = |shard: &Shard| {
        format!(
            "# Of each shard at most one pod is away at a time.\n\
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

/// The variables that the scripts read.
fn environment(topology: &Topology, columns: usize) -> String {
    let engine = topology.surroundings.image.server.engine;
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

fn volumes(conf: &str, app: &str) -> String {
    format!(
        "      volumes:\n        - name: conf\n          configMap: {{ name: {conf}, defaultMode: 0555 }}\n        - name: secret\n          \
         secret: {{ secretName: {app}, defaultMode: 0440 }}\n"
    )
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
    let _ = write!(
        text,
        "      # Time to hand the role over and to write the data.\n      terminationGracePeriodSeconds: 60\n      affinity:\n        \
         podAntiAffinity:\n          # No two pods of a shard on one machine: a replica is never lost with its master.\n          \
         requiredDuringSchedulingIgnoredDuringExecution:\n            - topologyKey: kubernetes.io/hostname\n              \
         labelSelector:\n                matchLabels:\n{}                  rcup/shard: '{number}'\n      \
         topologySpreadConstraints:\n        # And the whole cluster spread over zones, where there are any.\n        \
         - maxSkew: 1\n          topologyKey: topology.kubernetes.io/zone\n          whenUnsatisfiable: ScheduleAnyway\n          \
         labelSelector:\n            matchLabels:\n{}",
        labels(topology, 18),
        labels(topology, 14),
    );
    let _ = write!(
        text,
        "      containers:\n        - name: redis\n          image: {}\n          command: [sh, /etc/redis/start.sh]\n          env:\n{}            \
         - {{ name: PEERS, value: {} }}\n            - name: POD_IP\n              valueFrom: {{ fieldRef: {{ fieldPath: status.podIP }} }}\n{}          \
         ports:\n            - {{ name: redis, containerPort: {PORT} }}\n            - {{ name: bus, containerPort: {} }}\n",
        quoted(&topology.surroundings.image.reference),
        environment(topology, 12),
        quoted(&peers.join(" ")),
        monitor(topology, monitored),
        PORT + crate::spec::cluster::BUS_OFFSET
    );
    text.push_str(&resources(topology));
    text.push_str(
        "          lifecycle:\n            preStop: { exec: { command: [sh, /etc/redis/stop.sh] } }\n          \
         # A large data set is loaded before the first answer; nothing restarts the pod meanwhile.\n          startupProbe:\n            \
         exec: { command: [sh, /etc/redis/probe.sh, alive] }\n            periodSeconds: 2\n            timeoutSeconds: 5\n            \
         failureThreshold: 300\n          livenessProbe:\n            exec: { command: [sh, /etc/redis/probe.sh, alive] }\n            \
         periodSeconds: 10\n            timeoutSeconds: 5\n            failureThreshold: 6\n          readinessProbe:\n            \
         exec: { command: [sh, /etc/redis/probe.sh, ready] }\n            periodSeconds: 5\n            timeoutSeconds: 5\n",
    );
    text.push_str(NO_PRIVILEGE);
    let _ = write!(
        text,
        "          volumeMounts:\n            - {{ name: data, mountPath: /data }}\n            - {{ name: conf, mountPath: /etc/redis }}\n            \
         - {{ name: secret, mountPath: /run/secrets/redis }}\n            - {{ name: tmp, mountPath: /tmp }}\n{}{}        \
         - {{ name: tmp, emptyDir: {{}} }}\n  volumeClaimTemplates:\n    - metadata:\n        name: data\n      spec:\n        \
         accessModes: [ReadWriteOnce]\n        resources: {{ requests: {{ storage: 10Gi }} }}\n",
        exporter(&app, monitored),
        volumes(&app, &app)
    );
    text
}

/// Variables by which a pod has a user for the exporter.
fn monitor(topology: &Topology, monitored: bool) -> String {
    if !monitored {
        return String::new();
    }
    format!(
        "            - {{ name: MONITOR, value: {} }}\n            - {{ name: MONITOR_RULES, value: {} }}\n",
        OwnUser::Monitor.name(),
        quoted(&OwnUser::Monitor.rules(&topology.servers()))
    )
}

/// What a pod takes, where it is known. What it asks for is its limit, so that it never takes what others were promised.
fn resources(topology: &Topology) -> String {
    let memory = topology.surroundings.machine.memory(&topology.spec, 1);
    memory.map_or_else(String::new, |memory| {
        let bytes = memory.container.unwrap_or(Memory::contained(memory.data));
        format!(
            "          # maxmemory, half of it more for the time of a save, and what the server has beside its data.\n          \
             resources:\n            requests: {{ memory: '{bytes}' }}\n            limits: {{ memory: '{bytes}' }}\n"
        )
    })
}

/// The container beside each server that tells its figures. It logs in as a user who reads figures and nothing else.
fn exporter(app: &str, monitored: bool) -> String {
    if !monitored {
        return String::new();
    }
    format!(
        "        - name: exporter\n          image: {EXPORTER}\n          env:\n            \
         - {{ name: REDIS_ADDR, value: 'redis://127.0.0.1:{PORT}' }}\n            - {{ name: REDIS_USER, value: {} }}\n            \
         - name: REDIS_PASSWORD\n              valueFrom: {{ secretKeyRef: {{ name: {app}, key: monitor }} }}\n          \
         ports:\n            - {{ name: metrics, containerPort: {METRICS} }}\n          resources:\n            \
         requests: {{ cpu: 10m, memory: 32Mi }}\n            limits: {{ memory: 64Mi }}\n          securityContext:\n            \
         runAsUser: {EXPORTER_USER}\n            runAsGroup: {EXPORTER_USER}\n            allowPrivilegeEscalation: false\n            \
         readOnlyRootFilesystem: true\n            capabilities: {{ drop: [ALL] }}\n",
        OwnUser::Monitor.name()
    )
}

/// For a Prometheus whose operator looks for such objects.
pub(crate) fn service_monitor(topology: &Topology) -> String {
    let app = app(topology);
    format!(
        "# For the Prometheus operator: it has each pod's exporter asked. Give it the labels for which your Prometheus looks.\n\
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
        "# Forms the cluster, or brings new pods into it. It asks before each step, so it may run again: ten minutes after its\n\
         # end it is gone, and the next apply makes it anew (sooner: kubectl delete job {app}-create).\n\
         apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {app}-create\n  labels:\n{}spec:\n  backoffLimit: 10\n  activeDeadlineSeconds: 900\n  ttlSecondsAfterFinished: 600\n  template:\n    \
         metadata:\n      labels:\n        rcup/job: create\n    spec:\n      restartPolicy: OnFailure\n",
        labels(topology, 4)
    );
    text.push_str(&pod_security());
    let _ = write!(
        text,
        "      containers:\n        - name: create\n          image: {}\n          command: [sh, /etc/redis/create.sh]\n          env:\n{}            \
         - name: SHARDS\n              value: |-\n{lines}",
        quoted(&topology.surroundings.image.reference),
        environment(topology, 12),
    );
    text.push_str(NO_PRIVILEGE);
    let _ = write!(
        text,
        "          volumeMounts:\n            - {{ name: conf, mountPath: /etc/redis }}\n            \
         - {{ name: secret, mountPath: /run/secrets/redis }}\n{}",
        volumes(&format!("{app}-create"), &app)
    );
    text
}

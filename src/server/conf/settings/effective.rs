//! All settings of a node, in which the user's directives replace rcup's.

use crate::server::conf::setting::{Origin, Setting};
use crate::server::conf::settings::durability::durability;
use crate::server::conf::settings::placement::place;
use crate::server::conf::settings::tuning::tuning;
use crate::spec::directives::lookup::canonical;
use crate::spec::node_override::NodeOverride;
use crate::topology::layout::{Formation, Node, Topology};

/// The directive whose value shows whether the formation of a node was completed.
pub const NODE_TIMEOUT: &str = "cluster-node-timeout";

/// The directive that sets how long a full sync waits for further replicas.
const SYNC_DELAY: &str = "repl-diskless-sync-delay";

/// The directive that sets how often per second a server runs its periodic tasks, including `clusterCron`.
const TICKS: &str = "hz";

/// `hz` while the cluster is formed. The cluster bus connects links and sends gossip in `clusterCron`, which a
/// server calls every `100 / (1000 / hz)` runs of `serverCron`, in integer division: every 100 ms with most values,
/// and on every run, that is every 52 ms, with this one.
const FAST_TICKS: &str = "19";

/// `hz` while most nodes of a large cluster are not started yet. With the default, an idle server uses half a
/// percent of a CPU core, and checks each of its links on every tick.
const DOZING_TICKS: &str = "1";

/// Default `hz` of Redis and Valkey.
const OWN_TICKS: &str = "10";

/// Returns the configuration of a node of a formed cluster.
pub fn settings(topology: &Topology, node: &Node) -> Vec<Setting> {
    let spec = &topology.spec;
    let mut settings = place(topology, node);
    settings.extend(durability(spec.profile(), spec.persist()));
    settings.extend(tuning(topology, node));
    let request = spec.overrides().get(&node.index);
    let own = request.map(NodeOverride::directives).unwrap_or_default();
    for directive in spec.directives_of(node.index) {
        let of_node = own.contains(directive);
        settings.retain(|ours| canonical(&ours.name) != canonical(directive.name()));
        let value = if directive.value().is_empty() {
            "\"\""
        } else {
            directive.value()
        };
        settings.push(Setting {
            name: directive.name().to_owned().into(),
            value: value.to_owned(),
            origin: if of_node { Origin::Node } else { Origin::User },
            request: None,
            why: if of_node {
                "Set by the user for this node."
            } else {
                "Set by the user."
            }
            .into(),
        });
    }
    settings
}

/// A directive that has one value while the cluster is formed and another afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Temporary {
    /// The directive.
    pub name: &'static str,
    /// Value until the cluster is formed.
    pub forming: String,
    /// Value afterwards.
    pub settled: String,
}

/// Returns the directives that have another value while the cluster is formed. `hz` is raised with either formation
/// method, unless the cluster is so large that the cron runs themselves would slow down the start of further nodes.
/// If there are many nodes per CPU core, `hz` is low at first: see [`waking`].
///
/// Seeded formation has a long node timeout, so that a node that starts late does not count as failed. Formation by
/// commands has a short one, because it waits for the rejoin delay, which Redis derives from the node timeout.
/// Either value differs from the user's value by at least a millisecond, so that the node timeout of a node shows
/// whether its formation was completed.
pub fn temporary(topology: &Topology, node: &Node) -> Vec<Temporary> {
    let settled = topology.spec.node_timeout().as_millis();
    let wanted = match topology.formation {
        Formation::Seeded => 60_000,
        Formation::Commands => 1_000,
    };
    let forming = if wanted == settled { wanted + 1 } else { wanted };
    let mut all = vec![Temporary {
        name: NODE_TIMEOUT,
        forming: forming.to_string(),
        settled: settled.to_string(),
    }];
    let settled = settings(topology, node);
    let value = |name: &str| {
        settled
            .iter()
            .find(|setting| setting.name == name)
            .map(|setting| setting.value.clone())
    };
    let mut differs = |name, forming: &str, settled: String| {
        if settled != forming {
            all.push(Temporary {
                name,
                forming: forming.to_owned(),
                settled,
            });
        }
    };
    differs(
        SYNC_DELAY,
        "0",
        value(SYNC_DELAY).unwrap_or_else(|| "0".to_owned()),
    );
    let lasting = value(TICKS).unwrap_or_else(|| OWN_TICKS.to_owned());
    let awake = awake(topology, &lasting);
    let booting = if topology.dozes(node) {
        DOZING_TICKS
    } else {
        &awake
    };
    differs(TICKS, booting, lasting);
    all
}

/// Returns the `hz` of a node without low-frequency cron during the formation.
fn awake(topology: &Topology, lasting: &str) -> String {
    if topology.is_large() { lasting } else { FAST_TICKS }.to_owned()
}

/// Returns the directive that ends the low-frequency cron of a node: the `hz` with which the cluster is formed.
/// `None` if the node has no low-frequency cron, or keeps its low `hz` because the user set it.
pub fn waking(topology: &Topology, node: &Node) -> Option<(&'static str, String)> {
    if !topology.dozes(node) {
        return None;
    }
    let clock = temporary(topology, node)
        .into_iter()
        .find(|each| each.name == TICKS)?;
    Some((TICKS, awake(topology, &clock.settled)))
}

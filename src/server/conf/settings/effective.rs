//! The whole list, with what the user set in the place of what rcup sets.

use crate::server::conf::setting::{Origin, Setting};
use crate::server::conf::settings::durability::durability;
use crate::server::conf::settings::placement::place;
use crate::server::conf::settings::tuning::tuning;
use crate::spec::directives::lookup::canonical;
use crate::spec::node_override::NodeWish;
use crate::topology::layout::{Formation, Node, Topology};

/// The directive whose value tells whether a node's formation was finished.
pub const NODE_TIMEOUT: &str = "cluster-node-timeout";

/// The directive that decides how long a full copy waits for further replicas.
const SYNC_DELAY: &str = "repl-diskless-sync-delay";

/// The directive that says how often a second a server looks after its cluster, among other things.
const TICKS: &str = "hz";

/// Its value while the cluster is formed. The bus makes links and tells news on the ticks of `clusterCron`,
/// which a server calls every `100 / (1000 / hz)` rounds of its clock, in whole numbers: every 100 ms with
/// most values, and every round, that is every 52 ms, with this one.
const FAST_TICKS: &str = "19";

/// Its value while most nodes of many are yet to be started. A server that does nothing uses half a percent of a
/// processor with its own value, and looks after each of its links on every tick.
const DOZING_TICKS: &str = "1";

/// Redis's own value, and Valkey's.
const OWN_TICKS: &str = "10";

/// The configuration of a node once the cluster stands.
pub fn settings(topology: &Topology, node: &Node) -> Vec<Setting> {
    let spec = &topology.spec;
    let mut settings = place(topology, node);
    settings.extend(durability(spec.profile(), spec.persist()));
    settings.extend(tuning(topology, node));
    let wish = spec.overrides().get(&node.index);
    let own = wish.map(NodeWish::directives).unwrap_or_default();
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
            wish: None,
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

/// A directive that has one value while the cluster is formed and another when it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Temporary {
    /// The directive.
    pub name: &'static str,
    /// Its value until the cluster stands.
    pub forming: String,
    /// Its value from then on.
    pub settled: String,
}

/// What differs on a node while the cluster is formed: the clock is quick in either way, unless the cluster is so large
/// that the rounds themselves keep the processors from starting it. Where nodes are many for the processors, it is slow at
/// first: see [`waking`].
///
/// The seeded way must not take a node that starts late for a failed one, so its node timeout is long;
/// the plain way waits for the rejoin delay, which Redis derives from the node timeout, so there it is
/// short. Either value differs from the user's own by at least a millisecond, so that a node can be
/// asked whether its formation was finished.
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

/// The clock with which a node that does not doze takes part in the formation.
fn awake(topology: &Topology, lasting: &str) -> String {
    if topology.is_large() { lasting } else { FAST_TICKS }.to_owned()
}

/// What a node that dozes is given when it shall wake: the clock with which the cluster is formed. Nothing for one that does
/// not doze, or that keeps its slow clock, because the user wants it so.
pub fn waking(topology: &Topology, node: &Node) -> Option<(&'static str, String)> {
    if !topology.dozes(node) {
        return None;
    }
    let clock = temporary(topology, node)
        .into_iter()
        .find(|each| each.name == TICKS)?;
    Some((TICKS, awake(topology, &clock.settled)))
}

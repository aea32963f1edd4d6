//! A cluster that rcup did not start, discovered through CLUSTER NODES.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use crate::connect::greeting::greeted;
use crate::connect::target::address_of;
use crate::connect::target::{Member, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::server::wire::access::Access;
use crate::server::wire::connection::{Address, NodeConnection};
use crate::server::wire::reply::NodeLine;
use crate::topology::layout::NodeId;

/// A foreign cluster, accessed through some of its nodes.
#[derive(Debug)]
pub struct Endpoint {
    target: Target<'static>,
    at: Vec<Address>,
    access: Access,
    /// Known addresses, each with the name of the member at that address.
    led: Vec<(Address, String)>,
}

/// A discovered node.
#[derive(Clone)]
struct Found {
    id: Option<NodeId>,
    replica: bool,
    member: Member,
}

/// A queried node and the nodes it knows.
type Look = (NodeConnection, Vec<NodeLine>);

/// Observations made during discovery.
#[derive(Default)]
struct Seen {
    all: Vec<Found>,
    astray: BTreeSet<String>,
    led: Vec<(Address, String)>,
}

impl Endpoint {
    /// Connects to a cluster at `address` and discovers its other nodes. Connects to each of them at its advertised
    /// client address, and at its bus address if that fails.
    ///
    /// # Errors
    /// [`ErrorKind::Redis`] when nothing responds, the node refuses `access`, or is not in cluster mode.
    #[cfg(any(test, feature = "test-util"))]
    pub async fn enter(address: &Address, access: &Access) -> Result<Self> {
        Self::enter_at(std::slice::from_ref(address), access).await
    }

    /// Connects to a cluster at several addresses, at least one of which must respond. Reports the others as
    /// unreachable nodes.
    ///
    /// # Errors
    /// As [`Endpoint::enter`], of the first address.
    pub async fn enter_at(addresses: &[Address], access: &Access) -> Result<Self> {
        let looks = looked(addresses, access).await;
        if looks.iter().any(|(_, look)| look.is_ok()) {
            return Ok(Self::of(addresses, access, gather(looks, &[], access).await));
        }
        match looks.into_iter().next() {
            Some((_, Err(error))) => Err(error),
            _ => Err(Error::new(ErrorKind::Usage, "no node address given")),
        }
    }

    /// Discovers the nodes at these addresses without failing: an unreachable node, or one that knows no others, is
    /// reported as a finding.
    pub async fn look_at(addresses: &[Address], access: &Access) -> Self {
        let looks = looked(addresses, access).await;
        Self::of(addresses, access, gather(looks, &[], access).await)
    }

    /// Repeats the discovery. Known nodes are remembered, so it works even if none of the given addresses responds
    /// any more.
    #[must_use = "it is another look, and leaves this one as it is"]
    pub async fn again(&self) -> Self {
        let mut seeds = self.at.clone();
        let mut led = self.led.clone();
        for member in &self.target.members {
            let address = match &member.link {
                Ok(link) => Some(link.address().clone()),
                Err(_) => address_of(member),
            };
            let Some(address) = address else { continue };
            if !seeds.contains(&address) {
                seeds.push(address.clone());
            }
            if !led.iter().any(|(known, _)| *known == address) {
                led.push((address, member.name.clone()));
            }
        }
        let looks = looked(&seeds, &self.access).await;
        let seen = gather(looks, &led, &self.access).await;
        let mut again = Self::of(&self.at, &self.access, seen);
        // Keep the member name of an address while it is unreachable.
        for (address, name) in led {
            if !again.led.iter().any(|(known, _)| *known == address) {
                again.led.push((address, name));
            }
        }
        again
    }

    /// Returns the nodes.
    pub(crate) fn target(&self) -> &Target<'static> {
        &self.target
    }

    /// Returns the access options.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    fn of(at: &[Address], access: &Access, mut seen: Seen) -> Self {
        seen.all
            .sort_by(|one, other| (one.replica, &one.member.name).cmp(&(other.replica, &other.member.name)));
        let names: Vec<String> = at.iter().map(ToString::to_string).collect();
        Self {
            target: Target {
                name: names.join(", "),
                members: seen.all.into_iter().map(|found| found.member).collect(),
                plan: None,
                astray: seen.astray.into_iter().collect(),
            },
            at: at.to_vec(),
            access: access.clone(),
            led: seen.led,
        }
    }
}

/// Reads CLUSTER NODES from every address.
async fn looked(addresses: &[Address], access: &Access) -> Vec<(Address, Result<Look>)> {
    join_all(addresses.iter().map(|address| async move {
        let look = async {
            let seed = NodeConnection::open(address, access).await?;
            match seed.cluster_nodes().await {
                Ok(lines) => Ok((seed, lines)),
                Err(error) => Err(refused(address, &error)),
            }
        };
        (address.clone(), look.await)
    }))
    .await
}

/// Collects all nodes from these tables, and queries each discovered node for further ones. `led` maps addresses to
/// nodes found earlier, which may not respond now.
async fn gather(looks: Vec<(Address, Result<Look>)>, led: &[(Address, String)], access: &Access) -> Seen {
    let mut seen = Seen::default();
    let mut down: Vec<(Address, Error)> = Vec::new();
    // Queue of nodes to query, with their tables.
    let mut asked: Vec<Look> = Vec::new();
    for (address, look) in looks {
        match look {
            Ok((seed, lines)) => {
                let own = lines.iter().find(|line| line.has("myself"));
                if let Some(own) = own {
                    let found = myself(&seed, own);
                    seen.led.push((address, found.member.name.clone()));
                    seen.add(found).await;
                }
                asked.push((seed, lines));
            }
            Err(error) => down.push((address, error)),
        }
    }
    while !asked.is_empty() {
        let mut reached = Vec::new();
        for (link, lines) in std::mem::take(&mut asked) {
            let strange: Vec<&NodeLine> = lines
                .iter()
                .filter(|line| !line.has("noaddr") && !line.has("handshake") && !line.has("myself"))
                .filter(|line| !seen.knows(line))
                .collect();
            if strange.is_empty() {
                continue;
            }
            let told = told(&link).await;
            let found = join_all(strange.iter().map(|line| member(&link, line, told.get(&line.id)))).await;
            for (found, astray) in found {
                seen.astray.extend(astray);
                if let Some(new) = seen.add(found).await {
                    reached.push(new);
                }
            }
        }
        asked = join_all(reached.into_iter().map(|link| async move {
            let lines = link.cluster_nodes().await.unwrap_or_default();
            (link, lines)
        }))
        .await;
    }
    for (address, error) in down {
        if !seen.explains(&address, led) {
            let why = greeted(&address, access, &error).await;
            seen.all.push(Found {
                id: None,
                replica: false,
                member: Member {
                    name: known_as(&address, led),
                    address: known_as(&address, led),
                    link: Err(why),
                },
            });
        }
    }
    seen
}

/// Returns the earlier name of the node at an address, or the address if there is none.
fn known_as(address: &Address, led: &[(Address, String)]) -> String {
    let known = led.iter().find(|(known, _)| known == address);
    known.map_or_else(|| address.to_string(), |(_, name)| name.clone())
}

impl Seen {
    /// Returns whether a node is already known at this line's address.
    fn knows(&self, line: &NodeLine) -> bool {
        let at = Address::new(&line.ip, line.port).to_string();
        self.all.iter().any(|found| {
            found.id.as_ref() == Some(&line.id) && (line.ip.is_empty() || found.member.address == at)
        })
    }

    /// Adds a node, and returns its connection if it was not reached before. The same node at another address
    /// counts as one node; two servers with the same id count as two nodes.
    async fn add(&mut self, found: Found) -> Option<NodeConnection> {
        let new = found.member.link.as_ref().ok().cloned();
        let place = self
            .all
            .iter()
            .position(|known| known.id == found.id && known.id.is_some());
        let Some(place) = place else {
            self.all.push(found);
            return new;
        };
        let known = &mut self.all[place];
        match (&known.member.link, &found.member.link) {
            (Err(_), Ok(_)) => {
                *known = found;
                new
            }
            (Ok(one), Ok(other)) if one.address() != other.address() && !same_server(one, other).await => {
                self.all.push(found);
                new
            }
            _ => None,
        }
    }

    /// Returns whether an unreachable address may belong to a discovered node: it did before, or an unreachable
    /// node has that port.
    fn explains(&self, address: &Address, led: &[(Address, String)]) -> bool {
        let name = known_as(address, led);
        let port = format!(":{}", address.port);
        self.all.iter().any(|found| {
            found.member.name == name
                || found.member.address == name
                || (found.member.link.is_err() && found.member.address.ends_with(&port))
        })
    }
}

/// Returns whether two connections reach the same process. Assumes that they do if a server does not report its run
/// id.
async fn same_server(one: &NodeConnection, other: &NodeConnection) -> bool {
    let run = async |link: &NodeConnection| link.info().await.ok()?.get("run_id").cloned();
    let (one, other) = tokio::join!(run(one), run(other));
    one.is_none() || other.is_none() || one == other
}

/// Returns the client address that a node advertises for each node.
async fn told(seed: &NodeConnection) -> BTreeMap<NodeId, Address> {
    seed.cluster_slots()
        .await
        .unwrap_or_default()
        .into_iter()
        .flat_map(|owner| owner.endpoints)
        .filter(|endpoint| !endpoint.host.is_empty())
        .map(|endpoint| (endpoint.id, Address::new(endpoint.host, endpoint.port)))
        .collect()
}

fn refused(address: &Address, error: &Error) -> Error {
    let why = error.reason();
    let hint = if why.starts_with("NOAUTH") || why.starts_with("NOPERM") || why.starts_with("WRONGPASS") {
        "Pass the password with --password-env VARIABLE, and the user with --username."
    } else if why.contains("cluster support disabled") {
        "The server is not in cluster mode (cluster-enabled no); only clusters can be validated."
    } else {
        "Pass the client port of any node of the cluster."
    };
    Error::new(
        ErrorKind::Redis,
        format!("cannot read CLUSTER NODES from {address}"),
    )
    .because(why)
    .hint(hint)
}

/// Returns the queried node.
fn myself(seed: &NodeConnection, line: &NodeLine) -> Found {
    let at = if line.ip.is_empty() {
        seed.address().clone()
    } else {
        Address::new(&line.ip, line.port)
    };
    Found {
        id: Some(line.id.clone()),
        replica: !line.is_master(),
        member: Member {
            name: at.to_string(),
            address: at.to_string(),
            link: Ok(seed.clone()),
        },
    }
}

/// Connects to a node at all candidate addresses, and keeps the first connection on which the expected node
/// responds. Also returns the advertised addresses at which another node responds.
async fn member(seed: &NodeConnection, line: &NodeLine, told: Option<&Address>) -> (Found, Vec<String>) {
    let bus = (!line.ip.is_empty()).then(|| Address::new(&line.ip, line.port));
    let named = line.hostname.as_ref().map(|name| Address::new(name, line.port));
    let shown = bus.clone().or_else(|| told.cloned());
    let shown = shown.map_or_else(|| line.id.to_string(), |address| address.to_string());
    // The host of the queried node comes last: it may publish the port of this node.
    let beside = Address::new(&seed.address().host, line.port);
    let mut places: Vec<Address> = Vec::new();
    for place in [told.cloned(), named, bus].into_iter().flatten() {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let announced = places.len();
    if !places.contains(&beside) {
        places.push(beside);
    }
    // Concurrent, because an unreachable address takes the whole connect timeout.
    let tried = join_all(places.iter().map(|address| right(seed, address, &line.id))).await;
    let mut why = "its address is unknown".to_owned();
    let (mut link, mut astray) = (None, Vec::new());
    for (nth, (address, outcome)) in places.iter().zip(tried).enumerate() {
        match outcome {
            Ok(found) => {
                link.get_or_insert(found);
            }
            Err(reason) => {
                if let Wrong::Another(is) = &reason
                    && nth < announced
                {
                    astray.push(format!("{address}: expected {}, but {is} responds", line.id));
                }
                // Report the failure of an advertised address rather than that of a guessed one.
                if nth < announced || announced == 0 {
                    why = format!("{address}: {reason}");
                }
            }
        }
    }
    let found = Found {
        id: Some(line.id.clone()),
        replica: !line.is_master(),
        member: Member {
            name: shown.clone(),
            address: shown,
            link: link.ok_or(why),
        },
    };
    (found, astray)
}

/// Why a candidate address is rejected.
enum Wrong {
    Another(NodeId),
    Silent(String),
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Another(is) => write!(f, "another node responds there: {is}"),
            Self::Silent(why) => f.write_str(why),
        }
    }
}

/// Connects to an address, and fails if another node responds there.
async fn right(seed: &NodeConnection, address: &Address, id: &NodeId) -> Result<NodeConnection, Wrong> {
    let silent = |error: &Error| Wrong::Silent(error.reason());
    let link = match seed.elsewhere(address).await {
        Ok(link) => link,
        Err(error) => return Err(silent(&error)),
    };
    let is = match link.my_id().await {
        Ok(is) => is,
        // An ACL may deny CLUSTER MYID but allow CLUSTER NODES.
        Err(error) => {
            let lines = link.cluster_nodes().await.unwrap_or_default();
            let own = lines.into_iter().find(|line| line.has("myself"));
            match own {
                Some(line) => line.id,
                None => return Err(silent(&error)),
            }
        }
    };
    if is == *id {
        Ok(link)
    } else {
        Err(Wrong::Another(is))
    }
}

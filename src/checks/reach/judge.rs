//! Compares the advertised addresses with the results of the connections to them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::checks::finding::Status;
use crate::checks::reach::advertised::{Dialled, Member, Place, Source, Told};
use crate::checks::reach::clients::{ClientVerdict, Family};
use crate::topology::layout::{Announce, NodeId};

/// The collected data.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The cluster's name.
    pub name: String,
    /// The announce mode of the nodes.
    pub announce: Announce,
    /// The locations from which addresses were tested.
    pub places: Vec<Place>,
    /// Whether the user named the location: then a family that the announce mode does not support fails as well.
    pub insisted: bool,
    /// The nodes.
    pub members: Vec<Member>,
    /// The addresses that they advertise.
    pub told: Vec<Told>,
    /// The results of the connections.
    pub dialled: Vec<Dialled>,
    /// Queries that failed, and why.
    pub unasked: Vec<Unasked>,
}

/// A query that a node did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unasked {
    /// The node.
    pub node: String,
    /// The query, and the answer.
    pub why: String,
}

/// Which node answers at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The node that the address is advertised for.
    Right,
    /// Another node.
    Wrong,
    /// No node.
    Nobody,
}

/// The result for an address from a location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The location.
    pub place: Place,
    /// Which node answers.
    pub outcome: Outcome,
    /// Why the expected node did not answer.
    pub why: Option<String>,
}

/// An address that is advertised to clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddressSeen {
    /// The node that it is advertised for: its name, or its id if the node is not in the plan.
    pub node: String,
    /// `HOST:PORT`; the host is empty if the server reports none.
    pub address: String,
    /// Whether it is the planned address for these responses.
    pub planned: bool,
    /// The responses that contain it.
    pub sources: Vec<Source>,
    /// The nodes that advertise it.
    pub told_by: Vec<String>,
    /// The result from each location.
    pub seen: Vec<Seen>,
}

/// Whether clients can reach every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Whether all queries succeeded and every family works where the announce mode supports it.
    pub passed: bool,
    /// The cluster's name.
    pub name: String,
    /// The announce mode of the nodes.
    pub announce: Announce,
    /// The locations from which addresses were tested.
    pub places: Vec<Place>,
    /// The result for each family and each location.
    pub clients: Vec<ClientVerdict>,
    /// The addresses that are advertised to clients.
    pub addresses: Vec<AddressSeen>,
    /// Queries that failed.
    pub unasked: Vec<Unasked>,
}

/// An advertised address and the node that it is advertised for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Spot<'a> {
    id: &'a NodeId,
    host: &'a str,
    port: u16,
}

/// Determines whether each client family reaches every node.
pub fn judge_reach(evidence: &Evidence) -> Verification {
    let clients: Vec<ClientVerdict> = evidence
        .places
        .iter()
        .flat_map(|place| Family::ALL.map(|family| evidence.verdict(family, *place)))
        .collect();
    Verification {
        passed: evidence.unasked.is_empty() && clients.iter().all(|one| one.status != Status::Fail),
        name: evidence.name.clone(),
        announce: evidence.announce,
        places: evidence.places.clone(),
        clients,
        addresses: evidence.addresses(),
        unasked: evidence.unasked.clone(),
    }
}

impl Evidence {
    fn member(&self, id: &NodeId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == *id)
    }

    /// Returns the node's name, or its id if the node is not in the plan.
    fn name_of(&self, id: &NodeId) -> String {
        self.member(id)
            .map_or_else(|| id.to_string(), |member| member.name.clone())
    }

    fn is_planned(&self, told: &Told) -> bool {
        self.member(&told.endpoint.id).is_some_and(|member| {
            member.port == told.endpoint.port
                && member.planned(self.announce, told.source) == told.endpoint.host
        })
    }

    /// Groups the advertised addresses by node, host and port.
    fn spots<'a>(&'a self, wanted: impl Fn(&Told) -> bool) -> BTreeMap<Spot<'a>, Vec<&'a Told>> {
        let mut spots: BTreeMap<Spot<'a>, Vec<&'a Told>> = BTreeMap::new();
        for told in self.told.iter().filter(|told| wanted(told)) {
            let spot = Spot {
                id: &told.endpoint.id,
                host: &told.endpoint.host,
                port: told.endpoint.port,
            };
            spots.entry(spot).or_default().push(told);
        }
        spots
    }

    fn seen(&self, spot: &Spot<'_>, place: Place) -> Seen {
        let dialled = self
            .dialled
            .iter()
            .find(|one| one.place == place && one.host == spot.host && one.port == spot.port);
        let (outcome, why) = match dialled.map(|one| &one.answer) {
            Some(Ok(id)) if id == spot.id => (Outcome::Right, None),
            Some(Ok(id)) => {
                let other = self.name_of(id);
                (
                    Outcome::Wrong,
                    Some(format!("a different node answers there: {other}")),
                )
            }
            Some(Err(why)) => (Outcome::Nobody, Some(why.clone())),
            None if spot.host.is_empty() => (
                Outcome::Nobody,
                Some(
                    "the server reports no \
                address"
                        .to_owned(),
                ),
            ),
            None => (Outcome::Nobody, Some("not tested".to_owned())),
        };
        Seen { place, outcome, why }
    }

    fn addresses(&self) -> Vec<AddressSeen> {
        let mut all: Vec<(usize, AddressSeen)> = self
            .spots(|_| true)
            .into_iter()
            .map(|(spot, told)| {
                let sources: BTreeSet<Source> = told.iter().map(|one| one.source).collect();
                let index = self.member(spot.id).map_or(usize::MAX, |member| member.index);
                let seen = AddressSeen {
                    node: self.name_of(spot.id),
                    address: format!("{}:{}", spot.host, spot.port),
                    planned: told.iter().all(|one| self.is_planned(one)),
                    sources: sources.into_iter().collect(),
                    told_by: self.tellers(&told),
                    seen: self.places.iter().map(|place| self.seen(&spot, *place)).collect(),
                };
                (index, seen)
            })
            .collect();
        all.sort_by_key(|(index, _)| *index);
        all.into_iter().map(|(_, seen)| seen).collect()
    }

    /// Returns the names of the nodes that advertise it, in node order.
    fn tellers(&self, told: &[&Told]) -> Vec<String> {
        let by: BTreeSet<&NodeId> = told.iter().map(|one| &one.by).collect();
        let known = self.members.iter().filter(|member| by.contains(&member.id));
        known.map(|member| member.name.clone()).collect()
    }

    fn verdict(&self, family: Family, place: Place) -> ClientVerdict {
        let spots = self.spots(|told| family.hears(told.source));
        let all = spots.len();
        let mut broken: Vec<Broken<'_>> = spots
            .into_iter()
            .map(|(spot, told)| {
                let seen = self.seen(&spot, place);
                Broken { spot, told, seen }
            })
            .filter(|one| one.seen.outcome != Outcome::Right)
            .collect();
        broken.sort_by_key(|one| self.member(one.spot.id).map_or(usize::MAX, |member| member.index));
        let detail: Vec<String> = broken.iter().map(|one| self.line(one)).collect();
        let expected = |one: &Broken<'_>| {
            one.seen.outcome == Outcome::Nobody && one.told.iter().all(|told| self.is_planned(told))
        };
        let wanted = family.promised(self.announce, place)
            || (self.insisted && family.promised(self.announce, Place::Host));
        let excused = !wanted && broken.iter().all(expected);
        let (status, summary) = match detail.as_slice() {
            [] if all == 0 => (Status::Fail, "no node reports an address".to_owned()),
            [] => (
                Status::Pass,
                format!("works: all {all} addresses lead to the right node"),
            ),
            [only] => (Status::Fail, only.clone()),
            several => {
                let broken = several.len();
                (
                    Status::Fail,
                    format!("{broken} of {all} addresses do not lead to the right node"),
                )
            }
        };
        let status = if status == Status::Fail && excused {
            Status::Warn
        } else {
            status
        };
        ClientVerdict {
            family,
            place,
            status,
            summary,
            detail,
            remedies: self.remedies(family, place, &broken),
            nat_map: self.nat_map(place, &broken),
        }
    }

    /// `rcup-a-2 is advertised as 10.9.9.9:7002 (SLOTS, MOVED; by 5 of 6 nodes): timed out`
    fn line(&self, broken: &Broken<'_>) -> String {
        let sources: BTreeSet<Source> = broken.told.iter().map(|one| one.source).collect();
        let sources: Vec<&str> = sources.into_iter().map(Source::as_str).collect();
        let tellers = self.tellers(&broken.told);
        let by = match tellers.as_slice() {
            [only] => format!("by {only}"),
            several => format!("by {} of {} nodes", several.len(), self.members.len()),
        };
        let told = if broken.spot.host.is_empty() {
            "without an address".to_owned()
        } else {
            format!("as {}:{}", broken.spot.host, broken.spot.port)
        };
        format!(
            "{} is advertised {told} ({}; {by}): {}",
            self.name_of(broken.spot.id),
            sources.join(", "),
            broken.seen.why.as_deref().unwrap_or("no response"),
        )
    }

    fn remedies(&self, family: Family, place: Place, broken: &[Broken<'_>]) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        let mut add = |remedy: String| {
            if !all.contains(&remedy) {
                all.push(remedy);
            }
        };
        let mut walled = false;
        for one in broken {
            let Some(member) = self.member(one.spot.id) else {
                add(format!(
                    "Node {} is not part of the plan: check `rcup status {}`.",
                    one.spot.id, self.name
                ));
                continue;
            };
            let strays: Vec<&Told> = one
                .told
                .iter()
                .filter(|told| !self.is_planned(told))
                .copied()
                .collect();
            if !strays.is_empty() {
                for remedy in self.settings(member, &strays) {
                    add(remedy);
                }
            } else if one.seen.outcome == Outcome::Wrong {
                add(format!(
                    "Another process uses the address of {}: check `rcup list` and what listens on port {}.",
                    member.name, member.port
                ));
            } else if self.way(member, place).is_none() {
                add(format!(
                    "{} does not respond at any address from {}: check `rcup status {}`.",
                    member.name,
                    place.as_str(),
                    self.name
                ));
            } else {
                walled = true;
            }
        }
        if walled {
            add(match (self.announce, place) {
                (Announce::Ip, Place::Host) => "This host cannot reach the container addresses: recreate \
                    the cluster without --announce, or give the client the address map."
                    .to_owned(),
                (Announce::Hostname, Place::Host) if family == Family::Nodes => {
                    "Use a client that reads CLUSTER SLOTS, or give this one the address map.".to_owned()
                }
                (_, Place::Network) => "Clients in containers need the address map, unless the cluster \
                    uses `--announce ip` and this host can reach the container addresses."
                    .to_owned(),
                (_, Place::Host) => {
                    "The published ports do not respond: check what else listens on them, or give the \
                     client the address map."
                        .to_owned()
                }
            });
        }
        all
    }

    /// Returns the settings to change so that the node is announced as planned.
    fn settings(&self, member: &Member, strays: &[&Told]) -> BTreeSet<String> {
        let set = |node: usize, directive: &str, value: &str| {
            format!(
                "Correct it: `rcup cli {} --node {node} -- CONFIG SET {directive} {value}`.",
                self.name
            )
        };
        let mut all = BTreeSet::new();
        for told in strays {
            let planned = member.planned(self.announce, told.source);
            if told.endpoint.host != planned {
                let own = member.ip.to_string();
                let named = self.announce == Announce::Hostname && told.source != Source::Nodes;
                // The node that sends the response chooses between the IP address and the host name.
                let teller = self.member(&told.by).filter(|_| {
                    named
                        && told.source != Source::NodeNames
                        && (told.endpoint.host == own || told.endpoint.host.is_empty())
                });
                all.insert(match (teller, self.announce) {
                    (Some(teller), _) => set(teller.index, "cluster-preferred-endpoint-type", "hostname"),
                    (None, Announce::ClientIpv4) => {
                        set(member.index, "cluster-announce-client-ipv4", &planned)
                    }
                    (None, _) if named => set(member.index, "cluster-announce-hostname", &planned),
                    (None, _) if told.endpoint.host.is_empty() => {
                        let teller = self.member(&told.by).map_or(member.index, |teller| teller.index);
                        set(teller, "cluster-preferred-endpoint-type", "ip")
                    }
                    (None, _) => set(member.index, "cluster-announce-ip", &planned),
                });
            }
            if told.endpoint.port != member.port {
                all.insert(set(member.index, "cluster-announce-port", "0"));
                all.insert(set(member.index, "cluster-announce-tls-port", "0"));
            }
        }
        all
    }

    /// Returns an address at which the node answers from a location.
    fn way(&self, member: &Member, place: Place) -> Option<String> {
        member
            .ways(place)
            .into_iter()
            .find(|(host, port)| {
                self.dialled.iter().any(|one| {
                    one.place == place
                        && one.host == *host
                        && one.port == *port
                        && one.answer.as_ref() == Ok(&member.id)
                })
            })
            .map(|(host, port)| format!("{host}:{port}"))
    }

    fn nat_map(&self, place: Place, broken: &[Broken<'_>]) -> BTreeMap<String, String> {
        let mut map = BTreeMap::new();
        for one in broken {
            let way = self
                .member(one.spot.id)
                .filter(|_| !one.spot.host.is_empty())
                .and_then(|member| self.way(member, place));
            let Some(way) = way else {
                return BTreeMap::new();
            };
            let told = format!("{}:{}", one.spot.host, one.spot.port);
            // A map cannot distinguish two nodes with the same advertised address.
            if map.insert(told, way.clone()).is_some_and(|other| other != way) {
                return BTreeMap::new();
            }
        }
        map
    }
}

/// An advertised address that does not reach its node.
struct Broken<'a> {
    spot: Spot<'a>,
    told: Vec<&'a Told>,
    seen: Seen,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::wire::reply::Endpoint;
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::modes::AnnounceChoice;
    use crate::spec::server::Engine;
    use crate::topology::layout::Topology;
    use crate::topology::layout::tests::placement;

    /// Returns a healthy cluster with an announce mode. `reach` decides which hosts are reachable from a
    /// location.
    fn evidence(announce: AnnounceChoice, reach: impl Fn(Place, &str) -> bool) -> Evidence {
        let spec = ClusterSpec::builder().announce(announce).build().unwrap();
        let topology = Topology::new(&spec, &placement(Engine::Valkey, "8.1.1")).unwrap();
        let members: Vec<Member> = topology
            .nodes
            .iter()
            .map(|node| Member {
                index: node.index,
                name: node.name.clone(),
                id: node.id.clone(),
                ip: node.ip,
                published: *node.host_address().ip(),
                port: node.port,
            })
            .collect();
        let mut evidence = Evidence {
            name: "default".to_owned(),
            announce: topology.announce,
            places: vec![Place::Host, Place::Network],
            insisted: false,
            members: members.clone(),
            told: Vec::new(),
            dialled: Vec::new(),
            unasked: Vec::new(),
        };
        for by in &members {
            for source in [
                Source::Slots,
                Source::Shards,
                Source::Nodes,
                Source::NodeNames,
                Source::Moved,
                Source::Ask,
            ] {
                evidence.told.extend(members.iter().map(|member| Told {
                    by: by.id.clone(),
                    source,
                    endpoint: Endpoint {
                        host: member.planned(topology.announce, source),
                        port: member.port,
                        id: member.id.clone(),
                    },
                }));
            }
        }
        for member in &members {
            for place in [Place::Host, Place::Network] {
                for host in [member.ip.to_string(), member.published.to_string()] {
                    let answer = if reach(place, &host) {
                        Ok(member.id.clone())
                    } else {
                        Err("Connection refused".to_owned())
                    };
                    evidence.dialled.push(Dialled {
                        place,
                        host,
                        port: member.port,
                        answer,
                    });
                }
            }
        }
        evidence
    }

    /// Docker on native Linux: the host reaches every address, containers reach only the bridge.
    fn linux(place: Place, host: &str) -> bool {
        place == Place::Host || host != "127.0.0.1"
    }

    /// Docker in a virtual machine: the host reaches only the published ports.
    fn walled(place: Place, host: &str) -> bool {
        (place == Place::Host) == (host == "127.0.0.1")
    }

    fn of(verification: &Verification, family: Family, place: Place) -> &ClientVerdict {
        let mut all = verification.clients.iter();
        all.find(|one| one.family == family && one.place == place)
            .unwrap()
    }

    /// Returns the statuses of a location, in the order of the families.
    fn statuses(verification: &Verification, place: Place) -> Vec<Status> {
        Family::ALL
            .map(|family| of(verification, family, place).status)
            .to_vec()
    }

    #[test]
    fn where_the_bridge_is_reached_addresses_serve_everybody() {
        let told = judge_reach(&evidence(AnnounceChoice::Ip, linux));
        assert!(told.passed, "{told:#?}");
        assert_eq!(statuses(&told, Place::Host), [Status::Pass; 5]);
        assert_eq!(statuses(&told, Place::Network), [Status::Pass; 5]);
        assert_eq!(told.addresses.len(), 6);
        assert!(told.addresses.iter().all(|address| address.planned));
    }

    #[test]
    fn a_wall_before_the_bridge_is_told_with_a_map_that_helps() {
        let told = judge_reach(&evidence(AnnounceChoice::Ip, walled));
        assert!(!told.passed);
        assert_eq!(statuses(&told, Place::Host), [Status::Fail; 5]);
        assert_eq!(statuses(&told, Place::Network), [Status::Pass; 5]);
        let verdict = of(&told, Family::Slots, Place::Host);
        assert_eq!(verdict.nat_map["10.213.0.3:7002"], "127.0.0.1:7002");
        assert_eq!(verdict.nat_map.len(), 6);
        assert!(verdict.remedies[0].contains("without --announce"), "{verdict:#?}");
    }

    #[test]
    fn what_a_way_of_announcing_does_not_promise_is_a_warning_unless_asked_for() {
        for (announce, nodes) in [
            (AnnounceChoice::Hostname, Status::Warn),
            (AnnounceChoice::ClientIpv4, Status::Pass),
        ] {
            let mut collected = evidence(announce, walled);
            let told = judge_reach(&collected);
            assert!(told.passed, "{told:#?}");
            let expected = [Status::Pass, Status::Pass, nodes, Status::Pass, Status::Pass];
            assert_eq!(statuses(&told, Place::Host), expected, "{announce:?}");
            let inside = of(&told, Family::Slots, Place::Network);
            assert_eq!(inside.status, Status::Warn);
            assert_eq!(inside.nat_map["127.0.0.1:7002"], "10.213.0.3:7002");
            collected.places = vec![Place::Network];
            collected.insisted = true;
            let told = judge_reach(&collected);
            assert_eq!(of(&told, Family::Slots, Place::Network).status, Status::Fail);
            assert!(!told.passed);
        }
    }

    #[test]
    fn a_node_that_announces_a_wrong_address_is_named_with_the_setting() {
        let mut collected = evidence(AnnounceChoice::Ip, linux);
        for told in &mut collected.told {
            if told.endpoint.port == 7002 {
                told.endpoint.host = "10.9.9.9".to_owned();
            }
        }
        for place in [Place::Host, Place::Network] {
            collected.dialled.push(Dialled {
                place,
                host: "10.9.9.9".to_owned(),
                port: 7002,
                answer: Err("timed out".to_owned()),
            });
        }
        let told = judge_reach(&collected);
        assert!(!told.passed);
        let verdict = of(&told, Family::Nodes, Place::Network);
        assert_eq!(
            verdict.detail,
            ["rcup-default-2 is advertised as 10.9.9.9:7002 (NODES, MOVED, ASK; by 6 of 6 nodes): timed out"]
        );
        assert_eq!(
            verdict.remedies,
            ["Correct it: `rcup cli default --node 2 -- CONFIG SET cluster-announce-ip 10.213.0.3`."]
        );
        assert_eq!(verdict.nat_map["10.9.9.9:7002"], "10.213.0.3:7002");
    }

    #[test]
    fn a_node_that_prefers_the_wrong_name_is_the_one_to_set() {
        let mut collected = evidence(AnnounceChoice::Hostname, walled);
        let teller = collected.members[3].id.clone();
        for told in &mut collected.told {
            if told.by == teller && told.source == Source::Moved {
                let about = collected
                    .members
                    .iter()
                    .find(|one| one.id == told.endpoint.id)
                    .unwrap();
                told.endpoint.host = about.ip.to_string();
            }
        }
        let told = judge_reach(&collected);
        let verdict = of(&told, Family::Redirections, Place::Host);
        assert_eq!(verdict.status, Status::Fail);
        assert_eq!(
            verdict.remedies,
            [
                "Correct it: `rcup cli default --node 4 -- CONFIG SET cluster-preferred-endpoint-type \
                 hostname`."
            ]
        );
    }

    #[test]
    fn another_node_at_an_address_is_never_excused() {
        let mut collected = evidence(AnnounceChoice::Hostname, walled);
        let other = collected.members[0].id.clone();
        for dialled in &mut collected.dialled {
            if dialled.place == Place::Network && dialled.host == "127.0.0.1" && dialled.port == 7002 {
                dialled.answer = Ok(other.clone());
            }
        }
        let told = judge_reach(&collected);
        let verdict = of(&told, Family::Slots, Place::Network);
        assert_eq!(verdict.status, Status::Fail);
        assert!(verdict.detail[1].contains("a different node answers there: rcup-default-1"));
    }

    #[test]
    fn who_could_not_be_asked_spoils_the_proof() {
        let mut collected = evidence(AnnounceChoice::Ip, linux);
        collected.unasked.push(Unasked {
            node: "rcup-default-5".to_owned(),
            why: "it does not answer".to_owned(),
        });
        assert!(!judge_reach(&collected).passed);
        collected.unasked.clear();
        collected.told.clear();
        assert!(!judge_reach(&collected).passed, "nothing was told");
    }
}

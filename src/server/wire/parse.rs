//! Parsers for the replies of a node.

use std::collections::BTreeMap;

use ::redis::Value;

use crate::server::wire::reply::{Endpoint, NodeLine, Replication, SlotOwner};
use crate::topology::layout::NodeId;
use crate::topology::slots::SlotRange;

/// Parses the `name:value` lines of `CLUSTER INFO` and `INFO`. Skips section titles (`# Replication`).
pub(crate) fn fields(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim_end().to_owned()))
        .collect()
}

/// Parses `CLUSTER NODES`. Skips invalid lines; the node count then shows the difference.
pub(crate) fn nodes(text: &str) -> Vec<NodeLine> {
    text.lines().filter_map(node).collect()
}

/// Parses `<id> <ip:port@bus[,hostname[,aux=value…]]> <flags> <master> <ping> <pong> <epoch> <link> <slot>…`.
fn node(line: &str) -> Option<NodeLine> {
    let mut words = line.split(' ');
    let id = NodeId(words.next()?.to_owned());
    let address = words.next()?;
    let flags = words
        .next()?
        .split(',')
        .filter(|flag| *flag != "noflags")
        .map(str::to_owned)
        .collect();
    let master = Some(words.next()?)
        .filter(|id| *id != "-")
        .map(|id| NodeId(id.to_owned()));
    let ping = words.next()?.parse().ok()?;
    let pong = words.next()?.parse().ok()?;
    let epoch = words.next()?.parse().ok()?;
    let connected = words.next()? == "connected";
    let (mut slots, mut moving) = (Vec::new(), Vec::new());
    for word in words.filter(|word| !word.is_empty()) {
        if word.starts_with('[') {
            moving.push(word.to_owned());
        } else {
            slots.push(range(word)?);
        }
    }
    let mut parts = address.split(',');
    let (socket, hostname) = (parts.next()?, parts.next());
    // An IPv6 address contains colons, so the port follows the last one.
    let (ip, ports) = socket.rsplit_once(':')?;
    let (port, bus) = ports.split_once('@').unwrap_or((ports, "0"));
    let port = port.parse().ok()?;
    Some(NodeLine {
        id,
        ip: ip.to_owned(),
        port,
        bus: bus.parse().unwrap_or_default(),
        hostname: hostname.filter(|name| !name.is_empty()).map(str::to_owned),
        flags,
        master,
        ping,
        pong,
        epoch,
        connected,
        slots,
        moving,
    })
}

fn range(word: &str) -> Option<SlotRange> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some(SlotRange::new(first.parse().ok()?, last.parse().ok()?))
}

/// Parses `INFO replication`.
pub(crate) fn replication(text: &str) -> Replication {
    let fields = fields(text);
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    let replica = field("role") == "slave";
    let offset = if replica {
        "slave_repl_offset"
    } else {
        "master_repl_offset"
    };
    Replication {
        replica,
        link_up: field("master_link_status") == "up",
        offset: field(offset).parse().unwrap_or_default(),
    }
}

/// Parses `CLUSTER SLOTS`: `[first, last, [host, port, id, …], [host, port, id, …]…]…`. Returns `None` if an entry
/// has another form.
pub(crate) fn slots(answer: &Value) -> Option<Vec<SlotOwner>> {
    let Value::Array(entries) = answer else {
        return None;
    };
    entries.iter().map(owner).collect()
}

fn owner(entry: &Value) -> Option<SlotOwner> {
    let Value::Array(parts) = entry else { return None };
    let [Value::Int(first), Value::Int(last), nodes @ ..] = parts.as_slice() else {
        return None;
    };
    let endpoints = nodes.iter().map(endpoint).collect::<Option<Vec<_>>>()?;
    Some(SlotOwner {
        slots: SlotRange::new(u16::try_from(*first).ok()?, u16::try_from(*last).ok()?),
        endpoints,
    })
}

fn endpoint(node: &Value) -> Option<Endpoint> {
    let Value::Array(parts) = node else { return None };
    let [host, Value::Int(port), id, ..] = parts.as_slice() else {
        return None;
    };
    Some(Endpoint {
        host: text(host),
        port: u16::try_from(*port).ok()?,
        id: NodeId(text(id)),
    })
}

/// Parses `CLUSTER SHARDS`: the slots and the nodes of each shard. Clients use a node's endpoint and one of its
/// ports. Returns `None` if an entry has another form.
pub(crate) fn shards(answer: &Value, tls: bool) -> Option<Vec<Endpoint>> {
    let Value::Array(shards) = answer else {
        return None;
    };
    let mut endpoints = Vec::new();
    for shard in shards {
        let Value::Array(nodes) = field(shard, "nodes")? else {
            return None;
        };
        for node in nodes {
            let Value::Int(port) = field(node, if tls { "tls-port" } else { "port" })? else {
                return None;
            };
            endpoints.push(Endpoint {
                host: text(field(node, "endpoint")?),
                port: u16::try_from(*port).ok()?,
                id: NodeId(text(field(node, "id")?)),
            });
        }
    }
    Some(endpoints)
}

/// Returns a field of a map, or of a list of names and values.
fn field<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    match map {
        Value::Map(pairs) => pairs
            .iter()
            .find(|(own, _)| text(own) == name)
            .map(|(_, value)| value),
        Value::Array(values) => values
            .chunks_exact(2)
            .find(|pair| text(&pair[0]) == name)
            .map(|pair| &pair[1]),
        _ => None,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lines_of_all_versions_are_read() {
        let text = "\
07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004,hostname4 slave e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected
67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 127.0.0.1:30002@31002,,tls-port=0,shard-id=69bc myself,master - 0 0 2 connected 5461-10922 [93-<-292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f]
292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f :0@0 master,fail?,noaddr - 1 2 3 disconnected 0 2-3
6ec23923021cf3ffec47632106199cb7f496ce01 fe80::1:30005@31005 handshake - 0 0 0 connected
";
        let lines = nodes(text);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0].hostname.as_deref(), Some("hostname4"));
        assert_eq!((lines[0].port, lines[0].bus), (30004, 31004));
        assert_eq!(
            lines[0].master.as_ref().unwrap().0,
            "e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca"
        );
        assert!(lines[1].has("myself") && lines[1].is_master() && lines[1].hostname.is_none());
        assert_eq!(lines[1].slots, [SlotRange::new(5461, 10922)]);
        assert_eq!(lines[1].moving.len(), 1);
        assert_eq!(lines[1].epoch, 2);
        assert_eq!((lines[0].pong, lines[1].pong), (1_426_238_317_239, 0));
        assert_eq!(lines[2].troubles().collect::<Vec<_>>(), ["fail?", "noaddr"]);
        assert_eq!(lines[2].slots, [SlotRange::new(0, 0), SlotRange::new(2, 3)]);
        assert!(!lines[2].connected);
        assert_eq!((lines[3].ip.as_str(), lines[3].port), ("fe80::1", 30005));
    }

    #[test]
    fn a_replica_tells_of_its_link() {
        let read =
            replication("# Replication\r\nrole:slave\r\nmaster_link_status:up\r\nslave_repl_offset:42\r\n");
        assert_eq!(
            read,
            Replication {
                replica: true,
                link_up: true,
                offset: 42
            }
        );
        let read = replication("role:master\r\nmaster_repl_offset:7\r\n");
        assert_eq!(
            read,
            Replication {
                replica: false,
                link_up: false,
                offset: 7
            }
        );
    }

    #[test]
    fn an_endpoint_may_be_unknown() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let node =
            |host: Value| Value::Array(vec![host, Value::Int(7001), bulk("abc"), Value::Array(vec![])]);
        let answer = Value::Array(vec![Value::Array(vec![
            Value::Int(0),
            Value::Int(5460),
            node(bulk("10.0.0.1")),
            node(Value::Nil),
        ])]);
        let owners = slots(&answer).unwrap();
        assert_eq!(owners[0].endpoints[0].host, "10.0.0.1");
        assert_eq!(owners[0].endpoints[1].host, "");
        assert!(slots(&Value::Array(vec![Value::Nil])).is_none());
    }

    #[test]
    fn shards_are_read_from_lists_and_from_maps() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let fields = |tls: bool| {
            let mut fields = vec![
                (bulk("id"), bulk("abc")),
                (bulk("port"), Value::Int(7001)),
                (bulk("ip"), bulk("10.0.0.1")),
                (bulk("endpoint"), bulk("127.0.0.1")),
                (bulk("health"), bulk("online")),
            ];
            if tls {
                fields[1] = (bulk("tls-port"), Value::Int(7001));
            }
            fields
        };
        let list = |pairs: Vec<(Value, Value)>| {
            Value::Array(
                pairs
                    .into_iter()
                    .flat_map(|(name, value)| [name, value])
                    .collect(),
            )
        };
        let shard = |node: Value| {
            Value::Array(vec![list(vec![
                (bulk("slots"), Value::Array(vec![])),
                (bulk("nodes"), Value::Array(vec![node])),
            ])])
        };
        let told = [Endpoint {
            host: "127.0.0.1".to_owned(),
            port: 7001,
            id: NodeId("abc".to_owned()),
        }];
        assert_eq!(shards(&shard(list(fields(false))), false).unwrap(), told);
        assert_eq!(shards(&shard(Value::Map(fields(true))), true).unwrap(), told);
        assert!(shards(&shard(Value::Map(fields(true))), false).is_none());
        assert!(shards(&Value::Nil, false).is_none());
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_parsers_fall_over(text in "\\PC{0,200}") {
            let _ = nodes(&text);
            let _ = replication(&text);
        }
    }
}

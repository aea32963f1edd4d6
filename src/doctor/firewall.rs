//! Checks whether a rule of the host's firewall blocks traffic between nodes.
//!
//! Packets between two containers on one bridge pass the host's FORWARD chain if the kernel hands bridged
//! packets to iptables. The container engine accepts packets within its own networks, but only after the
//! rules that precede its own: the DOCKER-USER chain and any rules inserted before it. The check evaluates
//! these rules for one packet per port.

use ipnet::Ipv4Net;

use crate::doctor::finding::{Finding, Severity};

/// Firewall rules and the traffic that they must accept.
#[derive(Clone, Debug)]
pub struct FirewallFacts {
    /// Whether bridged packets pass iptables (`net.bridge.bridge-nf-call-iptables`).
    pub bridged: bool,
    /// Output of `iptables-save -t filter`, for each of the kernel's two rule sets (`nf_tables` and legacy)
    /// that is in use.
    pub dumps: Vec<String>,
    /// nftables chains that drop forwarded packets by default and do not belong to iptables.
    pub strict_chains: Vec<String>,
    /// The nodes' subnet.
    pub subnet: Ipv4Net,
    /// Client ports and bus ports.
    pub ports: Vec<u16>,
}

/// Result of evaluating the rules for a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// The packet is accepted.
    Passes,
    /// This rule drops the packet.
    Cut(String),
    /// This rule may drop the packet; it has a condition that rcup does not interpret.
    Perhaps(String),
    /// No rule matches.
    Open,
}

const GUIDE: &str = "guide: network and firewall";

/// Returns the firewall finding.
pub(crate) fn judge(facts: &FirewallFacts) -> Finding {
    let wanted = "nodes can reach each other on client and bus ports";
    let why =
        "nodes that cannot reach each other on the bus port cannot form a cluster, or mark each other failed";
    let finding = |severity, found: String| {
        Finding::new("firewall", severity, found, wanted)
            .why(why, GUIDE)
            .advise(
                format!("sudo iptables -I FORWARD -s {0} -d {0} -j ACCEPT", facts.subnet),
                Some("sudo apt-get install iptables-persistent && sudo netfilter-persistent save".to_owned()),
            )
    };
    let verdicts: Vec<(u16, Verdict)> = facts
        .ports
        .iter()
        .filter(|_| facts.bridged)
        .flat_map(|port| {
            facts
                .dumps
                .iter()
                .map(|dump| (*port, verdict(dump, facts.subnet, *port)))
        })
        .collect();
    let cut = verdicts.iter().find_map(|(port, verdict)| match verdict {
        Verdict::Cut(rule) => Some((port, rule)),
        _ => None,
    });
    let perhaps = verdicts.iter().find_map(|(port, verdict)| match verdict {
        Verdict::Perhaps(rule) => Some((port, rule)),
        _ => None,
    });
    match (cut, perhaps, facts.strict_chains.first()) {
        (Some((port, rule)), _, _) => finding(
            Severity::Fail,
            format!("port {port} between nodes is blocked by `{rule}`"),
        ),
        (None, Some((port, rule)), _) => finding(
            Severity::Warn,
            format!("port {port} between nodes may be blocked by `{rule}`"),
        ),
        (None, None, Some(chain)) => finding(
            Severity::Warn,
            format!("{chain} of nftables drops unmatched packets"),
        )
        .advise(
            format!(
                "Allow traffic within {}; with firewalld: sudo firewall-cmd --zone=trusted --add-source={}",
                facts.subnet, facts.subnet
            ),
            Some(format!(
                "sudo firewall-cmd --permanent --zone=trusted --add-source={}",
                facts.subnet
            )),
        ),
        (None, None, None) if !facts.bridged => finding(
            Severity::Ok,
            "iptables does not filter bridged packets".to_owned(),
        ),
        (None, None, None) => finding(Severity::Ok, "no rule blocks traffic between nodes".to_owned()),
    }
}

/// Evaluates the rules for the first packet of a connection between two nodes.
fn verdict(dump: &str, subnet: Ipv4Net, port: u16) -> Verdict {
    match walk(dump, "FORWARD", subnet, port, 0) {
        Verdict::Open if policy(dump) == "DROP" => Verdict::Cut("-P FORWARD DROP".to_owned()),
        Verdict::Open => Verdict::Passes,
        decided => decided,
    }
}

fn policy(dump: &str) -> &str {
    dump.lines()
        .find_map(|line| line.strip_prefix(":FORWARD ")?.split_whitespace().next())
        .unwrap_or("ACCEPT")
}

fn walk(dump: &str, chain: &str, subnet: Ipv4Net, port: u16, depth: usize) -> Verdict {
    let mut perhaps = None;
    for line in dump.lines() {
        let Some(rule) = line.strip_prefix("-A ").and_then(|rest| {
            let (of, rule) = rest.split_once(' ')?;
            (of == chain).then_some(rule)
        }) else {
            continue;
        };
        let words = words(rule);
        let Some(target) = after(&words, &["-j", "-g"]) else {
            continue;
        };
        let met = meets(&words, subnet, port);
        if met == Some(false) {
            continue;
        }
        let certain = met == Some(true);
        let verdict = match target.as_str() {
            "DROP" | "REJECT" => Verdict::Cut(line.to_owned()),
            "ACCEPT" => Verdict::Passes,
            "RETURN" if certain => return perhaps.unwrap_or(Verdict::Open),
            // The container engine's own chains accept packets within one bridge.
            own if own.starts_with("DOCKER") && own != "DOCKER-USER" => Verdict::Passes,
            own if depth < 16 => walk(dump, own, subnet, port, depth + 1),
            _ => Verdict::Open,
        };
        match verdict {
            Verdict::Open => {}
            Verdict::Passes if !certain => {}
            Verdict::Cut(rule) if !certain => {
                perhaps.get_or_insert(Verdict::Perhaps(rule));
            }
            Verdict::Perhaps(rule) => {
                perhaps.get_or_insert(Verdict::Perhaps(rule));
            }
            decided => return perhaps.unwrap_or(decided),
        }
    }
    perhaps.unwrap_or(Verdict::Open)
}

/// Splits a rule into words; a quoted string is one word.
fn words(rule: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in rule.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => {
                if let Some(word) = words.last_mut() {
                    word.push(other);
                }
            }
        }
    }
    words
}

fn after(words: &[String], flags: &[&str]) -> Option<String> {
    let at = words.iter().position(|word| flags.contains(&word.as_str()))?;
    words.get(at + 1).cloned()
}

/// Returns whether the packet matches the rule; `None` if rcup does not interpret one of its conditions.
fn meets(words: &[String], subnet: Ipv4Net, port: u16) -> Option<bool> {
    let mut unknown = false;
    let mut inverted = false;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let value = words.get(at + 1).map_or("", String::as_str);
        let met = match word.as_str() {
            "!" => {
                inverted = true;
                at += 1;
                continue;
            }
            "-j" | "-g" => break,
            "-m" => match value {
                "tcp" | "multiport" | "comment" | "conntrack" | "state" => Some(true),
                _ => None,
            },
            "--comment" => Some(true),
            "-p" => Some(matches!(value, "tcp" | "all")),
            "-s" | "-d" => value
                .parse::<Ipv4Net>()
                .or_else(|_| format!("{value}/32").parse())
                .ok()
                .map(|net| net.contains(&subnet.network()) || subnet.contains(&net.network())),
            "-i" | "-o" => Some(is_a_bridge(value)),
            "--dport" | "--dports" => Some(has_port(value, port)),
            "--ctstate" | "--state" => Some(value.split(',').any(|state| state == "NEW")),
            // This includes `--sport`: a client's port is any ephemeral port.
            _ => None,
        };
        // The rule may match only a part of the subnet, or all but a part, so it does not decide for all
        // nodes.
        let met = if inverted { met.map(|met| !met) } else { met };
        inverted = false;
        match met {
            Some(false) => return Some(false),
            Some(true) => {}
            None => unknown = true,
        }
        at += 2;
    }
    (!unknown).then_some(true)
}

/// Returns whether the pattern matches the bridge of a network that does not exist yet. Such bridges are
/// named `br-` and an id that is not known in advance.
fn is_a_bridge(pattern: &str) -> bool {
    pattern
        .strip_suffix('+')
        .is_some_and(|start| "br-".starts_with(start))
}

fn has_port(list: &str, port: u16) -> bool {
    list.split(',').any(|part| match part.split_once(':') {
        Some((first, last)) => first.parse().unwrap_or(0) <= port && port <= last.parse().unwrap_or(u16::MAX),
        None => part.parse() == Ok(port),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKER: &str = ":FORWARD DROP [0:0]\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j \
        DOCKER-ISOLATION-STAGE-1\n\
                          -A FORWARD -o docker0 -j DOCKER\n-A DOCKER-ISOLATION-STAGE-1 -j RETURN\n";

    fn with(rules: &str) -> Finding {
        judge(&FirewallFacts {
            bridged: true,
            dumps: vec![format!("{rules}{DOCKER}-A DOCKER-USER -j RETURN\n")],
            strict_chains: Vec::new(),
            subnet: "10.213.0.0/26".parse().unwrap(),
            ports: vec![7001, 17001],
        })
    }

    #[test]
    fn the_engines_own_rules_let_node_reach_node() {
        assert_eq!(with("").severity, Severity::Ok);
    }

    #[test]
    fn rules_that_meet_the_packet_cut_it() {
        for rule in [
            "-A DOCKER-USER -j DROP",
            "-A DOCKER-USER ! -i eth0 -j DROP",
            "-A DOCKER-USER -i br-+ -o br-+ -j REJECT --reject-with icmp-port-unreachable",
            "-A DOCKER-USER -s 10.0.0.0/8 -p tcp -m tcp --dport 17000:17100 -j DROP",
            "-A DOCKER-USER -p tcp -m multiport --dports 22,7001 -m comment --comment \"no -j ACCEPT \
             here\" -j DROP",
            "-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A DOCKER-USER -j DROP",
            "-A FORWARD -j walls\n-A walls -d 10.213.0.0/16 -j DROP",
        ] {
            let finding = with(&format!("{rule}\n"));
            assert_eq!(finding.severity, Severity::Fail, "{rule}: {}", finding.found);
        }
        let finding = with("-A DOCKER-USER -p tcp -m tcp --dport 17001 -j DROP\n");
        assert_eq!(
            finding.found,
            "port 17001 between nodes is blocked by `-A DOCKER-USER -p tcp -m tcp --dport 17001 -j DROP`"
        );
        assert_eq!(
            finding.fix.as_deref(),
            Some("sudo iptables -I FORWARD -s 10.213.0.0/26 -d 10.213.0.0/26 -j ACCEPT")
        );
    }

    #[test]
    fn rules_for_other_packets_do_not() {
        for rule in [
            "-A DOCKER-USER -i eth0 -j DROP",
            "-A DOCKER-USER -s 192.168.0.0/16 -j DROP",
            "-A DOCKER-USER -p udp -j DROP",
            "-A DOCKER-USER -p tcp -m tcp --dport 22 -j DROP",
            "-A DOCKER-USER -m conntrack --ctstate INVALID -j DROP",
            "-A DOCKER-USER -j RETURN\n-A DOCKER-USER -j DROP",
            "-A FORWARD -s 10.213.0.0/26 -d 10.213.0.0/26 -j ACCEPT\n-A DOCKER-USER -j DROP",
            "-A DOCKER-USER ! -p tcp -j DROP",
        ] {
            let finding = with(&format!("{rule}\n"));
            assert_eq!(finding.severity, Severity::Ok, "{rule}: {}", finding.found);
        }
    }

    #[test]
    fn what_is_not_understood_is_said_with_a_perhaps() {
        let finding = with("-A DOCKER-USER -m set --match-set office src -j DROP\n");
        assert_eq!(finding.severity, Severity::Warn);
        assert!(finding.found.contains("may be blocked"), "{}", finding.found);
        assert_eq!(
            with("-A DOCKER-USER -m limit --limit 5/min -j LOG\n").severity,
            Severity::Ok
        );
    }

    #[test]
    fn without_an_engine_that_cares_the_policy_decides() {
        let mut facts = FirewallFacts {
            bridged: true,
            dumps: vec![":FORWARD DROP [0:0]\n".to_owned()],
            strict_chains: Vec::new(),
            subnet: "10.213.0.0/26".parse().unwrap(),
            ports: vec![7001],
        };
        assert_eq!(judge(&facts).severity, Severity::Fail);
        facts.bridged = false;
        assert_eq!(judge(&facts).severity, Severity::Ok);
        facts.strict_chains = vec!["filter_FORWARD of firewalld".to_owned()];
        assert_eq!(judge(&facts).severity, Severity::Warn);
    }
}

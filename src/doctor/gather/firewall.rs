//! Reads the rules of the host's firewall, if this user has permission.

use std::process::Stdio;

use ipnet::Ipv4Net;
use serde::Deserialize;

use crate::doctor::finding::Fact;
use crate::doctor::firewall::FirewallFacts;

/// Reads the rules that apply to packets within `subnet` to `ports`.
pub(crate) async fn rules(subnet: Ipv4Net, ports: Vec<u16>) -> Fact<FirewallFacts> {
    let bridged = std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables")
        .is_ok_and(|text| text.trim() == "1");
    if !rustix::process::geteuid().is_root() {
        return Err("only root can read the rules: sudo rcup doctor".to_owned());
    }
    // `iptables-legacy-save` creates a missing table, so it is called only for an existing one.
    let old = std::fs::read_to_string("/proc/net/ip_tables_names")
        .is_ok_and(|names| names.lines().any(|name| name == "filter"));
    let (new, old, nft) = tokio::join!(
        printed("iptables-nft-save", &["-t", "filter"]),
        async {
            if old {
                printed("iptables-legacy-save", &["-t", "filter"]).await
            } else {
                None
            }
        },
        printed("nft", &["-j", "list", "chains"]),
    );
    let mut dumps: Vec<String> = [new, old].into_iter().flatten().collect();
    if dumps.is_empty() {
        dumps.extend(printed("iptables-save", &["-t", "filter"]).await);
    }
    if bridged && dumps.is_empty() && nft.is_none() {
        return Err("neither iptables-save nor nft is installed".to_owned());
    }
    Ok(FirewallFacts {
        bridged,
        dumps,
        strict_chains: nft.map(|json| strict_chains(&json)).unwrap_or_default(),
        subnet,
        ports,
    })
}

async fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = tokio::process::Command::new(program)
        .args(arguments)
        // Administration tools are not on every user's PATH.
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(5), output)
        .await
        .ok()?
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[derive(Deserialize)]
struct Ruleset {
    nftables: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    chain: Option<Chain>,
}

#[derive(Deserialize)]
struct Chain {
    family: String,
    table: String,
    name: String,
    hook: Option<String>,
    policy: Option<String>,
}

/// Returns the chains that drop forwarded packets by default. Chains of iptables are evaluated with the
/// iptables rules, and those of the container engine accept its own networks.
fn strict_chains(json: &str) -> Vec<String> {
    let ruleset = serde_json::from_str::<Ruleset>(json).map_or_else(|_| Vec::new(), |set| set.nftables);
    ruleset
        .into_iter()
        .filter_map(|object| object.chain)
        .filter(|chain| chain.hook.as_deref() == Some("forward") && chain.policy.as_deref() == Some("drop"))
        .filter(|chain| chain.table != "filter" && !chain.table.starts_with("docker"))
        .map(|chain| format!("chain {} of table {} {}", chain.name, chain.family, chain.table))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strict_chains_of_others_are_told() {
        let json = r#"{"nftables": [{"metainfo": {"version": "1.0.6"}},
            {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}},
            {"chain": {"family": "inet", "table": "wall", "name": "fwd", "hook": "forward", "prio": 0, "policy": "drop"}},
            {"chain": {"family": "inet", "table": "wall", "name": "in", "hook": "input", "policy": "drop"}},
            {"chain": {"family": "inet", "table": "wall", "name": "plain"}}]}"#;
        assert_eq!(strict_chains(json), ["chain fwd of table inet wall"]);
        assert!(strict_chains("nonsense").is_empty());
    }
}

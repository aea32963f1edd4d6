//! Information about the container engine and its host.

use std::time::{Duration, SystemTime};

use bollard::models::{NetworkInspect, SystemInfo};
use ipnet::Ipv4Net;

use crate::runtime::interface::EngineDetails;
use crate::runtime::network::NetworkDetails;

/// Converts Docker's type.
pub(crate) fn details(info: SystemInfo) -> EngineDetails {
    let number = |value: Option<i64>| {
        value
            .and_then(|value| u64::try_from(value).ok())
            .unwrap_or_default()
    };
    let root = info.docker_root_dir.unwrap_or_default();
    let podman = is_podman(info.product_license.as_deref(), &root);
    EngineDetails {
        name: info.name.unwrap_or_default(),
        system: info.operating_system.unwrap_or_default(),
        kernel: info.kernel_version.unwrap_or_default(),
        driver: info.driver.unwrap_or_default(),
        cgroup: info
            .cgroup_version
            .map(|version| version.to_string())
            .unwrap_or_default(),
        limits_memory: info.memory_limit.unwrap_or_default(),
        rootless: info
            .security_options
            .unwrap_or_default()
            .iter()
            .any(|option| option.contains("name=rootless"))
            || (podman && is_rootless_storage(&root)),
        podman,
        cores: number(info.ncpu),
        memory: number(info.mem_total),
        root,
        time: info.system_time.as_deref().and_then(time),
    }
}

/// Detects Podman, which reports its own license and the directory of its storage library.
fn is_podman(license: Option<&str>, root: &str) -> bool {
    license == Some("Apache-2.0") || root.ends_with("/containers/storage")
}

/// Detects rootless Podman 4.3 by its directory below the user's home. It reports `"Rootless": true` beside the
/// fields of Docker's API, which the client drops, and no `name=rootless` in `SecurityOptions`.
fn is_rootless_storage(root: &str) -> bool {
    root.ends_with("/.local/share/containers/storage")
}

/// Converts a network, using its first IPv4 subnet.
pub(crate) fn network(network: NetworkInspect) -> NetworkDetails {
    let plans = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let plan = plans.into_iter().find_map(|plan| {
        let subnet: Ipv4Net = plan.subnet.as_deref()?.parse().ok()?;
        Some((subnet, plan.gateway.and_then(|gateway| gateway.parse().ok())))
    });
    let options = network.options.unwrap_or_default();
    let on_it = network.containers.unwrap_or_default().into_values();
    NetworkDetails {
        driver: network.driver.unwrap_or_default(),
        internal: network.internal.unwrap_or_default(),
        isolated: options
            .get("com.docker.network.bridge.enable_icc")
            .is_some_and(|speak| speak == "false"),
        subnet: plan.map(|(subnet, _)| subnet),
        gateway: plan.and_then(|(_, gateway)| gateway),
        taken: on_it
            .filter_map(|one| one.ipv4_address?.parse::<Ipv4Net>().ok())
            .map(|with_prefix| with_prefix.addr())
            .collect(),
        labels: network.labels.unwrap_or_default().into_iter().collect(),
    }
}

/// Parses `2026-11-22T22:14:08.168663542Z`, or a time with an offset such as `+02:00` instead of the Z.
fn time(text: &str) -> Option<SystemTime> {
    if text.ends_with('Z') {
        return humantime::parse_rfc3339(text).ok();
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let local = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let seconds = hours.parse::<u64>().ok()? * 3600 + minutes.parse::<u64>().ok()? * 60;
    if offset.starts_with('-') {
        local.checked_add(Duration::from_secs(seconds))
    } else {
        local.checked_sub(Duration::from_secs(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rootless_podman_is_recognised_without_its_security_option() {
        let of = |root: &str, license: &str, options: &[&str]| {
            let details = details(SystemInfo {
                docker_root_dir: Some(root.to_owned()),
                product_license: Some(license.to_owned()),
                security_options: Some(options.iter().map(|option| (*option).to_owned()).collect()),
                ..SystemInfo::default()
            });
            (details.podman, details.rootless)
        };
        let seccomp = "name=seccomp,profile=default";
        let home = "/home/me/.local/share/containers/storage";
        assert_eq!(of(home, "Apache-2.0", &[seccomp]), (true, true));
        assert_eq!(of("/srv/me", "Apache-2.0", &["name=rootless"]), (true, true));
        assert_eq!(
            of("/var/lib/containers/storage", "Apache-2.0", &[seccomp]),
            (true, false)
        );
        assert_eq!(of("/var/lib/docker", "", &[seccomp]), (false, false));
        assert_eq!(
            of("/home/me/.local/share/docker", "", &[seccomp, "name=rootless"]),
            (false, true)
        );
    }

    #[test]
    fn of_a_networks_plans_the_first_for_ipv4_counts_and_one_for_ipv6_is_none() {
        let with = |subnets: &[&str]| {
            let plans = subnets.iter().map(|subnet| bollard::models::IpamConfig {
                subnet: Some((*subnet).to_owned()),
                ..Default::default()
            });
            network(NetworkInspect {
                ipam: Some(bollard::models::Ipam {
                    config: Some(plans.collect()),
                    ..Default::default()
                }),
                ..Default::default()
            })
        };
        assert_eq!(with(&["fd00:88::/64"]).subnet, None);
        let both = with(&["fd00:88::/64", "10.88.0.0/24"]);
        assert_eq!(both.subnet, Some("10.88.0.0/24".parse().unwrap()));
    }

    #[test]
    fn a_time_with_an_offset_is_the_same_time() {
        let zulu = time("2026-11-22T22:14:08.168663542Z").unwrap();
        assert_eq!(time("2026-11-23T00:14:08.168663542+02:00"), Some(zulu));
        assert_eq!(time("2026-11-22T16:44:08.168663542-05:30"), Some(zulu));
        assert_eq!(time("yesterday"), None);
    }
}

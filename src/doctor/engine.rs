//! Checks the container engine: reachability, kind, storage driver and resource limits.

use crate::doctor::expected::by;
use crate::doctor::facts::{EngineFacts, EngineTrouble, Kind};
use crate::doctor::finding::{Diagnosis, Finding, Severity};
use crate::spec::profile::Profile;

const DOCS: &str = "Docker documentation";

/// Adds the container engine findings.
pub(crate) fn judge(
    profile: Profile,
    engine: &Result<EngineFacts, EngineTrouble>,
    diagnosis: &mut Diagnosis,
) {
    let wanted = "Docker 20.10 (API 1.41) or newer, with permission to use it";
    let why = "rcup runs every node through the container engine";
    let engine = match engine {
        Ok(engine) => engine,
        Err(trouble) => {
            let advice = trouble.hint.clone().unwrap_or_else(|| "docker info".to_owned());
            let finding = Finding::new("engine", Severity::Fail, &*trouble.message, wanted)
                .why(why, "rcup")
                .advise(advice, Some("sudo systemctl enable docker".to_owned()));
            diagnosis.push(finding);
            return;
        }
    };
    let found = format!(
        "version {}, API {}, at {}",
        engine.version, engine.api, engine.endpoint
    );
    diagnosis.push(Finding::new("engine", Severity::Ok, found, wanted).why(why, "rcup"));
    diagnosis.push(kind(profile, &engine.kind));
    diagnosis.push(driver(profile, engine));
    diagnosis.push(cgroup(profile, engine));
    diagnosis.of("bridge", &engine.bridge, |(reachable, how)| {
        let severity = if *reachable {
            Severity::Ok
        } else {
            by(profile, Severity::Ok, Severity::Warn, Severity::Warn)
        };
        let wanted = by(
            profile,
            "any",
            "container addresses are reachable from here",
            "container addresses are reachable from here",
        );
        Finding::new("bridge", severity, how, wanted)
            .why(
                "otherwise nodes advertise 127.0.0.1, and only clients on this host can use the cluster",
                "rcup",
            )
            .advise("Run rcup on the Docker host.", None)
    });
}

fn kind(profile: Profile, kind: &Kind) -> Finding {
    let (severity, found) = match kind {
        Kind::Native => (Severity::Ok, "on this machine".to_owned()),
        Kind::Rootless => (
            by(profile, Severity::Ok, Severity::Warn, Severity::Warn),
            "rootless, on this machine".to_owned(),
        ),
        Kind::Machine(product) => (
            by(profile, Severity::Ok, Severity::Warn, Severity::Fail),
            format!("in a virtual machine of {product}"),
        ),
        Kind::Remote => (Severity::Ok, "on another machine".to_owned()),
    };
    let wanted = by(
        profile,
        "any",
        "on a separate Linux machine",
        "on a separate Linux machine",
    );
    Finding::new("engine-kind", severity, found, wanted)
        .why(
            "a desktop product's virtual machine shares memory with the desktop, stops with it and loses \
             its kernel settings; a rootless container engine passes all external packets through one process",
            DOCS,
        )
        .advise("Use Docker Engine on Linux (https://docs.docker.com/engine/install/).", None)
}

fn driver(profile: Profile, engine: &EngineFacts) -> Finding {
    let driver = engine.driver.as_str();
    let severity = match driver {
        "fuse-overlayfs" | "stargz" => by(profile, Severity::Ok, Severity::Warn, Severity::Warn),
        "vfs" | "devicemapper" | "aufs" => Severity::Warn,
        _ => Severity::Ok,
    };
    let (overlay, advice) = if engine.podman {
        (
            "overlay",
            "Set driver = \"overlay\" in section [storage] of /etc/containers/storage.conf, or of \
             ~/.config/containers/storage.conf for rootless Podman, and run `podman system reset`, which removes \
             all of Podman's containers, volumes and images.",
        )
    } else {
        (
            "overlay2",
            "Set \"storage-driver\": \"overlay2\" in /etc/docker/daemon.json and restart Docker; images \
             must be pulled again.",
        )
    };
    let wanted = by(profile, "not vfs", overlay, overlay);
    Finding::new("storage-driver", severity, driver, wanted)
        .why(
            "it creates every container's file system, which takes most of the start time; data on volumes \
             is unaffected",
            DOCS,
        )
        .advise(advice, None)
}

fn cgroup(profile: Profile, engine: &EngineFacts) -> Finding {
    let limits = if engine.limits_memory {
        ""
    } else {
        ", without memory limits"
    };
    let severity = match (engine.cgroup.as_str(), engine.limits_memory) {
        (_, false) => by(profile, Severity::Ok, Severity::Warn, Severity::Fail),
        ("2", true) => Severity::Ok,
        (_, true) => by(profile, Severity::Ok, Severity::Ok, Severity::Warn),
    };
    let wanted = by(profile, "any", "memory limits", "version 2 with memory limits");
    Finding::new(
        "cgroup",
        severity,
        format!("version {}{limits}", engine.cgroup),
        wanted,
    )
    .why(
        "a node without a limit can use the memory of all others; version 1 miscounts file pages and \
             is being removed from Linux distributions",
        DOCS,
    )
    .advise(
        "Boot with `systemd.unified_cgroup_hierarchy=1` on the kernel command line.",
        Some(
            "sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&systemd.unified_cgroup_hierarchy=1 /' \
                 /etc/default/grub && \
                 sudo update-grub"
                .to_owned(),
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_on_the_storage_driver_is_for_the_engine() {
        let facts = |podman| EngineFacts {
            version: String::new(),
            api: String::new(),
            endpoint: String::new(),
            kind: Kind::Rootless,
            podman,
            driver: "vfs".to_owned(),
            cgroup: "2".to_owned(),
            limits_memory: true,
            bridge: Err(String::new()),
        };
        let of = |podman| {
            let finding = driver(Profile::Staging, &facts(podman));
            (finding.wanted, finding.fix.unwrap())
        };
        let (wanted, fix) = of(true);
        assert_eq!(wanted, "overlay");
        assert!(
            fix.contains("containers/storage.conf") && !fix.contains("daemon.json"),
            "{fix}"
        );
        let (wanted, fix) = of(false);
        assert_eq!(wanted, "overlay2");
        assert!(fix.contains("/etc/docker/daemon.json"), "{fix}");
    }
}

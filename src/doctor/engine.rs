//! The engine: whether there is one, of what kind, and how it keeps data and limits.

use crate::doctor::expected::by;
use crate::doctor::facts::{EngineFacts, EngineTrouble, Kind};
use crate::doctor::finding::{Diagnosis, Finding, Severity};
use crate::spec::profile::Profile;

const DOCS: &str = "Docker documentation";

/// Judges.
pub(crate) fn judge(
    profile: Profile,
    engine: &Result<EngineFacts, EngineTrouble>,
    diagnosis: &mut Diagnosis,
) {
    let wanted = "Docker 20.10 (API 1.41) or newer, and the right to use it";
    let why = "rcup asks the engine for everything";
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
    diagnosis.push(driver(profile, &engine.driver));
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
            "the nodes' own addresses answer from here",
            "the nodes' own addresses answer from here",
        );
        Finding::new("bridge", severity, how, wanted)
            .why(
                "where they do not, nodes announce 127.0.0.1, and only clients on this machine can use the cluster",
                "rcup",
            )
            .advise("Run rcup on the machine on which the engine runs.", None)
    });
}

fn kind(profile: Profile, kind: &Kind) -> Finding {
    let (severity, found) = match kind {
        Kind::Native => (Severity::Ok, "on this machine's kernel".to_owned()),
        Kind::Rootless => (
            by(profile, Severity::Ok, Severity::Warn, Severity::Warn),
            "rootless, on this machine's kernel".to_owned(),
        ),
        Kind::Machine(product) => (
            by(profile, Severity::Ok, Severity::Warn, Severity::Fail),
            format!("in the virtual machine of {product}"),
        ),
        Kind::Remote => (Severity::Ok, "on another machine".to_owned()),
    };
    let wanted = by(
        profile,
        "any",
        "on a Linux machine of its own",
        "on a Linux machine of its own",
    );
    Finding::new("engine-kind", severity, found, wanted)
        .why(
            "a virtual machine of a desktop product shares its memory with the desktop, stops with it, and forgets \
             its kernel settings; a rootless engine sends every packet from outside through one program",
            DOCS,
        )
        .advise("Use Docker Engine on a Linux machine (https://docs.docker.com/engine/install/).", None)
}

fn driver(profile: Profile, driver: &str) -> Finding {
    let severity = match driver {
        "fuse-overlayfs" | "stargz" => by(profile, Severity::Ok, Severity::Warn, Severity::Warn),
        "vfs" | "devicemapper" | "aufs" => Severity::Warn,
        _ => Severity::Ok,
    };
    let wanted = by(profile, "not vfs", "overlay2", "overlay2");
    Finding::new("storage-driver", severity, driver, wanted)
        .why(
            "it makes every container's file system, which is most of a start's cost; data lie on volumes, which it \
             does not touch",
            DOCS,
        )
        .advise(
            "Set \"storage-driver\": \"overlay2\" in /etc/docker/daemon.json and restart the engine; its images must \
             be pulled again.",
            None,
        )
}

fn cgroup(profile: Profile, engine: &EngineFacts) -> Finding {
    let limits = if engine.limits_memory {
        ""
    } else {
        ", without limits of memory"
    };
    let severity = match (engine.cgroup.as_str(), engine.limits_memory) {
        (_, false) => by(profile, Severity::Ok, Severity::Warn, Severity::Fail),
        ("2", true) => Severity::Ok,
        (_, true) => by(profile, Severity::Ok, Severity::Ok, Severity::Warn),
    };
    let wanted = by(
        profile,
        "any",
        "limits of memory",
        "version 2, with limits of memory",
    );
    Finding::new("cgroup", severity, format!("version {}{limits}", engine.cgroup), wanted)
        .why(
            "a node without a limit can take the memory of all others; version 1 counts pages of files wrongly and is \
             being removed from Linux distributions",
            DOCS,
        )
        .advise(
            "Boot with `systemd.unified_cgroup_hierarchy=1` on the kernel's command line.",
            Some(
                "sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&systemd.unified_cgroup_hierarchy=1 /' /etc/default/grub && \
                 sudo update-grub"
                    .to_owned(),
            ),
        )
}

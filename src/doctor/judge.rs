//! Runs all checks.

use crate::doctor::facts::{HostFacts, KernelFacts};
use crate::doctor::finding::{Diagnosis, Finding, Severity};
use crate::doctor::fix::Seat;
use crate::doctor::{clock, engine, engines, firewall, kernel, limits, machine, placement};
use crate::spec::profile::Profile;

/// Parameters of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The profile.
    pub profile: Profile,
    /// Number of nodes that share the host.
    pub nodes: usize,
}

/// Runs all checks.
pub fn judge_host(asked: Asked, facts: &HostFacts) -> Diagnosis {
    let Asked { profile, nodes } = asked;
    let mut diagnosis = Diagnosis::default();
    engine::judge(profile, &facts.engine, &mut diagnosis);
    diagnosis.push(engines::judge(&facts.engines));
    kernel::judge(profile, &facts.kernel, &facts.seat, &mut diagnosis);
    machine::judge(profile, nodes, &facts.machine, &mut diagnosis);
    limits::judge(profile, &facts.limits, &mut diagnosis);
    if facts.engine.is_ok() {
        placement::judge(nodes, &facts.place, &facts.seat, &mut diagnosis);
    }
    diagnosis.of("firewall", &facts.firewall, firewall::judge);
    clock::judge(profile, &facts.clock, &mut diagnosis);
    limits::effective(profile, &facts.nodes, &mut diagnosis);
    diagnosis.close()
}

/// Checks only the facts that a start can read quickly, and returns the findings that did not pass.
pub fn judge_kernel(profile: Profile, facts: &KernelFacts, seat: &Seat) -> Vec<Finding> {
    let mut diagnosis = Diagnosis::default();
    kernel::judge(profile, facts, seat, &mut diagnosis);
    diagnosis
        .findings
        .into_iter()
        .filter(|finding| finding.severity > Severity::Ok)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::time::Duration;

    use super::*;
    use crate::doctor::facts::{
        ClockFacts, Disk, EngineFacts, EngineTrouble, EnginesFacts, Fsync, Kind, LimitFacts, MachineFacts,
        NodeFacts, PlaceFacts,
    };
    use crate::doctor::firewall::FirewallFacts;
    use crate::doctor::script::script;

    fn rules(dump: &str) -> FirewallFacts {
        FirewallFacts {
            bridged: true,
            dumps: vec![dump.to_owned()],
            strict_chains: Vec::new(),
            subnet: "10.213.0.0/26".parse().unwrap(),
            ports: vec![7001, 17001],
        }
    }

    /// A server configured according to the deployment guide, for six production nodes.
    fn server() -> HostFacts {
        HostFacts {
            seat: Seat::Here,
            engines: EnginesFacts::default(),
            engine: Ok(EngineFacts {
                version: "28.0.1".to_owned(),
                api: "1.48".to_owned(),
                endpoint: "unix:///var/run/docker.sock (the default socket)".to_owned(),
                kind: Kind::Native,
                podman: false,
                driver: "overlay2".to_owned(),
                cgroup: "2".to_owned(),
                limits_memory: true,
                bridge: Ok((
                    true,
                    "the default bridge's address 172.17.0.1 is this machine's".to_owned(),
                )),
            }),
            kernel: KernelFacts {
                thp_enabled: Ok("always madvise [never]".to_owned()),
                thp_defrag: Ok("always defer defer+madvise madvise [never]".to_owned()),
                overcommit_memory: Ok(1),
                somaxconn: Ok(65_535),
                tcp_max_syn_backlog: Ok(65_535),
                swappiness: Ok(1),
                swap: Ok((8_000_000_000, 0)),
            },
            machine: MachineFacts {
                cores: Ok(64),
                memory: Ok(270_000_000_000),
                disk: Ok(Disk {
                    path: "/var/lib/docker".to_owned(),
                    free: 4_000_000_000_000,
                    rotational: Some(false),
                }),
                fsync: Some(Ok(Fsync {
                    writes: 500,
                    p50: Duration::from_micros(30),
                    p99: Duration::from_micros(90),
                    max: Duration::from_micros(800),
                })),
            },
            limits: LimitFacts {
                engine: Ok(1_048_576),
                node: Some(65_536),
            },
            place: PlaceFacts {
                image: Ok("redis:8".to_owned()),
                may_pull: true,
                subnet: Ok("10.213.0.0/26".to_owned()),
                ports: Ok((7001, 7006)),
                neighbour_limit: Ok(1024),
                backlog: Ok(1000),
                callers: 6,
                others: vec![6],
            },
            firewall: Ok(rules(":FORWARD ACCEPT [0:0]\n")),
            clock: ClockFacts {
                ahead: Ok((0, 1)),
                keeper: Ok(Some("chrony".to_owned())),
            },
            nodes: vec![NodeFacts {
                name: "rcup-default-1".to_owned(),
                asked: true,
                somaxconn: Ok(65_535),
                syn_backlog: Ok(65_535),
                asked_memory: None,
                memory: Ok(u64::MAX),
                open_files: Ok(65_536),
            }],
        }
    }

    /// A laptop with default settings and typical problems of a virtual machine.
    fn laptop() -> HostFacts {
        HostFacts {
            kernel: KernelFacts {
                thp_enabled: Ok("[always] madvise never".to_owned()),
                thp_defrag: Ok("always defer defer+madvise [madvise] never".to_owned()),
                overcommit_memory: Ok(0),
                somaxconn: Ok(4096),
                tcp_max_syn_backlog: Ok(1024),
                swappiness: Ok(60),
                swap: Ok((2_000_000_000, 1_500_000_000)),
            },
            machine: MachineFacts {
                cores: Ok(8),
                memory: Ok(16_500_000_000),
                disk: Ok(Disk {
                    path: "/var/lib/docker".to_owned(),
                    free: 45_000_000_000,
                    rotational: Some(true),
                }),
                fsync: Some(Ok(Fsync {
                    writes: 240,
                    p50: Duration::from_micros(8_400),
                    p99: Duration::from_millis(130),
                    max: Duration::from_millis(310),
                })),
            },
            limits: LimitFacts {
                engine: Ok(1024),
                node: None,
            },
            place: PlaceFacts {
                image: Err(EngineTrouble {
                    message: "image redis:8 is not on the engine".to_owned(),
                    hint: Some("Pull it: docker pull redis:8".to_owned()),
                }),
                may_pull: true,
                subnet: Err(EngineTrouble {
                    message: "subnet 10.1.0.0/24 overlaps 10.0.0.0/8 of the route via tun0".to_owned(),
                    hint: Some("Name another with --subnet.".to_owned()),
                }),
                ports: Err(EngineTrouble {
                    message: "port 7003 on 127.0.0.1 is taken by process 4711 (web)".to_owned(),
                    hint: Some("Choose another first port with --port.".to_owned()),
                }),
                neighbour_limit: Ok(64),
                backlog: Ok(32),
                callers: 6,
                others: Vec::new(),
            },
            firewall: Ok(rules(
                ":FORWARD ACCEPT [0:0]\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -p tcp -m tcp --dport 17001 -j DROP\n",
            )),
            clock: ClockFacts {
                ahead: Ok((-90_000, 2)),
                keeper: Ok(None),
            },
            engine: Ok(EngineFacts {
                driver: "vfs".to_owned(),
                cgroup: "1".to_owned(),
                limits_memory: false,
                kind: Kind::Rootless,
                bridge: Ok((
                    false,
                    "the default bridge's address 172.17.0.1 is not this machine's".to_owned(),
                )),
                ..server().engine.unwrap()
            }),
            nodes: vec![NodeFacts {
                name: "rcup-old-1".to_owned(),
                asked: false,
                somaxconn: Ok(128),
                syn_backlog: Ok(512),
                asked_memory: None,
                memory: Ok(u64::MAX),
                open_files: Ok(1024),
            }],
            ..server()
        }
    }

    fn diagnose(profile: Profile, facts: &HostFacts) -> Diagnosis {
        judge_host(Asked { profile, nodes: 6 }, facts)
    }

    /// Returns one line per finding with its severity for each profile.
    fn severities(facts: &HostFacts) -> String {
        let all = Profile::ALL.map(|profile| diagnose(profile, facts).findings);
        let rows = all[0].iter().enumerate().map(|(nth, finding)| {
            let words = all.each_ref().map(|findings| findings[nth].severity.as_str());
            format!("{:20} {:5} {:5} {}\n", finding.id, words[0], words[1], words[2])
        });
        rows.collect()
    }

    fn in_full(diagnosis: &Diagnosis) -> String {
        let open = diagnosis
            .findings
            .iter()
            .filter(|finding| finding.severity > Severity::Ok);
        let mut text = String::new();
        for finding in open {
            let _ = writeln!(
                text,
                "{} {}: {}\n  wanted: {}\n  why: {} ({})\n  now: {}\n  for good: {}",
                finding.severity.as_str(),
                finding.id,
                finding.found,
                finding.wanted,
                finding.why,
                finding.source,
                finding.fix.as_deref().unwrap_or("-"),
                finding.permanent.as_deref().unwrap_or("-")
            );
        }
        text
    }

    #[test]
    fn a_server_that_follows_the_guide_is_fit_for_everything() {
        for profile in Profile::ALL {
            let diagnosis = diagnose(profile, &server());
            assert_eq!(in_full(&diagnosis), "", "{profile}");
            assert!(diagnosis.fit && diagnosis.skipped.is_empty());
        }
    }

    #[test]
    fn a_laptop_as_it_comes_is_fit_for_development_alone() {
        insta::assert_snapshot!(severities(&laptop()));
        let mut facts = HostFacts {
            kernel: laptop().kernel,
            machine: laptop().machine,
            ..server()
        };
        assert!(diagnose(Profile::Dev, &facts).fit);
        assert!(!diagnose(Profile::Production, &facts).fit);
        facts.seat = Seat::Machine {
            product: "Docker Desktop".to_owned(),
            image: None,
        };
        assert!(diagnose(Profile::Dev, &facts).fit);
    }

    #[test]
    fn every_finding_says_what_why_and_how() {
        insta::assert_snapshot!(in_full(&diagnose(Profile::Production, &laptop())));
    }

    #[test]
    fn in_a_virtual_machine_the_commands_go_through_the_engine() {
        let mut facts = laptop();
        facts.seat = Seat::Machine {
            product: "Docker Desktop".to_owned(),
            image: Some("redis:8".to_owned()),
        };
        facts.engine = Ok(EngineFacts {
            kind: Kind::Machine("Docker Desktop".to_owned()),
            ..server().engine.unwrap()
        });
        facts.machine = server().machine;
        facts.limits = server().limits;
        facts.place = server().place;
        facts.firewall = Err("the rules are those of the engine's machine".to_owned());
        facts.nodes = Vec::new();
        let diagnosis = diagnose(Profile::Production, &facts);
        insta::assert_snapshot!(in_full(&diagnosis));
        assert!(diagnosis.findings.iter().all(|finding| !finding.fixable));
        assert_eq!(diagnosis.skipped.len(), 1);
    }

    #[test]
    fn the_script_mends_what_a_script_can() {
        insta::assert_snapshot!(script(&diagnose(Profile::Production, &laptop())));
        let nothing = script(&diagnose(Profile::Dev, &server()));
        assert!(
            nothing.contains("Nothing on this machine can be changed"),
            "{nothing}"
        );
    }

    #[test]
    fn without_an_engine_what_it_would_take_is_not_judged() {
        let mut facts = server();
        facts.engine = Err(EngineTrouble {
            message: "no container engine was found".to_owned(),
            hint: None,
        });
        let diagnosis = diagnose(Profile::Dev, &facts);
        assert!(!diagnosis.fit);
        assert!(diagnosis.findings.iter().all(|finding| finding.id != "subnet"));
    }

    #[test]
    fn the_queue_for_packets_is_long_enough_for_as_many_as_call() {
        let severity = |nodes, callers| {
            let mut facts = server();
            facts.place.callers = callers;
            let asked = Asked {
                profile: Profile::Dev,
                nodes,
            };
            let diagnosis = judge_host(asked, &facts);
            let mut findings = diagnosis.findings.iter();
            findings.find(|finding| finding.id == "packets").unwrap().severity
        };
        assert_eq!(severity(60, 8), Severity::Ok);
        assert_eq!(severity(60, 60), Severity::Warn);
        assert_eq!(severity(30, 30), Severity::Ok);
    }

    #[test]
    fn a_start_is_only_told_of_what_is_not_in_order() {
        let lines: Vec<String> = judge_kernel(Profile::Dev, &laptop().kernel, &Seat::Here)
            .iter()
            .map(Finding::line)
            .collect();
        assert_eq!(lines, ["thp-enabled is always, expected madvise or never"]);
        assert!(judge_kernel(Profile::Production, &server().kernel, &Seat::Here).is_empty());
    }
}

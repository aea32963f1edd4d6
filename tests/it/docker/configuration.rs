//! What the nodes really have of what they were given.

use std::collections::BTreeMap;

use rcup::spec::directives;

use super::{Name, image, images, turn, up};

/// What a node answers to `CONFIG GET`.
async fn configured(address: &str, pattern: &str) -> BTreeMap<String, String> {
    configured_as(address, None, pattern).await
}

/// The same, asked by somebody who may.
async fn configured_as(
    address: &str,
    credentials: Option<&rcup::redis::Credentials>,
    pattern: &str,
) -> BTreeMap<String, String> {
    let url = rcup::redis::url(address, credentials, false);
    redis::cmd("CONFIG")
        .arg("GET")
        .arg(pattern)
        .query_async(&mut super::connect_url(&url).await.expect("a connection"))
        .await
        .expect("the node tells its configuration")
}

/// Lines of the file that no server tells as settings.
const UNTOLD: [&str; 4] = ["include", "loadmodule", "rename-command", "user"];

#[tokio::test]
async fn the_table_of_directives_knows_what_the_servers_know() {
    let _turn = turn().await;
    for reference in images().await {
        let name = Name::new("table");
        let spec = rcup::ClusterSpec::builder()
            .name(name.0.clone())
            .image(reference)
            .masters(1)
            .replicas(0)
            .build()
            .unwrap();
        let cluster = up(&spec).await;
        let server = cluster.topology().server();
        let address = cluster.report().nodes[0].advertised.clone();
        let told = configured(&address, "*").await;
        assert!(told.len() > 150, "{server} tells {} directives", told.len());
        for (directive, value) in &told {
            let row = directives::find(directive).unwrap_or_else(|| panic!("{server} knows {directive}"));
            assert!(row.is_known_to(server), "{server} knows {directive}");
            // What a server says of itself is of the kind that the table names.
            if !value.is_empty() {
                assert_eq!(row.kind().objection(value), None, "{server}: {directive} {value}");
            }
        }
        let mut unknown = Vec::new();
        for row in directives::all().filter(|row| row.is_known_to(server)) {
            let told = configured(&address, row.name()).await;
            if !UNTOLD.contains(&row.name()) && !told.contains_key(row.name()) {
                unknown.push(row.name());
            }
        }
        assert_eq!(unknown, Vec::<&str>::new(), "{server} does not know them");
    }
}

#[tokio::test]
async fn a_directive_that_the_server_lacks_is_refused_before_anything_is_made() {
    let _turn = turn().await;
    let name = Name::new("lacks");
    let spec = rcup::ClusterSpec::builder()
        .name(name.0.clone())
        .image(image(rcup::spec::Engine::Redis, 8, 0).await)
        .set("io-threads-do-reads=yes".parse().unwrap())
        .build()
        .unwrap();
    let error = rcup::Cluster::up(super::docker(), &spec, &super::options())
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), rcup::ErrorKind::Usage);
    assert!(
        error
            .to_string()
            .contains("has no directive `io-threads-do-reads`")
    );
    assert!(error.hint_text().unwrap().contains("Redis before 8.0"));
    name.assert_gone().await;
}

/// What a node complains about that no configuration of its container can mend: the host's own setting, which
/// `rcup doctor` tells.
const THE_HOSTS: [&str; 1] = ["Memory overcommit must be enabled"];

/// The lines of a node's log that warn of its configuration or of its surroundings.
async fn warnings(container: &str) -> Vec<String> {
    use futures_util::TryStreamExt as _;
    use rcup::runtime::{LogRequest, Runtime as _};
    let lines: Vec<_> = super::docker()
        .logs(container, LogRequest::default())
        .try_collect()
        .await
        .expect("the engine shows the log");
    assert!(lines.len() > 5, "{container} has logged");
    lines
        .into_iter()
        .map(|line| line.text)
        .filter(|line| {
            let lower = line.to_lowercase();
            [
                "warning",
                "deprecated",
                "cannot be enforced",
                "unsupported",
                "you requested",
            ]
            .iter()
            .any(|word| lower.contains(word))
        })
        .filter(|line| !THE_HOSTS.iter().any(|known| line.contains(known)))
        .collect()
}

#[tokio::test]
async fn every_profile_starts_on_every_server_without_a_warning_and_as_planned() {
    let _turn = turn().await;
    for reference in images().await {
        for profile in rcup::spec::Profile::ALL {
            let name = Name::new(profile.as_str());
            let spec = rcup::ClusterSpec::builder()
                .name(name.0.clone())
                .image(reference.clone())
                .profile(profile)
                .build()
                .unwrap();
            let cluster = up(&spec).await;
            let topology = cluster.topology();
            let who = format!("{reference}, {profile}");
            for (node, reported) in topology.nodes.iter().zip(cluster.report().nodes) {
                assert_eq!(warnings(&node.name).await, Vec::<String>::new(), "{who}");
                let operator = cluster.credentials_of(rcup::spec::OwnUser::Operator);
                let told = configured_as(&reported.advertised, operator.as_ref(), "*").await;
                for setting in rcup::render::settings(topology, node) {
                    let is = told.get(setting.name.as_ref());
                    let is = is.unwrap_or_else(|| panic!("{who}: {} is not told", setting.name));
                    let wanted = match rcup::spec::bytes(&setting.value) {
                        Ok(bytes) => bytes.to_string(),
                        Err(_) => setting.value.trim_matches('"').to_owned(),
                    };
                    assert_eq!(*is, wanted, "{who}: {}", setting.name);
                }
            }
            let memory = topology.surroundings.machine.memory(&spec);
            assert!(memory.is_some(), "this machine tells its memory");
            cluster.down().await.expect("down works");
        }
    }
}

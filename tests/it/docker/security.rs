//! Clusters with a password or TLS: both formations with every local server, adoption, failover and restart.

use std::time::Duration;

use bollard::query_parameters as query;

use super::{Name, any_image, assert_ready, connect_url, docker, images, options, turn, up};
use rcup::error::ErrorKind;
use rcup::spec::builder::ClusterSpecBuilder;
use rcup::spec::modes::FormationChoice;
use rcup::spec::secret::Secret;
use rcup::spec::security::Password;
use rcup::topology::layout::Role;
use rcup::{Cluster, ClusterSpec};

/// Contains characters that a file, a shell or a URL must quote.
const ODD: &str = "o'd d $p%a#s:s@/é";

fn guarded(name: &Name, image: &str) -> ClusterSpecBuilder {
    ClusterSpec::builder()
        .name(name.0.clone())
        .image(image)
        .password(Password::Given(Secret::new(ODD)))
}

async fn stop(container: &str) {
    let engine = bollard::Docker::connect_with_defaults().expect("an engine");
    let options = query::StopContainerOptionsBuilder::default().t(1).build();
    engine
        .stop_container(container, Some(options))
        .await
        .expect("stops");
}

/// Checks that no client can log in without a password or with a wrong one.
async fn assert_locked(cluster: &Cluster) {
    for node in &cluster.report().nodes {
        let mut stranger = connect_url(&format!("redis://{}", node.advertised))
            .await
            .unwrap();
        let answer: redis::RedisResult<String> = redis::cmd("PING").query_async(&mut stranger).await;
        assert_eq!(answer.unwrap_err().code(), Some("NOAUTH"), "{}", node.name);
        let liar = connect_url(&format!("redis://:wrong@{}", node.advertised)).await;
        assert!(liar.is_err(), "{}", node.name);
    }
}

async fn formed(image: &str, masters: usize, replicas: usize, formation: FormationChoice) {
    let _turn = turn().await;
    let name = Name::new("locked");
    let spec = guarded(&name, image)
        .masters(masters)
        .replicas(replicas)
        .formation(formation);
    let cluster = up(&spec.build().unwrap()).await;
    assert_locked(&cluster).await;
    assert_ready(&cluster).await;
    drop(cluster);
    name.assert_gone().await;
}

macro_rules! formed {
    ($($test:ident: $image:literal $masters:literal x $replicas:literal $formation:ident;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            formed(&images().await[$image], $masters, $replicas, FormationChoice::$formation).await;
        })*
    };
}

formed! {
    redis_7_password_seeded: 0 3 x 1 Seeded;
    redis_7_password_commands: 0 3 x 1 Commands;
    redis_8_password_seeded: 1 3 x 1 Seeded;
    redis_8_password_commands: 1 3 x 1 Commands;
    redis_8_password_ghosts: 1 3 x 0 Seeded;
    valkey_8_password_seeded: 2 3 x 1 Seeded;
    valkey_8_password_commands: 2 3 x 1 Commands;
}

/// A later start that only has the name restarts stopped nodes, hands the roles back and logs in with the secrets in
/// the nodes' files.
async fn fails_over_and_comes_back(image: &str) {
    let _turn = turn().await;
    let name = Name::new("locked-again");
    let spec = guarded(&name, image).node_timeout(Duration::from_secs(1));
    let mut first = up(&spec.build().unwrap()).await;
    first.keep();
    let urls = first.urls();
    let mut replica = connect_url(&urls[3]).await.unwrap();
    stop(&name.0.container(1)).await;
    tokio::time::timeout(Duration::from_mins(1), async {
        loop {
            let role: redis::Value = redis::cmd("ROLE").query_async(&mut replica).await.unwrap();
            if format!("{role:?}").contains("master") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the replica takes over");
    let plain = ClusterSpec::builder()
        .name(name.0.clone())
        .image(image)
        .node_timeout(Duration::from_secs(1))
        .build()
        .unwrap();
    let again = up(&plain).await;
    assert!(again.was_adopted());
    assert_eq!(again.report().nodes[0].role, Role::Master);
    assert_eq!(again.urls(), urls, "with the same password");
    assert_locked(&again).await;
    assert_ready(&again).await;
    for index in 1..=6 {
        stop(&name.0.container(index)).await;
    }
    let woken = up(&plain).await;
    assert_ready(&woken).await;
    let attached = Cluster::attach(docker(), &name.0).await.unwrap();
    let credentials = attached.credentials().await.unwrap().unwrap();
    assert_eq!(credentials.password.expose(), ODD);
    assert!(rcup::checks::finding::all_passed(&attached.validate().await));
    name.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_7_with_a_password_fails_over_and_comes_back() {
    Box::pin(fails_over_and_comes_back(&images().await[0])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_8_with_a_password_fails_over_and_comes_back() {
    Box::pin(fails_over_and_comes_back(&images().await[1])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn valkey_8_with_a_password_fails_over_and_comes_back() {
    Box::pin(fails_over_and_comes_back(&images().await[2])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_password_is_another_cluster_and_a_changed_one_is_said_at_once() {
    let _turn = turn().await;
    let name = Name::new("locked-other");
    let image = any_image().await;
    let small = || guarded(&name, &image).masters(1).replicas(1);
    let mut first = up(&small().build().unwrap()).await;
    first.keep();
    let other = small().password(Password::Given(Secret::new("another-one")));
    let error = Cluster::up(docker(), &other.build().unwrap(), &options())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Different, "{error}");
    let told = format!("{error:?} {:?}", error.hint_text());
    assert!(!told.contains("another-one") && !told.contains(ODD), "{told}");
    let any = small().password(Password::Any).build().unwrap();
    assert!(up(&any).await.was_adopted());
    // A changed client password on the servers does not affect rcup's service users.
    let mut master = connect_url(&first.urls()[0]).await.unwrap();
    let () = redis::cmd("CONFIG")
        .arg(&["SET", "requirepass", "changed"])
        .query_async(&mut master)
        .await
        .unwrap();
    assert!(up(&any).await.was_adopted());
    // If the password of a service user was changed, the start fails at once instead of retrying for two minutes.
    let () = redis::cmd("ACL")
        .arg(&["SETUSER", "rcup-operator", "resetpass", ">changed"])
        .query_async(&mut master)
        .await
        .unwrap();
    let begun = std::time::Instant::now();
    let error = Cluster::up(docker(), &any, &options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}: {:?}", error.causes());
    assert!(begun.elapsed() < Duration::from_secs(30));
    name.down().await;
}

async fn encrypted(image: &str, replicas: usize, formation: FormationChoice, password: bool) {
    let _turn = turn().await;
    let name = Name::new("tls");
    let mut spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(image)
        .replicas(replicas)
        .formation(formation)
        .tls(true);
    if password {
        spec = spec.password(Password::Given(Secret::new(ODD)));
    }
    let mut cluster = up(&spec.build().unwrap()).await;
    assert_ready(&cluster).await;
    for node in &cluster.report().nodes {
        // A client without TLS gets no answer, and a client that trusts another authority cannot connect.
        let clear = connect_url(&format!("redis://{}", node.advertised)).await;
        let answer = match clear {
            Ok(mut link) => redis::cmd("PING").query_async::<String>(&mut link).await,
            Err(error) => Err(error),
        };
        assert!(answer.is_err(), "{}", node.name);
        let strange = connect_url(&format!("rediss://{}", node.advertised)).await;
        assert!(strange.is_err(), "{}", node.name);
    }
    // A later start gets the name only, and reads the certificates from the nodes' files through the container engine.
    cluster.keep();
    for index in 1..=(3 * (replicas + 1)) {
        stop(&name.0.container(index)).await;
    }
    let plain = ClusterSpec::builder().name(name.0.clone()).image(image);
    let plain = plain.replicas(replicas).build().unwrap();
    let again = up(&plain).await;
    assert!(again.was_adopted());
    assert_eq!(again.certificates(), cluster.certificates());
    assert_ready(&again).await;
    name.down().await;
}

macro_rules! encrypted {
    ($($test:ident: $image:literal x $replicas:literal $formation:ident $password:literal;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            encrypted(&images().await[$image], $replicas, FormationChoice::$formation, $password).await;
        })*
    };
}

encrypted! {
    redis_7_tls_seeded: 0 x 1 Seeded false;
    redis_7_tls_password_commands: 0 x 1 Commands true;
    redis_8_tls_password_seeded: 1 x 1 Seeded true;
    redis_8_tls_commands: 1 x 1 Commands false;
    redis_8_tls_ghosts: 1 x 0 Seeded false;
    valkey_8_tls_password_seeded: 2 x 1 Seeded true;
    valkey_8_tls_commands: 2 x 1 Commands false;
}

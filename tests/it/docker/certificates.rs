//! Certificates that the user provides, and those that rcup generates.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd};

use super::{Name, any_image, assert_ready, docker, images, options, turn, up};
use rcup::error::ErrorKind;
use rcup::spec::secret::Secret;
use rcup::spec::security::Certificates;
use rcup::{Cluster, ClusterSpec};

/// An authority and the data to sign a certificate.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority of the user's own");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// Signs a certificate for these names, valid until this year.
    fn sign(&self, names: &[SanType], until: i32) -> Certificates {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        Certificates {
            authority: self.pem.clone(),
            node: params.signed_by(&key, &self.issuer).unwrap().pem(),
            node_key: Secret::new(key.serialize_pem()),
            client: None,
        }
    }
}

/// Returns a subnet that is unlikely to be in use, and the names of its two nodes.
fn place(name: &Name, attempt: u8) -> (String, Vec<SanType>) {
    let chosen = u8::try_from(std::process::id() % 200)
        .unwrap()
        .wrapping_add(attempt);
    let address = |last: u8| SanType::IpAddress(IpAddr::from([10, 77, chosen, last]));
    let dns = |node: usize| SanType::DnsName(name.0.container(node).try_into().unwrap());
    let names = vec![
        address(2),
        address(3),
        SanType::IpAddress("127.0.0.1".parse().unwrap()),
        dns(1),
        dns(2),
    ];
    (format!("10.77.{chosen}.0/28"), names)
}

async fn brought_along(nth: u8) {
    let _turn = turn().await;
    let name = Name::new("brought");
    let image = &images().await[usize::from(nth)];
    let (subnet, names) = place(&name, 16 * nth);
    let authority = Authority::new();
    let spec = |certificates: Option<&Certificates>| -> ClusterSpec {
        let spec = ClusterSpec::builder()
            .name(name.0.clone())
            .image(image)
            .masters(1)
            .replicas(1)
            .subnet(&subnet);
        match certificates {
            Some(certificates) => spec.certificates(certificates.clone()),
            None => spec,
        }
        .build()
        .unwrap()
    };
    let good = authority.sign(&names, 2090);

    // Unusable certificates are refused before any object is created.
    let foreign = Certificates {
        node_key: authority.sign(&names, 2090).node_key,
        ..good.clone()
    };
    for (bad, why) in [
        (foreign, "not that of the certificate"),
        (authority.sign(&names[1..], 2090), "does not name IP:10.77."),
        (
            authority.sign(&names[..4], 2090),
            "does not name DNS:rcup-it-brought",
        ),
        (authority.sign(&names, 2021), "no longer valid"),
    ] {
        let error = Cluster::up(docker(), &spec(Some(&bad)), &options())
            .await
            .map(drop);
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        assert!(error.to_string().contains(why), "{error}");
        name.assert_gone().await;
    }

    let mut cluster = up(&spec(Some(&good))).await;
    assert_eq!(cluster.certificates(), Some(&good));
    assert_ready(&cluster).await;
    cluster.keep();
    // The same certificates, or none, match the same cluster; different ones do not.
    assert!(up(&spec(Some(&good))).await.was_adopted());
    let again = up(&spec(None)).await;
    assert!(again.was_adopted());
    assert_eq!(again.certificates(), Some(&good));
    let other = authority.sign(&names, 2090);
    let error = Cluster::up(docker(), &spec(Some(&other)), &options())
        .await
        .map(drop);
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Different, "{error}");
    assert!(error.to_string().contains("other certificates"), "{error}");
    name.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_brought_along_on_redis_7() {
    Box::pin(brought_along(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_brought_along_on_redis_8() {
    Box::pin(brought_along(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_brought_along_on_valkey_8() {
    Box::pin(brought_along(2)).await;
}

/// Runs redis-cli in a container on the cluster's network, with these files. Returns whether it succeeded, and its
/// output.
fn redis_cli(name: &Name, image: &str, files: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("docker")
        .args([
            "run",
            "--rm",
            "--network",
            &name.0.network(),
            "--entrypoint",
            "redis-cli",
            "-v",
        ])
        .arg(format!("{}:/certs:ro", files.display()))
        .arg(image)
        .args(arguments)
        .output()
        .expect("docker runs");
    let told = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&told).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_certs_export_writes_opens_the_cluster_to_redis_cli() {
    let _turn = turn().await;
    let name = Name::new("exported");
    let image = any_image().await;
    // By default, only the bus requires a client certificate. In this test, the client port requires one too.
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(&image)
        .masters(1)
        .replicas(0)
        .tls(true);
    let cluster = up(&spec.build().unwrap()).await;
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    assert_cmd::Command::cargo_bin("rcup")
        .unwrap()
        .args(["certs", "export"])
        .arg(home)
        .arg(name.0.as_str())
        .assert()
        .success();
    let node = &cluster.topology().nodes[0];
    let (port, ip) = (node.port.to_string(), node.ip.to_string());
    let certificate = ["--cert", "/certs/client.crt", "--key", "/certs/client.key"];
    for host in [ip.as_str(), node.name.as_str()] {
        let trusting = ["--tls", "--cacert", "/certs/ca.crt", "-h", host, "-p", &port];
        for more in [&[][..], &certificate] {
            let words = [&trusting[..], more, &["CLUSTER", "INFO"]].concat();
            let (ok, told) = redis_cli(&name, &image, home, &words);
            assert!(ok && told.contains("cluster_state:ok"), "{words:?}: {told}");
        }
    }
    // A client that trusts another authority gets an error, and a client without TLS gets no answer.
    std::fs::write(home.join("ca.crt"), Authority::new().pem).unwrap();
    let strange = [
        "--tls",
        "--cacert",
        "/certs/ca.crt",
        "-h",
        &ip,
        "-p",
        &port,
        "PING",
    ];
    let (_, told) = redis_cli(&name, &image, home, &strange);
    assert!(told.contains("certificate verify failed"), "{told}");
    let (_, told) = redis_cli(&name, &image, home, &["-h", &ip, "-p", &port, "PING"]);
    assert!(!told.contains("PONG"), "{told}");
    drop(cluster);
    name.assert_gone().await;
}

//! Certificates that have expired, expire soon, or have another authority, on nodes with TLS.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};

use super::patient::Patient;
use super::surgery::{self, directory};
use super::{Name, any_image, connect_as_client, waiting};
use rcup::ClusterSpec;
use rcup::checks::finding::Status::Fail;
use rcup::connect::endpoint::Endpoint;
use rcup::server::wire::access::Access;
use rcup::server::wire::connection::Address;

/// The test's own authority.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "the test's own");
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// Signs a certificate for an address, valid from 2020 until `until`, in seconds since 1970. Returns it with its
    /// key.
    fn sign(&self, ip: IpAddr, until: u64) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::IpAddress(ip), SanType::IpAddress([127, 0, 0, 1].into())];
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(until);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// Sets several directives with one command, because they depend on each other.
async fn set(connection: &redis::aio::MultiplexedConnection, settings: &[(&str, &str)]) {
    let mut command = redis::cmd("CONFIG");
    command.arg("SET");
    for (name, value) in settings {
        command.arg(*name).arg(*value);
    }
    let set: redis::RedisResult<()> = command.query_async(&mut connection.clone()).await;
    set.unwrap_or_else(|error| panic!("{settings:?}: {error}"));
}

async fn get(connection: &redis::aio::MultiplexedConnection, name: &str) -> String {
    let mut command = redis::cmd("CONFIG");
    let (_, value): (String, String) = command
        .arg("GET")
        .arg(name)
        .query_async(&mut connection.clone())
        .await
        .unwrap();
    value
}

/// The directives of a certificate.
const NAMES: [&str; 3] = ["tls-cert-file", "tls-key-file", "tls-ca-cert-file"];

/// Returns where each server has its certificate, its key and its authority.
async fn certificates_of(
    connections: &[redis::aio::MultiplexedConnection],
) -> Vec<Vec<(&'static str, String)>> {
    let mut all = Vec::new();
    for connection in connections {
        let mut own = Vec::new();
        for name in NAMES {
            own.push((name, get(connection, name).await));
        }
        all.push(own);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_are_not_good_are_told_and_can_be_replaced() {
    let _turn = waiting().await;
    let name = Name::new("certificates");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await)
        .node_timeout(Duration::from_secs(5))
        .tls(true)
        .build()
        .unwrap();
    let patient = &Patient::of(name, &spec).await;
    let healthy = patient.attached().await.diagnose().await;
    assert!(healthy.findings.is_empty(), "{healthy:#?}");
    Box::pin(in_the_clear(patient)).await;
    // Established connections outlive the certificate that they were made with.
    let mut kept = Vec::new();
    for url in patient.cluster.urls() {
        kept.push(connect_as_client(&patient.cluster, &url).await);
    }
    let kept = &kept;
    let old = &certificates_of(kept).await;
    let restored = async |at: usize| {
        let settings: Vec<(&str, &str)> = old[at]
            .iter()
            .map(|(name, path)| (*name, path.as_str()))
            .collect();
        set(&kept[at], &settings).await;
    };
    let authority = &Authority::new();
    let both = format!(
        "{}{}",
        patient.cluster.certificates().expect("it speaks TLS").authority,
        authority.pem
    );
    // Replaces the certificate of a node with one of the test's authority. The node then trusts both authorities.
    let replaced = async |at: usize, until: u64| {
        let node = &patient.report.nodes[at];
        let home = directory(&node.name, at + 1).await;
        let (certificate, key) = authority.sign(surgery::ip(node).parse().unwrap(), until);
        let mut settings = Vec::new();
        for (name, text) in NAMES.into_iter().zip([&certificate, &key, &both]) {
            std::fs::write(format!("{home}/{name}.test"), text).unwrap();
            settings.push((name, format!("/rcup/{}/{name}.test", at + 1)));
        }
        let settings: Vec<(&str, &str)> = settings
            .iter()
            .map(|(name, path)| (*name, path.as_str()))
            .collect();
        set(&kept[at], &settings).await;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // The first second of 2024.
    let past = 1_704_067_200;
    patient
        .suffers(
            async || replaced(4, past).await,
            &[("reachable", Fail, &patient.node(5).name)],
            &[("certificate-expired", "valid until 2024-01-01T00:00:00Z")],
            async || {
                let found = patient
                    .is_diagnosed("certificate-expired", "the certificate has expired")
                    .await;
                assert!(
                    found.remedy[0].contains("CONFIG SET tls-cert-file PATH"),
                    "{found:#?}"
                );
                restored(4).await;
            },
        )
        .await;
    for at in 0..6 {
        replaced(at, now + 3 * 24 * 3600).await;
    }
    // A client that trusts the new authority can connect, and the diagnosis reports the upcoming expiry.
    let address = |at: usize| {
        let (host, port) = patient.report.nodes[at].address.rsplit_once(':').unwrap();
        Address::new(host, port.parse().unwrap())
    };
    let access = Access::open().with_authority(&authority.pem);
    let diagnosis = Endpoint::look_at(&[address(0)], &access).await.diagnose().await;
    let ends = diagnosis
        .of("certificate-ends")
        .next()
        .unwrap_or_else(|| panic!("{diagnosis:#?}"));
    assert_eq!(ends.nodes.len(), 6, "{ends:#?}");
    assert_eq!(ends.what, "certificates of 6 nodes expire within 3 days");
    // A client that trusts only the old authority cannot connect.
    patient
        .suffers(
            async || (),
            &[("reachable", Fail, &patient.node(5).name)],
            &[("tls-mismatch", "the TLS handshake fails")],
            async || {
                for at in 0..6 {
                    restored(at).await;
                }
            },
        )
        .await;
}

/// A client without TLS gets a diagnosis of the mismatch.
async fn in_the_clear(patient: &Patient) {
    let (host, port) = patient.node(1).address.rsplit_once(':').unwrap();
    let first = Address::new(host, port.parse().unwrap());
    let clear = Endpoint::look_at(&[first], &Access::open())
        .await
        .diagnose()
        .await;
    let mismatch = clear
        .of("tls-mismatch")
        .next()
        .unwrap_or_else(|| panic!("{clear:#?}"));
    assert!(mismatch.remedy[0].contains("--tls-ca FILE"), "{mismatch:#?}");
}

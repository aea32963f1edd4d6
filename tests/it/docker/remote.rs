//! Simulates a container engine on another host, with TLS on an address that is not the loopback. A proxy in front of
//! this machine's engine requires a client certificate.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, UnixStream};
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;

use super::{Name, any_image, turn};

/// The authority and its certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    fn sign(
        &self,
        usage: ExtendedKeyUsagePurpose,
        address: Option<Ipv4Addr>,
    ) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![usage];
        params.subject_alt_names = address
            .map(|ip| SanType::IpAddress(IpAddr::V4(ip)))
            .into_iter()
            .collect();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// Writes the three client files in the layout of Docker's client.
    fn client(&self, directory: &Path) {
        std::fs::create_dir_all(directory).unwrap();
        let (certificate, key) = self.sign(ExtendedKeyUsagePurpose::ClientAuth, None);
        for (file, text) in [
            ("ca.pem", self.certificate.pem()),
            ("cert.pem", certificate.pem()),
            ("key.pem", key.serialize_pem()),
        ] {
            std::fs::write(directory.join(file), text).unwrap();
        }
    }
}

/// Returns an address of this machine that rcup treats as remote.
fn address() -> Ipv4Addr {
    super::publish::address()
}

/// Runs a proxy in front of the container engine until the test ends. Returns its endpoint.
async fn proxy(authority: &Authority) -> String {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (certificate, key) = authority.sign(ExtendedKeyUsagePurpose::ServerAuth, Some(address()));
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((address(), 0)).await.unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else {
                    return;
                };
                let mut engine = UnixStream::connect("/var/run/docker.sock").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
            });
        }
    });
    endpoint
}

/// Runs rcup with an environment that only configures the container engine.
async fn rcup(environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rcup"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .await
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_on_another_machine_behind_tls() {
    let _turn = turn().await;
    let (authority, home) = (Authority::new(), tempfile::tempdir().unwrap());
    let certificates = home.path().join("certs");
    authority.client(&certificates);
    let endpoint = proxy(&authority).await;
    let environment = [
        ("DOCKER_HOST", endpoint.as_str()),
        ("DOCKER_TLS_VERIFY", "1"),
        ("DOCKER_CERT_PATH", certificates.to_str().unwrap()),
        ("HOME", home.path().to_str().unwrap()),
    ];
    let name = Name::new("remote");
    let (cluster, image, published) = (name.0.as_str(), any_image().await, address().to_string());
    let up = [
        "up",
        cluster,
        "--image",
        &image,
        "--replicas",
        "0",
        "--output",
        "json",
    ];
    // Settings whose nodes would be unreachable from here are refused before any object is created.
    let output = rcup(&environment, &up).await;
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(
        text(&output).contains("is on another machine"),
        "{}",
        text(&output)
    );
    assert!(
        text(&output).contains(&format!("--publish {published}")),
        "{}",
        text(&output)
    );
    name.assert_gone().await;
    let output = rcup(&environment, &[&up[..], &["--publish", &published]].concat()).await;
    assert!(output.status.success(), "{}", text(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["state"], "ok");
    for node in report["nodes"].as_array().unwrap() {
        assert!(
            node["advertised"].as_str().unwrap().starts_with(&published),
            "{node}"
        );
    }
    // Bidirectional streams work with TLS as well.
    let output = rcup(
        &environment,
        &["cli", cluster, "--", "SET", "{a}greeting", "hello"],
    )
    .await;
    assert!(
        text(&output).contains("OK") || text(&output).contains("MOVED"),
        "{}",
        text(&output)
    );
    let output = rcup(&environment, &["exec", cluster, "--", "sh", "-c", "echo hello"]).await;
    assert!(
        output.status.success() && text(&output).contains("hello"),
        "{}",
        text(&output)
    );
    let output = rcup(&environment, &["logs", cluster, "--node", "1"]).await;
    assert!(
        text(&output).contains("Ready to accept connections"),
        "{}",
        text(&output)
    );
    let output = rcup(&environment, &["env", cluster]).await;
    assert!(
        text(&output).contains(&format!("REDIS_CLUSTER_NODES='{published}:")),
        "{}",
        text(&output)
    );
    let output = rcup(&environment, &["down", cluster]).await;
    assert!(output.status.success(), "{}", text(&output));
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_context_brings_its_certificates() {
    let (authority, home) = (Authority::new(), tempfile::tempdir().unwrap());
    let endpoint = proxy(&authority).await;
    let config = home.path().join("docker");
    let meta = config.join("contexts/meta/abc");
    std::fs::create_dir_all(&meta).unwrap();
    let context = serde_json::json!({
        "Name": "build",
        "Metadata": {},
        "Endpoints": { "docker": { "Host": endpoint, "SkipTLSVerify": false } },
    });
    std::fs::write(meta.join("meta.json"), context.to_string()).unwrap();
    let environment = [
        ("DOCKER_CONFIG", config.to_str().unwrap()),
        ("DOCKER_CONTEXT", "build"),
    ];
    // Without certificates, rcup does not use TLS, so the proxy rejects the connection.
    let output = rcup(&environment, &["list"]).await;
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    authority.client(&config.join("contexts/tls/abc/docker"));
    let output = rcup(&environment, &["list", "--output", "json"]).await;
    assert!(output.status.success(), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_not_to_be_trusted_is_told_from_one_that_is_not_there() {
    let (authority, home) = (Authority::new(), tempfile::tempdir().unwrap());
    let endpoint = proxy(&authority).await;
    let certificates = home.path().join("certs");
    let environment = [
        ("DOCKER_HOST", endpoint.as_str()),
        ("DOCKER_TLS_VERIFY", "1"),
        ("DOCKER_CERT_PATH", certificates.to_str().unwrap()),
    ];
    let output = rcup(&environment, &["list"]).await;
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(
        text(&output).contains("ca.pem, required for TLS to the container engine"),
        "{}",
        text(&output)
    );
    // A client certificate of another authority.
    Authority::new().client(&certificates);
    let output = rcup(&environment, &["list"]).await;
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(text(&output).contains("come from its CA"), "{}", text(&output));
}

/// An SSH server of this test that accepts one key, and a folder with an `ssh` that uses it.
struct Sshd {
    server: tokio::process::Child,
    home: tempfile::TempDir,
    port: u16,
}

impl Sshd {
    async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        for key in ["host", "client"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f", &at(key)])
                .output()
                .await
                .expect("ssh-keygen runs; scripts/ensure-sshd.sh gets it");
            assert!(made.status.success(), "{}", text(&made));
        }
        // The port is free. The server fails if another program binds it in the meantime.
        let port = std::net::TcpListener::bind((address(), 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let settings = format!(
            "Port {port}\nListenAddress {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPasswordAuthentication no\n",
            address(),
            at("host"),
            at("client.pub")
        );
        std::fs::write(at("sshd_config"), settings).unwrap();
        let known = format!(
            "#!/bin/sh\nexec /usr/bin/ssh -o IdentityFile={} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
             -o UserKnownHostsFile=/dev/null \"$@\"\n",
            at("client")
        );
        std::fs::create_dir(at("bin")).unwrap();
        std::fs::write(at("bin/ssh"), known).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(at("bin/ssh"), mode).unwrap();
        // As root, sshd requires this directory, which the service of its package creates.
        let _ = std::fs::create_dir("/run/sshd");
        let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sshd/usr");
        let own = Path::new("/usr/sbin/sshd");
        let program = if own.exists() {
            own.to_owned()
        } else {
            unpacked.join("sbin/sshd")
        };
        let libraries = unpacked.join(format!("lib/{}-linux-gnu", std::env::consts::ARCH));
        let server = Command::new(program)
            .args(["-D", "-f", &at("sshd_config"), "-E", &at("log")])
            .env("LD_LIBRARY_PATH", libraries)
            .kill_on_drop(true)
            .spawn()
            .expect("sshd runs; scripts/ensure-sshd.sh gets it");
        let sshd = Self { server, home, port };
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        while tokio::net::TcpStream::connect((address(), port)).await.is_err() {
            assert!(tokio::time::Instant::now() < deadline, "{}", sshd.log());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        sshd
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// Returns the SSH endpoint of this machine's container engine.
    async fn endpoint(&self) -> String {
        let user = Command::new("id").arg("-un").output().await.unwrap();
        let user = String::from_utf8_lossy(&user.stdout).trim().to_owned();
        format!("ssh://{user}@{}:{}", address(), self.port)
    }

    fn path(&self) -> String {
        let own = self.home.path().join("bin");
        format!("{}:{}", own.display(), std::env::var("PATH").unwrap_or_default())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_on_another_machine_behind_ssh() {
    let _turn = turn().await;
    let mut sshd = Sshd::start().await;
    let (endpoint, path) = (sshd.endpoint().await, sshd.path());
    let home = sshd.home.path().to_str().unwrap().to_owned();
    let environment = [
        ("DOCKER_HOST", endpoint.as_str()),
        ("PATH", path.as_str()),
        ("HOME", home.as_str()),
    ];
    let name = Name::new("ssh");
    let (cluster, image, published) = (name.0.as_str(), any_image().await, address().to_string());
    let up = ["up", cluster, "--image", &image, "--output", "json"];
    let output = rcup(&environment, &up).await;
    assert_eq!(output.status.code(), Some(2), "{}\n{}", text(&output), sshd.log());
    assert!(
        text(&output).contains("is on another machine"),
        "{}",
        text(&output)
    );
    name.assert_gone().await;
    let output = rcup(&environment, &[&up[..], &["--publish", &published]].concat()).await;
    assert!(output.status.success(), "{}\n{}", text(&output), sshd.log());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["state"], "ok");
    let output = rcup(&environment, &["exec", cluster, "--", "sh", "-c", "echo hello"]).await;
    assert!(
        output.status.success() && text(&output).contains("hello"),
        "{}",
        text(&output)
    );
    let output = rcup(&environment, &["validate", cluster]).await;
    assert!(output.status.success(), "{}", text(&output));
    let output = rcup(&environment, &["down", cluster]).await;
    assert!(output.status.success(), "{}", text(&output));
    name.assert_gone().await;

    // A host that rejects every login, and one that is down.
    std::fs::write(sshd.home.path().join("client.pub"), "").unwrap();
    let output = rcup(&environment, &["list"]).await;
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(
        text(&output).contains("Permission denied") && text(&output).contains("ssh "),
        "{}",
        text(&output)
    );
    sshd.server.kill().await.unwrap();
    let output = rcup(&environment, &["list"]).await;
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(text(&output).contains("refused"), "{}", text(&output));
}

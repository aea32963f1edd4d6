//! Checks the certificates that the user provides: whether nodes and clients can use them. The check runs before
//! anything is created, with the verifier that rcup itself uses to connect to the nodes.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore};

use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::secrets::subject::Place;
use crate::spec::security::Certificates;
use crate::topology::layout::Topology;

/// Refuses certificates that nodes could not use, or that clients would not trust.
///
/// # Errors
/// [`ErrorKind::Usage`] with the file that is wrong, the reason, and what the file must contain.
pub(crate) fn check(topology: &Topology, place: Place, given: &Certificates) -> Result<()> {
    check_at(topology, place, given, UnixTime::now())
}

fn check_at(topology: &Topology, place: Place, given: &Certificates, now: UnixTime) -> Result<()> {
    let authorities = certificates("--tls-ca", &given.authority)?;
    let chain = certificates("--tls-cert", &given.node)?;
    let provider = Arc::new(ring::default_provider());
    key_fits(&chain, given.node_key.expose(), &provider)?;
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        // The servers check the expiry of an authority, which a web PKI verifier does not.
        if ended(&authority, now) {
            return Err(refused("the authority in --tls-ca is no longer valid")
                .hint("The nodes' servers would trust nobody: give one that is valid."));
        }
        roots.add(authority).map_err(|error| {
            refused("--tls-ca holds what cannot be an authority")
                .because(error)
                .hint("Give the certificate of the authority that signed --tls-cert, in PEM format.")
        })?;
    }
    let roots = Arc::new(roots);
    let [node, others @ ..] = chain.as_slice() else {
        return Err(no_certificate("--tls-cert"));
    };
    #[cfg(feature = "cli")]
    if is_its_own_issuer(node) {
        return Err(
            refused("the certificate in --tls-cert bears the name of the authority that signed it")
                .because("OpenSSL, by which the nodes verify each other, takes it for one that signed itself")
                .hint("Have it signed with a subject of its own, such as `-subj /CN=nodes`."),
        );
    }
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Io, "cannot look at the certificates").because(error.to_string())
    };
    let clients = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
        .build()
        .map_err(|error| failed(&error))?;
    let mut missing = Vec::new();
    let wanted = wanted(topology, place);
    for (text, name) in &wanted {
        match clients.verify_server_cert(node, others, name, &[], now) {
            Ok(_) => {}
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => missing.push(text.as_str()),
            Err(error) => return Err(unfit(&error, "a server")),
        }
    }
    if !missing.is_empty() {
        let all: Vec<&str> = wanted.iter().map(|(text, _)| text.as_str()).collect();
        return Err(unnamed(topology, place, &missing, &all));
    }
    // On the bus and for replication, a node is also a client.
    WebPkiClientVerifier::builder_with_provider(roots, provider)
        .build()
        .map_err(|error| failed(&error))?
        .verify_client_cert(node, others, now)
        .map_err(|error| unfit(&error, "a client"))?;
    Ok(())
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, message)
}

fn no_certificate(flag: &str) -> Error {
    refused(format!("{flag} holds no certificate"))
        .hint("It is a PEM file with `-----BEGIN CERTIFICATE-----` in it.")
}

fn certificates(flag: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(no_certificate(flag)),
    }
}

/// Checks that the key belongs to the certificate. Errors contain neither of them.
fn key_fits(chain: &[CertificateDer<'static>], pem: &str, provider: &Arc<CryptoProvider>) -> Result<()> {
    if pem.contains("ENCRYPTED") {
        return Err(refused("the key in --tls-key is encrypted")
            .because("the nodes' servers have nobody to ask for its password")
            .hint("Give it as `openssl pkey -in KEY -out PLAIN` writes it; only the nodes' user can read it there."));
    }
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        refused("--tls-key holds no private key")
            .hint("It is a PEM file with `-----BEGIN PRIVATE KEY-----` in it.")
    })?;
    match CertifiedKey::from_der(chain.to_vec(), key, provider) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(refused("the key in --tls-key is not that of the certificate in --tls-cert")
                .hint("`openssl x509 -in CERT -noout -pubkey` and `openssl pkey -in KEY -pubout` print the same for a pair."))
        }
        Err(error) => Err(
            refused("--tls-cert and --tls-key cannot be used together")
                .because(error)
                .hint("Give a certificate with an RSA, ECDSA or Ed25519 key, as PEM."),
        ),
    }
}

/// Returns every address and name at which a node is reached.
fn wanted(topology: &Topology, place: Place) -> Vec<(String, ServerName<'static>)> {
    let addresses = place.addresses(topology).into_iter();
    let mut all: Vec<(String, ServerName<'static>)> = addresses
        .map(|ip| {
            let name = ServerName::IpAddress(IpAddr::V4(ip).into());
            (format!("IP:{ip}"), name)
        })
        .collect();
    all.extend(place.names(topology).filter_map(|name| {
        let text = format!("DNS:{name}");
        Some((text, ServerName::try_from(name.to_owned()).ok()?))
    }));
    all
}

fn unnamed(topology: &Topology, place: Place, missing: &[&str], all: &[&str]) -> Error {
    let mut hint = format!("Have it signed with subjectAltName={}", all.join(","));
    let chosen = topology.spec.subnet().is_none() && topology.spec.network().is_none();
    if place == Place::Containers && chosen {
        let _ = write!(
            hint,
            "; with `--subnet {}` the addresses stay the same",
            topology.placement.subnet
        );
    }
    refused(format!(
        "the certificate in --tls-cert does not name {}",
        missing.join(", ")
    ))
    .because("clients and nodes refuse a certificate that does not list the address they connect to")
    .hint(format!("{hint}."))
}

/// Returns the error for a certificate that a verifier rejects as that of a server or of a client.
fn unfit(error: &rustls::Error, role: &str) -> Error {
    let rustls::Error::InvalidCertificate(reason) = error else {
        return refused("the certificate in --tls-cert cannot be used").because(error.to_string());
    };
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            refused("the certificate in --tls-cert is no longer valid")
                .hint("`openssl x509 -in CERT -noout -dates` shows when it expired: give a valid one.")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            refused("the certificate in --tls-cert is not valid yet")
                .hint("See `openssl x509 -in CERT -noout -dates`, and this machine's clock.")
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            refused("the certificate in --tls-cert is not signed by the authority in --tls-ca").hint(
                "Append what lies between the two to the file of --tls-cert, or give the authority that signed it; \
                 `openssl verify -CAfile CA CERT` shows more.",
            )
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            refused(format!("the certificate in --tls-cert is not meant for {role}"))
                .because("a node is a server to its clients, and a client to the other nodes")
                .hint("Have it signed with extendedKeyUsage=serverAuth,clientAuth.")
        }
        other => refused("the certificate in --tls-cert cannot be used")
            .because(other.to_string())
            .hint("It is a certificate of version 3 of its own, not that of an authority."),
    }
}

/// Whether subject and issuer are the same name. Without the feature `cli`, the library leaves this case to the
/// servers. The verifier reports a certificate that cannot be parsed.
#[cfg(feature = "cli")]
fn is_its_own_issuer(certificate: &CertificateDer<'_>) -> bool {
    x509_parser::parse_x509_certificate(certificate)
        .is_ok_and(|(_, parsed)| parsed.subject().as_raw() == parsed.issuer().as_raw())
}

/// Whether a certificate has expired.
fn ended(certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
    let now = UNIX_EPOCH + Duration::from_secs(now.as_secs());
    crate::server::wire::certificate::ends(certificate)
        .is_some_and(|ends| UNIX_EPOCH + Duration::from_secs(ends) <= now)
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
        Issuer, KeyPair, SanType, date_time_ymd,
    };

    use super::*;
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::secret::Secret;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::placement;

    fn topology() -> Topology {
        let spec = ClusterSpec::builder()
            .tls(true)
            .publish("192.0.2.7".parse().unwrap());
        Topology::new(&spec.build().unwrap(), &placement(Engine::Redis, "8.0.2")).unwrap()
    }

    fn params(topology: &Topology) -> CertificateParams {
        let mut params = CertificateParams::default();
        for (text, _) in wanted(topology, Place::Containers) {
            params
                .subject_alt_names
                .push(match text.split_once(':').unwrap() {
                    ("IP", ip) => SanType::IpAddress(ip.parse().unwrap()),
                    (_, name) => SanType::DnsName(name.try_into().unwrap()),
                });
        }
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params
    }

    fn signed(change: impl FnOnce(&mut CertificateParams), end: i32) -> Certificates {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.not_after = date_time_ymd(end, 1, 1);
        authority
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let certificate = authority.self_signed(&key).unwrap();
        let issuer = Issuer::new(authority, key);
        let mut node = params(&topology());
        change(&mut node);
        let node_key = KeyPair::generate().unwrap();
        Certificates {
            authority: certificate.pem(),
            node: node.signed_by(&node_key, &issuer).unwrap().pem(),
            node_key: Secret::new(node_key.serialize_pem()),
            client: None,
        }
    }

    fn told(given: &Certificates) -> String {
        let error = check(&topology(), Place::Containers, given).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        let told = format!(
            "{error} {:?} {}",
            error.causes(),
            error.hint_text().unwrap_or_default()
        );
        let key = given.node_key.expose();
        assert!(
            key.lines()
                .filter(|line| line.len() > 8)
                .all(|line| !told.contains(line))
        );
        told
    }

    #[test]
    fn what_the_nodes_can_work_with_is_taken() {
        check(&topology(), Place::Containers, &signed(|_| {}, 2099)).unwrap();
        // Without any extended key usage, a certificate is valid for every purpose.
        check(
            &topology(),
            Place::Containers,
            &signed(|params| params.extended_key_usages.clear(), 2099),
        )
        .unwrap();
        let made = crate::lifecycle::secrets::generated::make(&topology(), Place::Containers).unwrap();
        check(&topology(), Place::Containers, &made).unwrap();
    }

    #[test]
    fn a_certificate_names_every_address_and_every_node() {
        for at in 0..wanted(&topology(), Place::Containers).len() {
            let (name, _) = wanted(&topology(), Place::Containers).remove(at);
            let remove = |params: &mut CertificateParams| drop(params.subject_alt_names.remove(at));
            let told = told(&signed(remove, 2099));
            assert!(told.contains(&format!("does not name {name} ")), "{told}");
            assert!(told.contains("subjectAltName=IP:10.213.0.2,"), "{told}");
            assert!(told.contains("--subnet 10.213.0.0/"), "{told}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_reason() {
        let past = |params: &mut CertificateParams| params.not_after = date_time_ymd(2021, 1, 1);
        assert!(told(&signed(past, 2099)).contains("no longer valid"));
        let future = |params: &mut CertificateParams| params.not_before = date_time_ymd(2090, 1, 1);
        assert!(told(&signed(future, 2099)).contains("not valid yet"));
        assert!(told(&signed(|_| {}, 2021)).contains("authority in --tls-ca is no longer"));
        for (left, role) in [
            (ExtendedKeyUsagePurpose::ClientAuth, "not meant for a server"),
            (ExtendedKeyUsagePurpose::ServerAuth, "not meant for a client"),
        ] {
            let one = |params: &mut CertificateParams| params.extended_key_usages = vec![left];
            assert!(told(&signed(one, 2099)).contains(role));
        }
        let same = |params: &mut CertificateParams| {
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, "an authority");
        };
        assert!(told(&signed(same, 2099)).contains("bears the name of the authority"));
        let (good, other) = (signed(|_| {}, 2099), signed(|_| {}, 2099));
        let mixed = |change: &dyn Fn(&mut Certificates)| {
            let mut all = good.clone();
            change(&mut all);
            told(&all)
        };
        let foreign = mixed(&|all| all.node_key = other.node_key.clone());
        assert!(foreign.contains("not that of the certificate"), "{foreign}");
        let strange = mixed(&|all| all.authority = other.authority.clone());
        assert!(strange.contains("not signed by the authority"), "{strange}");
        assert!(mixed(&|all| all.node = "nothing".to_owned()).contains("--tls-cert holds no certificate"));
        assert!(mixed(&|all| all.authority.clear()).contains("--tls-ca holds no certificate"));
        assert!(mixed(&|all| all.node_key = Secret::new("x")).contains("holds no private key"));
        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert!(mixed(&|all| all.node_key = Secret::new(locked)).contains("is encrypted"));
    }
}

//! Generates the certificates of a new cluster.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::secrets::subject::Place;
use crate::spec::secret::Secret;
use crate::spec::security::{Certificates, ClientCertificate};
use crate::topology::layout::Topology;

/// Generates a certificate authority, signs one certificate for all nodes and one for a client, and discards the
/// authority's key.
///
/// All nodes use one key: they share a container engine and a volume, so separate keys would not isolate them. With
/// elliptic curves (ECDSA P-256, which every client supports), everything takes under a millisecond.
pub(crate) fn make(topology: &Topology, place: Place) -> Result<Certificates> {
    made(topology, place).map_err(|error| {
        Error::new(ErrorKind::Io, "cannot make the cluster's certificates").because(error.to_string())
    })
}

fn made(topology: &Topology, place: Place) -> Result<Certificates, rcgen::Error> {
    let name = topology.name();
    let mut authority = params(&format!("rcup authority of cluster {name}"));
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);

    let mut node = params(&format!("nodes of rcup cluster {name}"));
    let mut addresses = place.addresses(topology);
    if !addresses.contains(&Ipv4Addr::LOCALHOST) {
        addresses.push(Ipv4Addr::LOCALHOST);
    }
    for ip in addresses {
        node.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(ip)));
    }
    for name in place.names(topology).chain(["localhost"]) {
        node.subject_alt_names.push(SanType::DnsName(name.try_into()?));
    }
    // On the bus and for replication, a node is also a client.
    node.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let node_key = KeyPair::generate()?;
    let node = node.signed_by(&node_key, &issuer)?;

    let mut client = params(&format!("client of rcup cluster {name}"));
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client_key = KeyPair::generate()?;
    let client = client.signed_by(&client_key, &issuer)?;
    Ok(Certificates {
        authority: authority_certificate.pem(),
        node: node.pem(),
        node_key: Secret::new(node_key.serialize_pem()),
        client: Some(ClientCertificate {
            certificate: client.pem(),
            key: Secret::new(client_key.serialize_pem()),
        }),
    })
}

/// Returns parameters with a validity that exceeds any cluster's lifetime, and that begins before the time of any
/// clock that was set.
fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::placement;

    #[test]
    fn the_nodes_certificate_names_them_and_nobody_else() {
        use rustls::client::danger::ServerCertVerifier as _;
        let spec = ClusterSpec::builder()
            .tls(true)
            .publish("192.0.2.7".parse().unwrap());
        let topology = Topology::new(&spec.build().unwrap(), &placement(Engine::Redis, "8.0.2")).unwrap();
        let made = make(&topology, Place::Containers).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(made.authority.as_bytes()).unwrap();
        roots.add(authority).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .unwrap();
        let node = CertificateDer::from_pem_slice(made.node.as_bytes()).unwrap();
        let names = |name: &str| {
            let name = ServerName::try_from(name.to_owned()).unwrap();
            let looked = verifier.verify_server_cert(&node, &[], &name, &[], UnixTime::now());
            looked.is_ok()
        };
        for node in &topology.nodes {
            assert!(names(&node.ip.to_string()) && names(&node.name), "{}", node.name);
        }
        for name in ["127.0.0.1", "localhost", "192.0.2.7"] {
            assert!(names(name), "{name}");
        }
        for name in [
            "10.213.0.8",
            "192.0.2.8",
            "rcup-default-7",
            "rcup-other-1",
            "example.com",
        ] {
            assert!(!names(name), "{name}");
        }
        // A client certificate does not identify a node.
        let client = made.client.unwrap();
        let client = CertificateDer::from_pem_slice(client.certificate.as_bytes()).unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        assert!(
            verifier
                .verify_server_cert(&client, &[], &name, &[], UnixTime::now())
                .is_err()
        );
    }
}

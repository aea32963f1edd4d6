//! The certificates of a new cluster.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

use crate::error::{Error, ErrorKind, Result};
use crate::spec::{Certificates, Secret};
use crate::topology::Topology;

/// Makes an authority, has it sign one certificate for all nodes and one for a client, and forgets its key.
///
/// One key serves all nodes: they share an engine and a volume, so a key for each would separate nothing. With
/// elliptic curves (ECDSA P-256, which every client knows) all of it takes under a millisecond.
pub(super) fn make(topology: &Topology) -> Result<Certificates> {
    made(topology).map_err(|error| {
        Error::new(ErrorKind::Io, "cannot make the cluster's certificates").because(error.to_string())
    })
}

fn made(topology: &Topology) -> Result<Certificates, rcgen::Error> {
    let name = topology.name();
    let mut authority = params(&format!("rcup authority of cluster {name}"));
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);

    let mut node = params(&format!("nodes of rcup cluster {name}"));
    let addresses = topology.nodes.iter().map(|node| node.ip);
    for ip in addresses
        .chain([Ipv4Addr::LOCALHOST])
        .chain(topology.spec.publish())
    {
        node.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(ip)));
    }
    let names = topology.nodes.iter().map(|node| node.name.as_str());
    for name in names.chain(["localhost"]) {
        node.subject_alt_names.push(SanType::DnsName(name.try_into()?));
    }
    // On the bus and for replication a node is a client too.
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
        client: client.pem(),
        client_key: Secret::new(client_key.serialize_pem()),
    })
}

/// Valid for longer than any cluster lives, and from before any clock that is set at all.
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

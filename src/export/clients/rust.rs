//! Rust.

use crate::export::clients::code::{WHY, lines, when};
use crate::export::clients::wiring::Wiring;

/// Returns the snippet for the `redis` crate. Version 1.5 added `node_address_map`.
pub fn redis_rs(wiring: &Wiring) -> String {
    let scheme = if wiring.tls { "rediss" } else { "redis" };
    let nodes = lines(&wiring.nodes, 8, |node| format!("\"{scheme}://{node}\","));
    let nat = lines(&wiring.nat, 8, |(advertised, dialled)| {
        format!(
            "(NodeAddress::new(\"{}\", {}), NodeAddress::new(\"{}\", {})),",
            advertised.host, advertised.port, dialled.host, dialled.port
        )
    });
    let mapped = !wiring.nat.is_empty();
    let map = if mapped {
        format!("    // {WHY}\n    let nat = HashMap::from([\n{nat}    ]);\n")
    } else {
        String::new()
    };
    format!(
        "{manifest}{imports}\n/// A client of the cluster; see `get_async_connection`.\n\
         pub fn client() -> Result<ClusterClient, Box<dyn std::error::Error>> {{\n    let nodes = vec![\n{nodes}    ];\n\
         {map}{tls}    let client = ClusterClient::builder(nodes){password}{certs}{remap};\n    Ok(client.build()?)\n}}\n",
        manifest = if wiring.tls {
            "// redis = { version = \"1.5\", features = [\"tokio-comp\", \"cluster-async\", \"tokio-rustls-comp\"] }\n\
             // rustls = { version = \"0.23\", default-features = false, features = [\"ring\", \"std\", \"tls12\"] }\n"
        } else {
            "// redis = { version = \"1.5\", features = [\"tokio-comp\", \"cluster-async\"] }\n"
        },
        imports = [
            when(mapped, "use std::collections::HashMap;\n\n"),
            when(wiring.tls, "use redis::TlsCertificates;\n"),
            if mapped {
                "use redis::cluster::{ClusterClient, NodeAddress};\n"
            } else {
                "use redis::cluster::ClusterClient;\n"
            },
        ]
        .concat(),
        tls = when(
            wiring.tls,
            "    let authority = TlsCertificates {\n        client_tls: None,\n        \
             root_cert: Some(std::fs::read(std::env::var(\"REDIS_TLS_CA_CERT\")?)?),\n    };\n"
        ),
        password = when(
            wiring.password,
            "\n        .password(std::env::var(\"REDIS_PASSWORD\")?)"
        ),
        certs = when(wiring.tls, "\n        .certs(authority)"),
        remap = when(mapped, "\n        .node_address_map(nat)"),
    )
}

//! JavaScript.

use crate::export::clients::code::{WHY, lines, when};
use crate::export::clients::wiring::{Endpoint, Wiring};

fn address(node: &Endpoint) -> String {
    format!("{{ host: '{}', port: {} }}", node.host, node.port)
}

fn nat(map: &[(Endpoint, Endpoint)], name: &str) -> String {
    if map.is_empty() {
        return String::new();
    }
    let pairs = lines(map, 4, |(advertised, dialled)| {
        format!("'{advertised}': {},", address(dialled))
    });
    format!("  // {WHY}\n  {name}: {{\n{pairs}  }},\n")
}

/// Returns the snippet for ioredis.
pub fn ioredis(wiring: &Wiring) -> String {
    let nodes = lines(&wiring.nodes, 2, |node| format!("{},", address(node)));
    let login = [
        when(wiring.password, "    password: process.env.REDIS_PASSWORD,\n"),
        when(
            wiring.tls,
            "    tls: { ca: readFileSync(process.env.REDIS_TLS_CA_CERT) },\n",
        ),
    ]
    .concat();
    let login = if login.is_empty() {
        login
    } else {
        format!("  redisOptions: {{\n{login}  }},\n")
    };
    let nat = nat(&wiring.nat, "natMap");
    let options = if login.is_empty() && nat.is_empty() {
        String::new()
    } else {
        format!(", {{\n{login}{nat}}}")
    };
    format!(
        "// npm install ioredis\n{file}import {{ Cluster }} from 'ioredis';\n\nexport const client = new Cluster([\n\
         {nodes}]{options});\n",
        file = when(wiring.tls, "import { readFileSync } from 'node:fs';\n\n"),
    )
}

/// Returns the snippet for node-redis. Versions still in use (4.5 in Debian 12) read addresses from `CLUSTER NODES`.
pub fn node_redis(wiring: &Wiring) -> String {
    let scheme = if wiring.tls { "rediss" } else { "redis" };
    let nodes = lines(&wiring.nodes, 4, |node| {
        format!("{{ url: '{scheme}://{node}' }},")
    });
    let login = [
        when(wiring.password, "    password: process.env.REDIS_PASSWORD,\n"),
        when(
            wiring.tls,
            "    socket: { tls: true, ca: readFileSync(process.env.REDIS_TLS_CA_CERT) },\n",
        ),
    ]
    .concat();
    let login = if login.is_empty() {
        login
    } else {
        format!("  defaults: {{\n{login}  }},\n")
    };
    format!(
        "// npm install redis\n{file}import {{ createCluster }} from 'redis';\n\nexport const client = createCluster({{\n  \
         rootNodes: [\n{nodes}  ],\n{login}{nat}}});\nclient.on('error', (error) => console.error(error));\nawait \
         client.connect();\n",
        file = when(wiring.tls, "import { readFileSync } from 'node:fs';\n\n"),
        nat = nat(&wiring.whole_nat(), "nodeAddressMap"),
    )
}

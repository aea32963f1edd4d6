//! Python.

use crate::export::clients::code::{WHY, lines, when};
use crate::export::clients::wiring::Wiring;

/// Returns the snippet for redis-py.
pub fn redis_py(wiring: &Wiring) -> String {
    let nodes = lines(&wiring.nodes, 4, |node| {
        format!("(\"{}\", {}),", node.host, node.port)
    });
    let nat = lines(&wiring.nat, 4, |(advertised, dialled)| {
        format!(
            "(\"{}\", {}): (\"{}\", {}),",
            advertised.host, advertised.port, dialled.host, dialled.port
        )
    });
    let mapped = !wiring.nat.is_empty();
    let map = if mapped {
        format!("\n# {WHY}\nNAT = {{\n{nat}}}\n")
    } else {
        String::new()
    };
    // redis-py maps the addresses of CLUSTER SLOTS, but not those of redirections. Without this function, it does not
    // find the node of an ASK, and for a MOVED it creates a node that does not answer.
    let redirected = when(
        mapped,
        "\n\ndef known(host=None, port=None, node_name=None, find=client.nodes_manager.get_node):\n    \"\"\"Where \
         a redirection leads from here.\"\"\"\n    if node_name:\n        host, port = node_name.rsplit(\":\", 1)\n    \
         address = (host, int(port))\n    return find(*NAT.get(address, address))\n\n\nclient.nodes_manager.get_node \
         = known\n",
    );
    format!(
        "# pip install 'redis>=5'\n{import}from redis.cluster import ClusterNode, RedisCluster\n\n\
         NODES = [\n{nodes}]\n{map}\nclient = RedisCluster(\n    startup_nodes=[ClusterNode(host, port) for host, port in NODES],\n\
         {password}{tls}{remap})\n{redirected}",
        import = when(wiring.password || wiring.tls, "import os\n\n"),
        password = when(wiring.password, "    password=os.environ[\"REDIS_PASSWORD\"],\n"),
        tls = when(
            wiring.tls,
            "    ssl=True,\n    ssl_ca_certs=os.environ[\"REDIS_TLS_CA_CERT\"],\n"
        ),
        remap = when(
            mapped,
            "    address_remap=lambda address: NAT.get(address, address),\n"
        ),
    )
}

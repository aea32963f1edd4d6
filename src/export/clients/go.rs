//! Go.

use crate::export::clients::code::{lines, when};
use crate::export::clients::wiring::Wiring;

/// Returns the snippet for go-redis, which has no address map but accepts a custom dialer. If a remote node advertises
/// a loopback address, go-redis replaces it with the host of that node. The map therefore uses the port as its key:
/// each node has a different one.
pub fn go_redis(wiring: &Wiring) -> String {
    let mapped = !wiring.nat.is_empty();
    let imports = [
        when(mapped, "\t\"context\"\n"),
        when(wiring.tls, "\t\"crypto/tls\"\n\t\"crypto/x509\"\n"),
        when(mapped, "\t\"net\"\n"),
        when(wiring.password || wiring.tls, "\t\"os\"\n"),
    ]
    .concat();
    let nodes = lines(&wiring.nodes, 0, |node| format!("\t\t\t\"{node}\","));
    let nat = lines(&wiring.nat, 0, |(advertised, dialled)| {
        format!("\t\t\"{}\": \"{dialled}\",", advertised.port)
    });
    let authority = when(
        wiring.tls,
        "\tauthority, err := os.ReadFile(os.Getenv(\"REDIS_TLS_CA_CERT\"))\n\tif err != nil {\n\t\treturn nil, err\n\t}\n\
         \tpool := x509.NewCertPool()\n\tpool.AppendCertsFromPEM(authority)\n",
    );
    let dialler = if mapped {
        let dial = if wiring.tls {
            // go-redis does not set up TLS for a custom dialer.
            "\t\tdialer := &tls.Dialer{Config: &tls.Config{RootCAs: pool}}\n\t\treturn dialer.DialContext(ctx, network, address)\n"
        } else {
            "\t\treturn (&net.Dialer{}).DialContext(ctx, network, address)\n"
        };
        format!(
            "\t// Where the node with a port is from here, whatever the nodes tell.\n\tnat := map[string]string{{\n{nat}\t}}\n\
             \toptions.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {{\n\
             \t\tif _, port, err := net.SplitHostPort(address); err == nil && nat[port] != \"\" {{\n\t\t\taddress = nat[port]\n\
             \t\t}}\n{dial}\t}}\n"
        )
    } else {
        String::new()
    };
    format!(
        "// go get github.com/redis/go-redis/v9\npackage cluster\n\nimport (\n{imports}{gap}\t\"github.com/redis/go-redis/v9\"\n)\n\n\
         // Client returns a client of the cluster.\nfunc Client() (*redis.ClusterClient, error) {{\n{authority}\
         \toptions := &redis.ClusterOptions{{\n\t\tAddrs: []string{{\n{nodes}\t\t}},\n{password}{tls}\t}}\n{dialler}\
         \treturn redis.NewClusterClient(options), nil\n}}\n",
        gap = when(!imports.is_empty(), "\n"),
        password = when(wiring.password, "\t\tPassword: os.Getenv(\"REDIS_PASSWORD\"),\n"),
        tls = when(
            wiring.tls && !mapped,
            "\t\tTLSConfig: &tls.Config{RootCAs: pool},\n"
        ),
    )
}

//! Java.

use crate::export::clients::code::{WHY, lines, when};
use crate::export::clients::wiring::Wiring;

/// Returns one line for each item, separated by commas.
fn listed<T>(items: &[T], blanks: usize, item: impl Fn(&T) -> String) -> String {
    let text = lines(items, blanks, |one| format!("{},", item(one)));
    text.strip_suffix(",\n")
        .map_or(String::new(), |text| format!("{text}\n"))
}

/// Returns the address map as a constant, or an empty string. `make` is the code that creates a host and port.
fn nat(wiring: &Wiring, make: &str) -> String {
    if wiring.nat.is_empty() {
        return String::new();
    }
    let pairs = listed(&wiring.nat, 8, |(advertised, dialled)| {
        format!(
            "Map.entry({make}(\"{}\", {}), {make}(\"{}\", {}))",
            advertised.host, advertised.port, dialled.host, dialled.port
        )
    });
    format!(
        "    /** {WHY} */\n    private static final Map<HostAndPort, HostAndPort> NAT = Map.ofEntries(\n{pairs}    );\n\n"
    )
}

/// Returns the snippet for Jedis.
pub fn jedis(wiring: &Wiring) -> String {
    let mapped = !wiring.nat.is_empty();
    let nodes = listed(&wiring.nodes, 12, |node| {
        format!("new HostAndPort(\"{}\", {})", node.host, node.port)
    });
    let imports = [
        when(
            wiring.tls,
            "import java.io.InputStream;\nimport java.nio.file.Files;\nimport java.nio.file.Path;\n\
            import java.security.KeyStore;\nimport java.security.cert.CertificateFactory;\n",
        ),
        when(mapped, "import java.util.Map;\n"),
        "import java.util.Set;\n",
        when(
            wiring.tls,
            "import javax.net.ssl.SSLContext;\nimport javax.net.ssl.SSLSocketFactory;\n\
            import javax.net.ssl.TrustManagerFactory;\n",
        ),
    ]
    .concat();
    let config = [
        when(wiring.password, "\n            .password(System.getenv(\"REDIS_PASSWORD\"))"),
        when(wiring.tls, "\n            .ssl(true)\n            .sslSocketFactory(trust(Path.of(System.getenv(\"REDIS_TLS_CA_CERT\"))))"),
        when(mapped, "\n            .hostAndPortMapper(advertised -> NAT.getOrDefault(advertised, advertised))"),
    ]
    .concat();
    format!(
        "// Maven: redis.clients:jedis, version 5 or newer\n{imports}import redis.clients.jedis.DefaultJedisClientConfig;\n\
         import redis.clients.jedis.HostAndPort;\nimport redis.clients.jedis.JedisCluster;\n\npublic final class Cluster {{\n\
         {nat}    /** A client of the cluster. */\n    public static JedisCluster client(){throws} {{\n        \
         Set<HostAndPort> nodes = Set.of(\n{nodes}        );\n        DefaultJedisClientConfig config = \
         DefaultJedisClientConfig.builder(){config}\n            .build();\n        return new JedisCluster(nodes, config);\n    \
         }}\n{trust}}}\n",
        nat = nat(wiring, "new HostAndPort"),
        throws = when(wiring.tls, " throws Exception"),
        trust = when(wiring.tls, TRUST),
    )
}

/// Code that loads the CA certificate into a trust store, which Java requires instead of a file.
const TRUST: &str = r#"
    /** Trusts the authority in a file, and nobody else. */
    private static SSLSocketFactory trust(Path authority) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream file = Files.newInputStream(authority)) {
            store.setCertificateEntry("authority", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context.getSocketFactory();
    }
"#;

/// Returns the snippet for Lettuce.
pub fn lettuce(wiring: &Wiring) -> String {
    let mapped = !wiring.nat.is_empty();
    let nodes = listed(&wiring.nodes, 12, |node| {
        format!("node(\"{}\", {})", node.host, node.port)
    });
    let imports = [
        "import io.lettuce.core.RedisURI;\n",
        when(wiring.tls, "import io.lettuce.core.SslOptions;\nimport io.lettuce.core.cluster.ClusterClientOptions;\n"),
        "import io.lettuce.core.cluster.RedisClusterClient;\n",
        when(mapped, "import io.lettuce.core.internal.HostAndPort;\nimport io.lettuce.core.resource.ClientResources;\n\
            import io.lettuce.core.resource.DnsResolvers;\nimport io.lettuce.core.resource.MappingSocketAddressResolver;\n"),
        when(wiring.tls, "import java.io.File;\n"),
        "import java.util.List;\n",
        when(mapped, "import java.util.Map;\n"),
    ]
    .concat();
    let create = if mapped {
        "        ClientResources resources = ClientResources.builder()\n            .socketAddressResolver(\
         MappingSocketAddressResolver.create(\n                DnsResolvers.UNRESOLVED, advertised -> NAT.getOrDefault(advertised, advertised)))\n            \
         .build();\n        RedisClusterClient client = RedisClusterClient.create(resources, nodes);\n"
    } else {
        "        RedisClusterClient client = RedisClusterClient.create(nodes);\n"
    };
    let options = when(
        wiring.tls,
        "        SslOptions trust = SslOptions.builder().trustManager(new File(System.getenv(\"REDIS_TLS_CA_CERT\"))).build();\n        \
         client.setOptions(ClusterClientOptions.builder().sslOptions(trust).build());\n",
    );
    let login = [
        when(
            wiring.password,
            "\n            .withPassword(System.getenv(\"REDIS_PASSWORD\").toCharArray())",
        ),
        when(wiring.tls, "\n            .withSsl(true)"),
    ]
    .concat();
    format!(
        "// Maven: io.lettuce:lettuce-core, version 6 or newer\n{imports}\npublic final class Cluster {{\n{nat}    \
         /** A client of the cluster. */\n    public static RedisClusterClient client() {{\n        List<RedisURI> nodes = \
         List.of(\n{nodes}        );\n{create}{options}        return client;\n    }}\n\n    private static RedisURI node(String \
         host, int port) {{\n        return RedisURI.builder().withHost(host).withPort(port){login}\n            .build();\n    \
         }}\n}}\n",
        nat = nat(wiring, "HostAndPort.of"),
    )
}

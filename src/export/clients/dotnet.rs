//! C#.

use crate::export::clients::code::{WHY, lines, when};
use crate::export::clients::wiring::Wiring;

/// Returns the snippet for StackExchange.Redis, which reads `CLUSTER NODES` and follows redirections. Its `Tunnel` can
/// replace the address to connect to.
pub fn stack_exchange_redis(wiring: &Wiring) -> String {
    let all = wiring.whole_nat();
    let mapped = !all.is_empty();
    let nodes = lines(&wiring.nodes, 8, |node| {
        format!("{{ \"{}\", {} }},", node.host, node.port)
    });
    let nat = lines(&all, 8, |(advertised, dialled)| {
        format!(
            "[\"{advertised}\"] = new IPEndPoint(IPAddress.Parse(\"{}\"), {}),",
            dialled.host, dialled.port
        )
    });
    let tunnel = if mapped {
        format!(
            "\n/// <summary>{WHY}</summary>\nsealed class Nat : Tunnel\n{{\n    static readonly Dictionary<string, EndPoint> \
             Places = new()\n    {{\n{nat}    }};\n\n    public override ValueTask<EndPoint?> GetSocketConnectEndpointAsync(\n        \
             EndPoint endpoint, CancellationToken cancellationToken) =>\n        \
             new(Places.GetValueOrDefault(endpoint.ToString()!, endpoint));\n}}\n"
        )
    } else {
        String::new()
    };
    format!(
        "// dotnet add package StackExchange.Redis (2.8 or newer)\n{net}using StackExchange.Redis;\n{configuration}\nvar options = \
         new ConfigurationOptions\n{{\n    EndPoints =\n    {{\n{nodes}    }},\n{password}{tls}{tunneled}}};\n{trust}var client = \
         await ConnectionMultiplexer.ConnectAsync(options);\n{tunnel}",
        net = when(mapped, "using System.Net;\n"),
        configuration = when(mapped, "using StackExchange.Redis.Configuration;\n"),
        password = when(
            wiring.password,
            "    Password = Environment.GetEnvironmentVariable(\"REDIS_PASSWORD\"),\n"
        ),
        tls = when(wiring.tls, "    Ssl = true,\n"),
        tunneled = when(mapped, "    Tunnel = new Nat(),\n"),
        trust = when(
            wiring.tls,
            "options.TrustIssuer(Environment.GetEnvironmentVariable(\"REDIS_TLS_CA_CERT\")!);\n"
        ),
    )
}

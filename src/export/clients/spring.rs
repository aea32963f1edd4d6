//! Java with Spring Boot.

use crate::export::clients::code::{WHY, lines, when};
use crate::export::clients::wiring::Wiring;

/// Returns an `application.yml`. Spring has no address map. If one is needed, a comment at the end of the file contains
/// the bean that sets it in Lettuce.
pub fn spring(wiring: &Wiring) -> String {
    let nodes = lines(&wiring.nodes, 10, |node| format!("- '{node}'"));
    let password = when(wiring.password, "      password: ${REDIS_PASSWORD}\n");
    let tls = when(wiring.tls, "      ssl:\n        bundle: cluster\n");
    let bundle = when(
        wiring.tls,
        "  ssl:\n    bundle:\n      pem:\n        cluster:\n          truststore:\n            certificate: \
         file:${REDIS_TLS_CA_CERT}\n",
    );
    let nat = lines(&wiring.nat, 0, |(advertised, dialled)| {
        format!(
            "#         Map.entry(HostAndPort.of(\"{}\", {}), HostAndPort.of(\"{}\", {})),",
            advertised.host, advertised.port, dialled.host, dialled.port
        )
    });
    let bean = match nat.strip_suffix(",\n") {
        None => String::new(),
        Some(nat) => format!(
            "\n# {WHY}\n# Spring has no setting for it; put this bean into a @Configuration:\n#\n# @Bean\n# \
             ClientResourcesBuilderCustomizer nat() {{\n#     Map<HostAndPort, HostAndPort> nat = Map.ofEntries(\n{nat}\n#     );\n#     \
             return resources -> resources.socketAddressResolver(MappingSocketAddressResolver.create(\n#         \
             DnsResolvers.UNRESOLVED, advertised -> nat.getOrDefault(advertised, advertised)));\n# }}\n"
        ),
    };
    format!(
        "# application.yml of Spring Boot 3.1 or newer, with spring-boot-starter-data-redis\nspring:\n  data:\n    redis:\n\
         {password}{tls}      cluster:\n        nodes:\n{nodes}      lettuce:\n        cluster:\n          refresh:\n            \
         adaptive: true\n{bundle}{bean}"
    )
}

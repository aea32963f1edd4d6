//! Lookup of directives by name, and rejection of unsupported directives.

use crate::error::{Error, ErrorKind, Result};
use crate::spec::directives::row::Row;
use crate::spec::directives::{
    clients, cluster, data, memory, monitoring, network, persistence, process, replication, security, tls,
};
use crate::spec::server::{Engine, Server};

/// Minimum similarity of a suggested name. `maxmemmory` and `maxmemory` have 0.98, `max-memory` and
/// `maxmemory` 0.97, two unrelated names 0.6 or less.
const ALIKE: f64 = 0.85;

/// Maximum number of suggested names.
const OFFERED: usize = 3;

/// Prefixes of the directives of the modules that are part of Redis 8: the query engine, time series, Bloom
/// filters and cuckoo filters. Their names change with the modules, so only the server checks them.
const MODULES: [&str; 4] = ["search-", "ts-", "bf-", "cf-"];

/// Returns the rows of all names of all directives.
pub fn all() -> impl Iterator<Item = &'static Row> {
    [
        network::ROWS,
        tls::ROWS,
        process::ROWS,
        cluster::ROWS,
        memory::ROWS,
        persistence::ROWS,
        security::ROWS,
        replication::ROWS,
        clients::ROWS,
        monitoring::ROWS,
        data::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// Returns the directive with this name.
pub fn find(name: &str) -> Option<&'static Row> {
    all().find(|row| row.name() == name)
}

/// Returns the canonical name of a directive: `min-replicas-to-write` for `min-slaves-to-write`.
pub fn canonical(name: &str) -> &str {
    match find(name) {
        Some(row) => row.canonical(),
        None => name,
    }
}

/// Returns whether a name is a directive of a Redis 8 module, or of a loaded module (its name contains a
/// dot).
fn is_of_a_module(name: &str) -> bool {
    name.contains('.') || MODULES.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns the names most similar to `name`, the most similar first. If `server` is given, only names that it
/// supports.
pub fn nearest(name: &str, server: Option<Server>) -> Vec<&'static str> {
    let mut alike: Vec<(f64, &str)> = all()
        .filter(|row| row.owner_hint().is_none())
        .filter(|row| server.is_none_or(|server| row.is_known_to(server)))
        .map(|row| (likeness(name, row.name()), row.name()))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(other.1)));
    alike.into_iter().take(OFFERED).map(|(_, name)| name).collect()
}

/// Returns the similarity of two names, from 0 to 1. An incomplete name such as `maxmemory-pol` counts as
/// similar.
fn likeness(one: &str, other: &str) -> f64 {
    if one.len() >= 5 && other.starts_with(one) {
        return 0.9;
    }
    strsim::jaro_winkler(one, other)
}

/// Checks that a directive can be set on at least one server, before the server is known.
///
/// # Errors
/// [`ErrorKind::Usage`] for an unknown name (with similar names), for a directive that rcup sets itself, and
/// for a value of the wrong kind.
pub fn check(name: &str, value: &str) -> Result<()> {
    let Some(row) = find(name) else {
        if is_of_a_module(name) {
            return Ok(());
        }
        let error = usage(format!(
            "no version of Redis or Valkey knows the directive `{name}`"
        ));
        return Err(error.hint(offer(name, None)));
    };
    if let Some(hint) = row.owner_hint() {
        return Err(usage(format!("`{name}` cannot be set by hand")).hint(hint));
    }
    // The error does not contain the value, because it may be a secret.
    match row.kind().objection(value) {
        Some(wanted) => {
            Err(usage(format!("the value of `{name}` does not fit")).hint(format!("It is to be {wanted}.")))
        }
        None => Ok(()),
    }
}

/// Returns an error if `server` does not support a directive.
pub fn refusal(name: &str, server: Server) -> Option<Error> {
    let Some(row) = find(name) else {
        let modules = server.engine == Engine::Redis && server.version.major >= 8;
        let allowed = name.contains('.') || (modules && is_of_a_module(name));
        return (!allowed)
            .then(|| usage(format!("{server} has no directive `{name}`")).hint(offer(name, Some(server))));
    };
    if row.is_known_to(server) {
        return None;
    }
    let mut hint = format!("It is known to {}.", row.known_by());
    if let Some(instead) = row.replacement() {
        hint = format!("{hint} {instead}");
    } else if let Some(other) = other_name(row, server) {
        hint = format!("{hint} {server} calls it `{other}`.");
    }
    Some(usage(format!("{server} has no directive `{name}`")).hint(hint))
}

/// Returns another name of the same directive that `server` supports.
fn other_name(row: &Row, server: Server) -> Option<&'static str> {
    all()
        .find(|other| other.canonical() == row.canonical() && other.is_known_to(server))
        .map(Row::name)
}

fn offer(name: &str, server: Option<Server>) -> String {
    let names: Vec<String> = nearest(name, server)
        .into_iter()
        .map(|name| format!("`{name}`"))
        .collect();
    if names.is_empty() {
        "The directives are those of redis.conf, such as `maxmemory-policy`.".to_owned()
    } else {
        format!("Did you mean {}?", names.join(" or "))
    }
}

fn usage(message: String) -> Error {
    Error::new(ErrorKind::Usage, message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn server(text: &str) -> Server {
        let (engine, version) = text.split_once(' ').unwrap();
        Server::new(engine.parse().unwrap(), version.parse().unwrap())
    }

    #[test]
    fn every_name_stands_once_and_leads_to_a_name_that_stands_there() {
        let names: BTreeSet<&str> = all().map(Row::name).collect();
        assert_eq!(names.len(), all().count());
        assert!(names.len() > 250);
        for row in all() {
            assert!(find(row.canonical()).is_some(), "{}", row.name());
            assert_eq!(canonical(row.canonical()), row.canonical(), "{}", row.name());
            assert!(!row.known_by().is_empty(), "{}", row.name());
            assert_eq!(row.name(), row.name().to_lowercase());
        }
    }

    #[test]
    fn what_is_rcups_matter_is_refused_with_what_to_use_instead() {
        for (name, instead) in [
            (
                "rename-command",
                &["[users.default]", "--profile production", "ACL"][..],
            ),
            ("tls-port", &["--tls"]),
            ("tls-cert-file", &["--tls-cert"]),
            ("tls-key-file-pass", &["--tls-key"]),
            ("masteruser", &["--password"]),
            ("masterauth", &["a user of rcup's own"]),
            ("bind", &["--publish"]),
            ("logfile", &["rcup logs"]),
        ] {
            let error = check(name, "x").unwrap_err();
            assert!(!error.to_string().contains("itself"), "{error}");
            let hint = error.hint_text().unwrap();
            assert!(instead.iter().all(|word| hint.contains(word)), "{name}: {hint}");
        }
        for row in all() {
            let hint = row.owner_hint().unwrap_or_default();
            assert!(
                !hint.contains("without TLS") && !hint.contains("so far"),
                "{}",
                row.name()
            );
        }
    }

    #[test]
    fn a_misspelt_name_is_refused_with_the_nearest_ones() {
        for (wrong, right) in [
            ("maxmemmory", "maxmemory"),
            ("max-memory", "maxmemory"),
            ("maxmemory-polcy", "maxmemory-policy"),
            ("apendonly", "appendonly"),
            ("io-thread", "io-threads"),
            ("slowlog", "slowlog-log-slower-than"),
        ] {
            let error = check(wrong, "x").unwrap_err();
            let hint = error.hint_text().unwrap();
            assert!(hint.contains(&format!("`{right}`")), "{wrong}: {hint}");
        }
        let error = check("frobnicate", "x").unwrap_err();
        assert!(error.hint_text().unwrap().contains("redis.conf"), "{error}");
    }

    #[test]
    fn what_a_server_has_lost_or_does_not_have_yet_is_refused_with_who_has_it() {
        let text = |name: &str, of: &str| {
            refusal(name, server(of)).map(|error| format!("{error}. {}", error.hint_text().unwrap()))
        };
        assert_eq!(text("io-threads-do-reads", "redis 7.0.15"), None);
        assert_eq!(
            text("io-threads-do-reads", "redis 8.0.2").unwrap(),
            "Redis 8.0.2 has no directive `io-threads-do-reads`. It is known to Redis before 8.0, Valkey before \
             8.1. Reads are threaded wherever io-threads is above 1."
        );
        assert_eq!(
            text("hide-user-data-from-log", "redis 7.0.15").unwrap(),
            "Redis 7.0.15 has no directive `hide-user-data-from-log`. It is known to Redis 7.4 and later, Valkey \
             8.0 and later."
        );
        assert!(
            text("bio-cpulist", "redis 7.0.15")
                .unwrap()
                .ends_with("Redis 7.0.15 calls it `bio_cpulist`.")
        );
        assert_eq!(text("search-timeout", "redis 8.0.2"), None);
        assert!(text("search-timeout", "valkey 8.1.1").is_some());
        assert!(text("search-timeout", "redis 7.4.1").is_some());
    }

    #[test]
    fn a_value_of_another_kind_is_refused_without_being_told() {
        let error = check("maxmemory-policy", "allkeys-lru2").unwrap_err();
        assert!(!error.to_string().contains("allkeys-lru2"), "{error}");
        assert!(error.hint_text().unwrap().contains("`allkeys-lru`"));
        assert!(check("save", "900 1 300 10").is_ok());
        assert!(check("maxmemory", "").is_err());
        assert!(check("search-timeout", "100").is_ok());
    }
}

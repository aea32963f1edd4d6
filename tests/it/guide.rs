//! The table of the guide's requirements is complete, and everything that it names exists.

use std::path::Path;

/// Every directive in the `redis.conf` files of the guide, including those that are commented out.
const DIRECTIVES: [&str; 41] = [
    "aclfile",
    "appendfilename",
    "appendfsync",
    "appendonly",
    "auto-aof-rewrite-min-size",
    "auto-aof-rewrite-percentage",
    "bind",
    "cluster-allow-reads-when-down",
    "cluster-config-file",
    "cluster-enabled",
    "cluster-migration-barrier",
    "cluster-node-timeout",
    "cluster-replica-no-failover",
    "cluster-replica-validity-factor",
    "cluster-require-full-coverage",
    "databases",
    "dbfilename",
    "dir",
    "io-threads",
    "io-threads-do-reads",
    "latency-monitor-threshold",
    "logfile",
    "loglevel",
    "maxmemory",
    "maxmemory-policy",
    "maxmemory-samples",
    "port",
    "protected-mode",
    "rdbchecksum",
    "rdbcompression",
    "rename-command",
    "repl-backlog-size",
    "repl-backlog-ttl",
    "repl-diskless-sync",
    "repl-diskless-sync-delay",
    "requirepass",
    "save",
    "slowlog-log-slower-than",
    "slowlog-max-len",
    "tcp-backlog",
    "tcp-keepalive",
];

/// Directives that the guide sets differently for production, staging and development.
const BY_ENVIRONMENT: [&str; 8] = [
    "appendonly",
    "bind",
    "cluster-node-timeout",
    "io-threads",
    "maxmemory",
    "maxmemory-policy",
    "protected-mode",
    "requirepass",
];

/// Every kernel setting and limit in the guide.
const SYSTEM: [&str; 7] = [
    "transparent_hugepage/enabled",
    "transparent_hugepage/defrag",
    "vm.overcommit_memory",
    "net.core.somaxconn",
    "net.ipv4.tcp_max_syn_backlog",
    "nofile",
    "vm.swappiness",
];

/// The best practices for security and persistence in the guide, each identified by a word.
const PRACTICES: [(&str, &[&str]); 2] = [
    (
        "security",
        &["ACLs", "TLS", "Bind to private", "Firewall", "dangerous commands"],
    ),
    ("persistence", &["AOF", "RDB", "backups", "restoration"]),
];

struct Row {
    section: String,
    point: String,
    shown_by: String,
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rows() -> Vec<Row> {
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in read("docs/guide-coverage.md").lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut section);
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [_, point, _, shown_by, _] = cells.as_slice()
            && !point.starts_with("---")
            && *point != "the guide"
        {
            rows.push(Row {
                section: section.clone(),
                point: (*point).to_owned(),
                shown_by: (*shown_by).to_owned(),
            });
        } else {
            assert!(
                cells.len() < 3 || cells.len() == 5,
                "a cell is missing or too many: {line}"
            );
        }
    }
    rows
}

/// Returns the texts between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns whether a test of that name exists. The leading segments are modules of `tests/it/` or of the library.
fn is_a_test(path: &str) -> bool {
    let Some((module, name)) = path.rsplit_once("::") else {
        return false;
    };
    let file = module.replace("::", "/");
    let of = |path: String| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let text = [
        format!("tests/it/{file}.rs"),
        format!("src/{file}.rs"),
        format!("src/{file}/mod.rs"),
    ]
    .into_iter()
    .find_map(|path| of(path).ok());
    let Some(text) = text else { return false };
    // Matches a function below a test attribute, or a line of a macro that generates such functions.
    let by_macro = || {
        text.lines()
            .any(|line| line.trim_start().starts_with(&format!("{name}: ")))
    };
    let function = format!("fn {name}(");
    let marked = text.split("#[test]").chain(text.split("#[tokio::test")).skip(1);
    let marked = marked.filter_map(|rest| rest.split("fn ").nth(1));
    marked
        .into_iter()
        .any(|rest| format!("fn {rest}").starts_with(&function))
        || by_macro()
}

#[test]
fn every_test_that_the_table_names_is_there() {
    let mut before = String::new();
    let mut named = 0;
    for row in rows() {
        for path in quoted(&row.shown_by) {
            assert!(
                is_a_test(path),
                "`{}` is said to be shown by `{path}`, which is no test",
                row.point
            );
            named += 1;
        }
        let words = row.shown_by.replace("the same", "");
        if words.len() < row.shown_by.len() {
            assert!(
                !before.is_empty(),
                "`{}` refers to a row that names no test",
                row.point
            );
        }
        // The cell contains only test names.
        let rest: String = words.split('`').step_by(2).collect();
        assert!(rest.chars().all(|c| " ,;".contains(c)), "`{}`: {rest}", row.point);
        before.clone_from(&row.shown_by);
    }
    assert!(named > 60, "{named} tests are named");
    assert!(!is_a_test("docker::users::nobody_has_written_this"));
    assert!(
        !is_a_test("docker::users::assert_rules"),
        "that is a function, and no test"
    );
}

#[test]
fn every_line_of_the_guide_has_a_row() {
    let rows = rows();
    let has = |section: &str, wanted: &str| {
        let of_section = rows.iter().filter(|row| row.section == section);
        of_section
            .flat_map(|row| quoted(&row.point))
            .any(|words| words.split([' ', '=']).next() == Some(wanted))
    };
    for directive in DIRECTIVES {
        assert!(has("Redis configuration", directive), "{directive} has no row");
    }
    for directive in BY_ENVIRONMENT {
        assert!(
            has("Configuration by environment", directive),
            "{directive} has no row"
        );
    }
    for setting in SYSTEM {
        assert!(has("System prerequisites", setting), "{setting} has no row");
    }
    for (practice, words) in PRACTICES {
        let section = format!("Best practices: {practice}");
        for word in words {
            let told = rows
                .iter()
                .any(|row| row.section == section && row.point.contains(word));
            assert!(told, "{section}: {word} has no row");
        }
    }
}

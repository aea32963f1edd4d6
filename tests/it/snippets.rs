//! Checks the code that `rcup env` prints without a cluster: with the tools of its language if they are installed, and
//! by its structure. `docker/wiring.rs` runs it for redis-py, redis-rs and node-redis.

use std::process::Command;

use rcup::export::clients::Library;
use rcup::export::clients::wiring::{Endpoint, Wiring};

fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint {
        host: host.to_owned(),
        port,
    }
}

/// Returns all settings that affect the code.
fn wirings() -> Vec<Wiring> {
    let nodes = vec![endpoint("10.213.0.2", 7001), endpoint("10.213.0.3", 7002)];
    let told = |node: &Endpoint| (endpoint("127.0.0.1", node.port), node.clone());
    let nat: Vec<_> = nodes.iter().map(told).collect();
    let mut all = Vec::new();
    for nat in [Vec::new(), nat] {
        for (password, tls) in [(false, false), (true, false), (false, true), (true, true)] {
            all.push(Wiring {
                nodes: nodes.clone(),
                nat: nat.clone(),
                nat_of_nodes: Vec::new(),
                password,
                tls,
            });
        }
    }
    all
}

/// Returns whether a program is installed. Reports a skipped check even if the test output is captured. In continuous
/// integration, a program with `wanted` must be installed.
fn has(program: &str, argument: &str, language: &str, wanted: bool) -> bool {
    use std::io::Write as _;
    let found = Command::new(program).arg(argument).output().is_ok();
    assert!(
        found || !wanted || std::env::var_os("CI").is_none(),
        "{program} must be there in continuous integration, or nobody looks at {language}"
    );
    if !found {
        let _ = writeln!(
            std::io::stderr(),
            "NOT PARSED: the code in {language}, for want of {program}"
        );
    }
    found
}

/// Runs a program on a file with this text. Returns whether it succeeded, and its output.
fn ask(program: &str, arguments: &[&str], name: &str, text: &str) -> (bool, String) {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(name), text).unwrap();
    let output = Command::new(program)
        .args(arguments)
        .arg(name)
        .current_dir(home.path())
        .output()
        .unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// Checks that brackets are balanced outside of strings and comments.
fn balanced(text: &str) -> Result<(), String> {
    let mut open = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        if ["//", "#", "/*", "///"]
            .iter()
            .any(|comment| trimmed.starts_with(comment))
        {
            continue;
        }
        let mut quote = None;
        for character in line.chars() {
            match (character, quote) {
                (c, Some(q)) if c == q => quote = None,
                ('"' | '\'', None) => quote = Some(character),
                ('(' | '[' | '{', None) => open.push(character),
                (')' | ']' | '}', None) => {
                    let opened = open.pop();
                    if !matches!(
                        (opened, character),
                        (Some('('), ')') | (Some('['), ']') | (Some('{'), '}')
                    ) {
                        return Err(format!("{character} closes {opened:?}: {line}"));
                    }
                }
                _ => {}
            }
        }
        if quote.is_some() {
            return Err(format!("a quote is open: {line}"));
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(format!("open at the end: {open:?}"))
    }
}

#[test]
fn what_opens_is_closed() {
    assert!(balanced("f(\"(\", [1])").is_ok());
    for wrong in ["f(", "f(]", "f)", "g(\"a)"] {
        assert!(balanced(wrong).is_err(), "{wrong}");
    }
    for wiring in wirings() {
        for library in Library::ALL {
            let text = library.snippet(&wiring);
            assert_eq!(balanced(&text), Ok(()), "{library:?}\n{text}");
        }
    }
}

#[test]
fn javascript_is_javascript_where_node_is_at_hand() {
    if !has("node", "--version", "JavaScript", true) {
        return;
    }
    assert!(!ask("node", &["--check"], "client.mjs", "const = 1;").0);
    for wiring in wirings() {
        for library in [Library::IoRedis, Library::NodeRedis] {
            let text = library.snippet(&wiring);
            let (right, said) = ask("node", &["--check"], "client.mjs", &text);
            assert!(right, "{said}\n{text}");
        }
    }
}

/// Returns whether the only errors of javac are missing names, as expected without the libraries.
fn only_names_are_missing(said: &str) -> bool {
    let mut errors = said.lines().filter(|line| line.contains(": error: ")).peekable();
    errors.peek().is_some()
        && errors.all(|line| line.contains("does not exist") || line.contains("cannot find symbol"))
}

#[test]
fn java_is_java_where_a_compiler_is_at_hand() {
    if !has("javac", "-version", "Java", true) {
        return;
    }
    let wrong = ask(
        "javac",
        &[],
        "Cluster.java",
        "import a.B; final class Cluster { B b }",
    )
    .1;
    assert!(!only_names_are_missing(&wrong), "{wrong}");
    for wiring in [&wirings()[0], &wirings()[7]] {
        for library in [Library::Jedis, Library::Lettuce] {
            let text = library.snippet(wiring);
            let (_, said) = ask("javac", &[], "Cluster.java", &text);
            assert!(only_names_are_missing(&said), "{said}\n{text}");
        }
    }
}

#[test]
fn go_is_go_where_gofmt_is_at_hand() {
    if !has("gofmt", "-h", "Go", false) {
        return;
    }
    for wiring in wirings() {
        let text = Library::GoRedis.snippet(&wiring);
        let (right, said) = ask("gofmt", &["-e", "-d"], "client.go", &text);
        assert!(right, "{said}\n{text}");
    }
}

#[test]
fn the_file_for_spring_is_yaml_with_every_node() {
    for wiring in wirings() {
        let text = Library::Spring.snippet(&wiring);
        let documents = parsed(&text);
        for node in &wiring.nodes {
            assert!(documents.contains(&node.to_string()), "{documents}");
        }
        assert_eq!(documents.contains("REDIS_PASSWORD"), wiring.password);
        assert_eq!(documents.contains("REDIS_TLS_CA_CERT"), wiring.tls);
    }
}

/// Returns the YAML as parsed, in the debug format of the parser.
fn parsed(text: &str) -> String {
    use saphyr::LoadableYamlNode as _;
    let documents = saphyr::Yaml::load_from_str(text).unwrap();
    assert_eq!(documents.len(), 1);
    let nodes = &documents[0]["spring"]["data"]["redis"]["cluster"]["nodes"];
    assert!(
        nodes.as_sequence().is_some_and(|nodes| nodes.len() == 2),
        "{text}"
    );
    format!("{documents:?}")
}

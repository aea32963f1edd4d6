//! Tests from inside the containers: whether the server answers there, and whether another node's bus port
//! does.

use std::time::Duration;

use crate::checks::diagnose::observed::{BusAnswer, Inside};
use crate::error::ErrorKind;
use crate::runtime::exec::printed;
use crate::runtime::interface::{ExecRequest, Runtime};
use crate::server::conf::tls::authority_path;
use crate::server::wire::access::Credentials;
use crate::topology::layout::{Node, Topology};

/// Timeout of a client in a container.
const PATIENCE: Duration = Duration::from_secs(4);

/// Connect timeout of the client in seconds, as an argument.
const CONNECT: &str = "2";

fn request(command: Vec<String>, login: Option<&Credentials>) -> ExecRequest {
    let env = login.map(|login| ("REDISCLI_AUTH".to_owned(), login.password.clone()));
    ExecRequest {
        command,
        env: env.into_iter().collect(),
        ..ExecRequest::default()
    }
}

/// Returns the server's answer to a client in the node's container.
pub(crate) async fn look<R: Runtime>(
    runtime: &R,
    topology: &Topology,
    node: &Node,
    login: Option<&Credentials>,
) -> Inside {
    let mut begin = vec![
        topology.server(node).engine.client().to_owned(),
        "-p".to_owned(),
        node.port.to_string(),
    ];
    if let Some(user) = login.and_then(|login| login.user.as_ref()) {
        begin.extend(["--user".to_owned(), user.clone()]);
    }
    if topology.spec.tls() {
        // An expired certificate must not hide the state of the server.
        let tls = ["--tls", "--insecure", "--cacert"].map(str::to_owned);
        begin.extend(tls);
        begin.push(authority_path(node));
    }
    let ask = async |words: &[&str]| {
        let command = begin
            .iter()
            .cloned()
            .chain(words.iter().map(|word| (*word).to_owned()));
        let request = request(command.collect(), login);
        match printed(runtime, &node.name, &request, PATIENCE).await {
            Ok(text) => without_warnings(&text),
            Err(error) => error.to_string(),
        }
    };
    let said = ask(&["PING"]).await;
    if said != "PONG" {
        let listens = ["NOAUTH", "WRONGPASS", "LOADING", "DENIED", "MASTERDOWN"]
            .iter()
            .any(|word| said.contains(word));
        return Inside {
            said,
            listens,
            ..Inside::default()
        };
    }
    let (bind, protected) = tokio::join!(
        ask(&["CONFIG", "GET", "bind"]),
        ask(&["CONFIG", "GET", "protected-mode"])
    );
    let value = |text: &str, name: &str| {
        let mut lines = text.lines();
        (lines.next() == Some(name)).then(|| lines.next().unwrap_or_default().to_owned())
    };
    Inside {
        said,
        listens: true,
        bind: value(&bind, "bind"),
        protected: value(&protected, "protected-mode"),
    }
}

/// Removes the client's warning about a password in its environment.
fn without_warnings(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("Warning:"));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// Tests a bus port from inside another node's container with the only program that is certain to exist
/// there: the client. A bus port closes the connection when it receives PING.
pub(crate) async fn bus<R: Runtime>(
    runtime: &R,
    topology: &Topology,
    from: &Node,
    host: &str,
    port: u16,
) -> BusAnswer {
    let client = topology.server(from).engine.client();
    let port = port.to_string();
    let ask = async |limit: &[&str]| {
        let command = [client, "-h", host, "-p", &port]
            .iter()
            .chain(limit)
            .chain(&["PING"])
            .map(|word| (*word).to_owned())
            .collect();
        printed(runtime, &from.name, &request(command, None), PATIENCE).await
    };
    let mut said = ask(&["-t", CONNECT]).await;
    // Older clients have no option for a connect timeout.
    if said
        .as_ref()
        .is_ok_and(|text| text.contains("Unrecognized option"))
    {
        said = ask(&[]).await;
    }
    match said {
        Ok(text) => heard(&text),
        Err(error) if error.kind() == ErrorKind::Timeout => BusAnswer::Silent,
        Err(error) => BusAnswer::Untried(error.to_string()),
    }
}

/// Parses the client's message.
fn heard(text: &str) -> BusAnswer {
    let says = |word: &str| text.contains(word);
    if says("Connection refused") {
        BusAnswer::Refused
    } else if says("timed out")
        || says("Resource temporarily unavailable")
        || says("No route to host")
        || says("in progress")
    {
        BusAnswer::Silent
    } else if says("Server closed the connection")
        || says("reset by peer")
        || says("I/O error")
        || says("Protocol error")
        || says("Broken pipe")
    {
        BusAnswer::Open
    } else {
        BusAnswer::Untried(text.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_words_are_understood() {
        let refused = "Could not connect to Redis at 10.0.0.2:17001: Connection refused";
        assert_eq!(heard(refused), BusAnswer::Refused);
        assert_eq!(heard("Error: Server closed the connection\n"), BusAnswer::Open);
        assert_eq!(
            heard("Could not connect to Redis at 10.0.0.2:17001: Connection timed out"),
            BusAnswer::Silent
        );
        assert_eq!(heard("exec failed"), BusAnswer::Untried("exec failed".to_owned()));
    }

    #[test]
    fn warnings_are_passed_over() {
        assert_eq!(without_warnings("Warning: Using a password\nPONG\n"), "PONG");
    }
}

//! `rcup cli`: the server's own client, with the node and the flags filled in.

use std::process::{Command, Stdio};

use rcup::topology::{Announce, Node};
use rcup::{Error, ErrorKind};

use super::chosen::Chosen;
use super::exec;
use crate::cli::args::CliArgs;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::Terminal;

pub async fn run(args: CliArgs, terminal: &Terminal) -> Outcome {
    let chosen = Chosen::find(&args.name, args.node).await?;
    let node = chosen.single(args.node)?;
    chosen.all_run()?;
    let topology = chosen.attached.topology();
    let client = topology.server().engine.client();
    // A redirection leads to the address that clients are told. Where that is this host's, it leads nowhere
    // from inside of a container.
    let follows = topology.announce == Announce::Ip;
    if !follows && !terminal.is_json() {
        if installed(client) {
            return here(client, node, &args.args);
        }
        terminal.warn(&format!(
            "redirections are not followed: they lead to 127.0.0.1, and {client} runs inside of a container; \
             where it is installed on this host, rcup uses that one"
        ));
    }
    let mut command = vec![client.to_owned()];
    if follows {
        command.push("-c".to_owned());
    }
    command.extend(["-p".to_owned(), node.port.to_string()]);
    command.extend(args.args.iter().cloned());
    exec::in_nodes(&chosen, command, terminal).await
}

fn installed(client: &str) -> bool {
    Command::new(client)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs the client of this host, which shares this process's input and output.
fn here(client: &str, node: &Node, args: &[String]) -> Outcome {
    let address = node.host_address();
    let status = Command::new(client)
        .args([
            "-c",
            "-h",
            &address.ip().to_string(),
            "-p",
            &address.port().to_string(),
        ])
        .args(args)
        .status()
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot run {client}")).because(error))?;
    Ok(Exit::passed_on(status.code().map_or(-1, i64::from)))
}

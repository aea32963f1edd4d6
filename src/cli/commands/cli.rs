//! `rcup cli`: runs redis-cli or valkey-cli with connection flags preset.

use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

use crate::cli::args::CliArgs;
use crate::cli::commands::chosen::Chosen;
use crate::cli::commands::exec;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::session::Run;
use crate::cli::terminal::{Terminal, pass_on};
use crate::error::{Error, ErrorKind};
use crate::runtime::interface::Output;
use crate::server::conf::tls::authority_path;
use crate::server::wire::access::Credentials;
use crate::spec::secret::Secret;
use crate::topology::layout::{Announce, Node, Topology};

/// Maximum number of redirections.
const MOST_REDIRECTIONS: usize = 8;

pub async fn run(args: CliArgs, terminal: &Terminal) -> Outcome {
    let chosen = Chosen::find(&args.name, args.node, terminal).await?;
    let node = chosen.single(args.node)?;
    chosen.all_run()?;
    let topology = chosen.attached.topology();
    let client = topology.server(node).engine.client();
    let credentials = args.user.credentials(&chosen.attached).await?;
    let user = user(credentials.as_ref());
    let env = login(credentials);
    // A redirection contains the advertised address. If that is an address of this host, it is unreachable
    // from inside a container.
    let follows = topology.announce == Announce::Ip;
    if !follows && !terminal.is_json() {
        // The client on this host has no path to the CA certificate; the client in a node has.
        if installed(client) && !topology.spec.tls() {
            return here(client, node, &[user, args.args].concat(), &env);
        }
        if args.args.first().is_some_and(|word| !word.starts_with('-')) {
            let login = Login { user, env };
            return redirected(&chosen, node, client, &args.args, login).await;
        }
        terminal.warn(&format!(
            "redirections are not followed: they point to 127.0.0.1, but {client} runs in a container; \
             install it on this host to follow them"
        ));
    }
    let mut command = vec![client.to_owned()];
    if follows {
        command.push("-c".to_owned());
    }
    command.extend(["-p".to_owned(), node.port.to_string()]);
    command.extend(tls(topology, node));
    command.extend(user);
    command.extend(args.args.iter().cloned());
    exec::in_nodes(&chosen, Run { command, env }, terminal).await
}

/// Returns the environment of the client with the password. Every user of the host could read the password as
/// an argument, and on standard input it would mix with the user's input. Only its own user can read the
/// environment of a process, and container engines do not report it either.
fn login(credentials: Option<Credentials>) -> Vec<(String, Secret)> {
    // valkey-cli has its own variable and also reads REDISCLI_AUTH.
    credentials
        .map(|credentials| ("REDISCLI_AUTH".to_owned(), credentials.password))
        .into_iter()
        .collect()
}

/// Returns the arguments for a user other than `default`; the name is not a secret.
fn user(credentials: Option<&Credentials>) -> Vec<String> {
    let name = credentials.and_then(|credentials| credentials.user.clone());
    name.map_or_else(Vec::new, |name| vec!["--user".to_owned(), name])
}

/// Login arguments and environment of a client.
struct Login {
    user: Vec<String>,
    env: Vec<(String, Secret)>,
}

/// Returns the TLS arguments of a client in a node's container.
fn tls(topology: &Topology, node: &Node) -> Vec<String> {
    if topology.spec.tls() {
        vec!["--tls".to_owned(), "--cacert".to_owned(), authority_path(node)]
    } else {
        Vec::new()
    }
}

/// Runs one command and follows its redirections. The client cannot follow them from inside a container, so
/// the command is run again in the target node.
async fn redirected(chosen: &Chosen, first: &Node, client: &str, args: &[String], login: Login) -> Outcome {
    let mut node = first;
    for _ in 0..MOST_REDIRECTIONS {
        let mut command = vec![client.to_owned(), "-p".to_owned(), node.port.to_string()];
        command.extend(tls(chosen.attached.topology(), node));
        command.extend(login.user.iter().cloned());
        if std::io::stdout().is_terminal() {
            command.push("--no-raw".to_owned());
        }
        command.extend(args.iter().cloned());
        let ran = exec::one(
            chosen,
            node,
            &Run {
                command,
                env: login.env.clone(),
            },
            None,
        )
        .await?;
        if let Some(refusal) = ran.refusal {
            return Err(refusal.into());
        }
        let target = moved_to(&ran.stdout).and_then(|port| {
            let mut nodes = chosen.attached.topology().nodes.iter();
            nodes.find(|node| node.port == port)
        });
        if let Some(target) = target {
            node = target;
            continue;
        }
        pass_on(&Output::Stdout(ran.stdout.into_bytes()))?;
        pass_on(&Output::Stderr(ran.stderr.into_bytes()))?;
        return Ok(Exit::passed_on(ran.code));
    }
    Err(Error::new(
        ErrorKind::Redis,
        format!("a command was redirected more than {MOST_REDIRECTIONS} times"),
    )
    .hint("The slot layout is changing: run `rcup validate`.")
    .into())
}

/// Returns the port of a redirection, if the output is one: `MOVED 12182 127.0.0.1:7003`.
fn moved_to(output: &str) -> Option<u16> {
    let output = output.trim();
    let output = output.strip_prefix("(error) ").unwrap_or(output);
    let mut words = output.strip_prefix("MOVED ")?.split(' ');
    words.next()?.parse::<u16>().ok()?;
    let (_, port) = words.next()?.rsplit_once(':')?;
    let port = port.parse().ok()?;
    words.next().is_none().then_some(port)
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

/// Runs the client on this host with inherited input and output.
fn here(client: &str, node: &Node, args: &[String], env: &[(String, Secret)]) -> Outcome {
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
        .envs(env.iter().map(|(name, value)| (name, value.expose())))
        .status()
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot run {client}")).because(error))?;
    Ok(Exit::passed_on(status.code().map_or(-1, i64::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_is_recognised_in_both_forms_and_nothing_else_is() {
        assert_eq!(moved_to("MOVED 12182 127.0.0.1:7003\n\n"), Some(7003));
        assert_eq!(moved_to("(error) MOVED 5 [::1]:7001\n"), Some(7001));
        assert_eq!(moved_to("\"MOVED 5 127.0.0.1:7001\"\n"), None);
        assert_eq!(moved_to("MOVED on, he said: 7001\n"), None);
        assert_eq!(moved_to("OK\n"), None);
    }
}

//! Parses an endpoint like the Docker CLI, and explains why an endpoint cannot be used.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// The scheme of an endpoint that is reached through `ssh`.
pub(crate) const SCHEME: &str = "ssh://";

/// The Docker CLI's socket.
pub(crate) const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The port that the Docker CLI adds to `tcp://` addresses.
const DEFAULT_PORT: u16 = 2375;

/// The setting that holds an endpoint, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting<'a> {
    /// The environment variable.
    DockerHost,
    /// A Docker context of this name.
    Context(&'a str),
}

impl Setting<'_> {
    fn name(self) -> String {
        match self {
            Self::DockerHost => "DOCKER_HOST".to_owned(),
            Self::Context(name) => format!("the host of context `{name}`"),
        }
    }

    fn set(self, endpoint: &str) -> String {
        match self {
            Self::DockerHost => format!("Set DOCKER_HOST={endpoint}"),
            Self::Context(name) => {
                format!("Run `docker context update {name} --docker host={endpoint}`")
            }
        }
    }
}

/// Why an endpoint cannot be used, and a correct one.
struct Wrong {
    why: &'static str,
    right: String,
}

fn wrong(why: &'static str, right: impl Into<String>) -> Wrong {
    Wrong {
        why,
        right: right.into(),
    }
}

/// Returns a URL with one of the schemes unix, tcp, http, https and ssh. As in the Docker CLI, the text may have
/// whitespace around it, no scheme if it is HOST:PORT, and no port. `exists` returns whether a relative path points
/// to a file.
///
/// # Errors
/// [`ErrorKind::EngineUnavailable`] shows a correct form.
pub(crate) fn endpoint(text: &str, setting: Setting<'_>, exists: impl Fn(&Path) -> bool) -> Result<String> {
    let text = text.trim();
    parse(text, exists).map_err(|Wrong { why, right }| {
        Error::new(
            ErrorKind::EngineUnavailable,
            format!("{} is `{}`, which {why}", setting.name(), without_password(text)),
        )
        .hint(format!(
            "{}. Other forms: unix:///PATH, tcp://HOST:PORT, ssh://USER@HOST.",
            setting.set(&right)
        ))
    })
}

fn parse(text: &str, exists: impl Fn(&Path) -> bool) -> Result<String, Wrong> {
    let bare = text.trim_matches(['"', '\'']).trim();
    if bare != text {
        return Err(wrong("contains quotation marks", suggestion(bare)));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return without_scheme(text);
    };
    match scheme {
        "unix" if rest.is_empty() => Ok(format!("unix://{DEFAULT_SOCKET}")),
        "unix" if rest.starts_with('/') || exists(Path::new(rest)) => Ok(text.to_owned()),
        "unix" => Err(wrong("is a relative path without a file", suggestion(rest))),
        "tcp" => tcp(rest),
        "http" | "https" if address(rest).is_some_and(|(host, _)| !host.is_empty()) => Ok(text.to_owned()),
        "http" | "https" => Err(wrong(
            "has no valid host and port",
            format!("{scheme}://HOST:PORT"),
        )),
        "ssh" => ssh(rest),
        "npipe" => Err(wrong(
            "is a named pipe of Windows",
            format!("unix://{DEFAULT_SOCKET}"),
        )),
        _ => Err(wrong("has an unknown scheme", suggestion(text))),
    }
}

fn without_scheme(text: &str) -> Result<String, Wrong> {
    let is_path = text.contains('/') || Path::new(text).extension().is_some_and(|end| end == "sock");
    if is_path || text.contains('@') || known_scheme(text).is_some() {
        Err(wrong("has no scheme", suggestion(text)))
    } else {
        tcp(text)
    }
}

fn tcp(rest: &str) -> Result<String, Wrong> {
    match address(rest) {
        Some((host, port)) => {
            let path = rest.find('/').map_or("", |at| &rest[at..]);
            let host = if host.is_empty() { "localhost" } else { host };
            Ok(format!("tcp://{host}:{}{path}", port.unwrap_or(DEFAULT_PORT)))
        }
        None => Err(wrong(
            "has no valid host and port",
            suggestion(&format!("tcp://{rest}")),
        )),
    }
}

fn ssh(rest: &str) -> Result<String, Wrong> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let right = |user: &str| {
        let at = if user.is_empty() { "" } else { "@" };
        let host = if host.is_empty() { "HOST" } else { host };
        format!("{SCHEME}{user}{at}{host}")
    };
    if host.is_empty() {
        Err(wrong("has no host", right(user)))
    } else if let Some((user, _)) = user.split_once(':') {
        Err(wrong("contains a password; use a key or an agent", right(user)))
    } else if !path.is_empty() {
        Err(wrong("has a path, which rcup does not support", right(user)))
    } else {
        Ok(format!("{SCHEME}{rest}"))
    }
}

/// Returns host and port from the part of a URL after the scheme. The host of an IPv6 address has brackets.
fn address(rest: &str) -> Option<(&str, Option<u16>)> {
    let authority = rest.split('/').next().unwrap_or(rest);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port.parse().ok()?)),
        _ => (authority, None),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let odd = |letter: char| letter.is_whitespace() || letter == '@' || (letter == ':' && !bracketed);
    (!host.contains(odd)).then_some((host, port))
}

fn known_scheme(text: &str) -> Option<(&'static str, &str)> {
    ["unix", "tcp", "http", "https", "ssh"]
        .into_iter()
        .find_map(|scheme| {
            let head = text.get(..scheme.len())?;
            let rest = text[scheme.len()..].strip_prefix(':')?;
            // `unix:2375` is a host and a port.
            let is_port = rest.parse::<u16>().is_ok();
            (head.eq_ignore_ascii_case(scheme) && !is_port).then_some((scheme, rest))
        })
}

/// Suggests a correct form that is close to `text`.
fn suggestion(text: &str) -> String {
    if let Some((scheme, rest)) = known_scheme(text) {
        let rest = rest.trim_start_matches('/');
        return match scheme {
            "unix" => format!("unix:///{rest}"),
            "ssh" => format!("{SCHEME}{}", without_password(rest)),
            // An address with several colons is IPv6.
            _ if rest.matches(':').count() > 1 && !rest.contains(['[', '@', '/']) => {
                format!("{scheme}://[{rest}]:{DEFAULT_PORT}")
            }
            _ if address(rest).is_some_and(|(host, _)| !host.is_empty()) => format!("{scheme}://{rest}"),
            _ => format!("{scheme}://HOST:{DEFAULT_PORT}"),
        };
    }
    if let Some(rest) = text.strip_prefix("~/") {
        return format!("unix://$HOME/{rest}");
    }
    if text.contains("://") {
        return format!("unix://{DEFAULT_SOCKET}");
    }
    if text.contains('/') || !text.contains(['@', ':']) {
        return format!(
            "unix:///{}",
            text.trim_start_matches("./").trim_start_matches('/')
        );
    }
    if text.contains('@') {
        return format!("{SCHEME}{}", without_password(text));
    }
    format!("tcp://{text}")
}

/// Removes a password before the `@`, for messages.
fn without_password(text: &str) -> String {
    let (start, rest) = match text.find("://") {
        Some(at) => text.split_at(at + 3),
        None => ("", text),
    };
    match rest.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{start}{user}@{host}")
        }
        _ => text.to_owned(),
    }
}

/// Returns the command for each connection.
pub(crate) fn ssh_command(endpoint: &str) -> Vec<String> {
    let authority = endpoint.trim_start_matches(SCHEME).trim_end_matches('/');
    // The port follows the brackets of an IPv6 address; ssh takes the address without them.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, Some(port)),
        _ => (authority, None),
    };
    let mut words = vec!["ssh".to_owned()];
    words.extend(
        port.into_iter()
            .flat_map(|port| ["-p".to_owned(), port.to_owned()]),
    );
    // A host may begin with a dash.
    words.extend(["--".to_owned(), host.replace(['[', ']'], "")]);
    words.extend(["docker", "system", "dial-stdio"].map(str::to_owned));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<String> {
        endpoint(text, Setting::DockerHost, |path| {
            path == Path::new("run/here.sock")
        })
    }

    #[test]
    fn forms_that_the_docker_cli_takes_are_normalised() {
        for (text, expected) in [
            ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
            (" unix:///x.sock\n", "unix:///x.sock"),
            ("unix://", "unix:///var/run/docker.sock"),
            ("unix://run/here.sock", "unix://run/here.sock"),
            ("127.0.0.1:2375", "tcp://127.0.0.1:2375"),
            ("build.test", "tcp://build.test:2375"),
            ("tcp:2375", "tcp://tcp:2375"),
            (":2376", "tcp://localhost:2376"),
            ("tcp://", "tcp://localhost:2375"),
            ("tcp://build.test", "tcp://build.test:2375"),
            ("tcp://build.test:2376/docker", "tcp://build.test:2376/docker"),
            ("tcp://[::1]", "tcp://[::1]:2375"),
            ("[::1]:2376", "tcp://[::1]:2376"),
            ("http://build.test", "http://build.test"),
            ("https://build.test:2376", "https://build.test:2376"),
            ("ssh://me@build.test:22/", "ssh://me@build.test:22/"),
            ("ssh://build", "ssh://build"),
        ] {
            assert_eq!(of(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn wrong_forms_name_the_variable_and_the_right_form() {
        for (text, why, right) in [
            ("/var/run/docker.sock", "no scheme", "unix:///var/run/docker.sock"),
            ("var/run/docker.sock", "no scheme", "unix:///var/run/docker.sock"),
            ("docker.sock", "no scheme", "unix:///docker.sock"),
            (
                "~/.colima/default/docker.sock",
                "no scheme",
                "unix://$HOME/.colima/default/docker.sock",
            ),
            (
                "unix://~/.rd/docker.sock",
                "relative path",
                "unix://$HOME/.rd/docker.sock",
            ),
            (
                "unix://var/run/docker.sock",
                "relative path",
                "unix:///var/run/docker.sock",
            ),
            (
                "unix:/var/run/docker.sock",
                "no scheme",
                "unix:///var/run/docker.sock",
            ),
            ("\"unix:///x.sock\"", "quotation marks", "unix:///x.sock"),
            ("UNIX:///x.sock", "unknown scheme", "unix:///x.sock"),
            ("TCP://build.test:1", "unknown scheme", "tcp://build.test:1"),
            ("fd://", "unknown scheme", "unix:///var/run/docker.sock"),
            (
                "npipe:////./pipe/x",
                "named pipe of Windows",
                "unix:///var/run/docker.sock",
            ),
            ("tcp://build:docker", "host and port", "tcp://HOST:2375"),
            ("tcp://::1", "host and port", "tcp://[::1]:2375"),
            ("tcp://build test:1", "host and port", "tcp://HOST:2375"),
            ("127.0.0.1:99999", "host and port", "tcp://HOST:2375"),
            ("http://", "host and port", "http://HOST:PORT"),
            ("me@build.test", "no scheme", "ssh://me@build.test"),
            ("ssh://", "no host", "ssh://HOST"),
            ("ssh://me@", "no host", "ssh://me@HOST"),
            ("ssh://me@build/var/run/x.sock", "has a path", "ssh://me@build"),
        ] {
            let error = of(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::EngineUnavailable);
            let message = error.to_string();
            assert!(message.starts_with("DOCKER_HOST is `"), "{message}");
            assert!(message.contains(why), "{text}: {message}");
            let hint = error.hint_text().unwrap();
            assert!(
                hint.starts_with(&format!("Set DOCKER_HOST={right}. ")),
                "{text}: {hint}"
            );
        }
        let error = endpoint("/x.sock", Setting::Context("lab"), |_| false).unwrap_err();
        assert!(
            error.to_string().starts_with("the host of context `lab` is"),
            "{error}"
        );
        assert!(
            error
                .hint_text()
                .unwrap()
                .contains("docker context update lab --docker host=unix:///x.sock")
        );
    }

    #[test]
    fn passwords_are_not_shown() {
        for text in [
            "ssh://me:hunter2@build",
            "me:hunter2@build",
            "tcp://me:hunter2@build:2375",
            "'ssh://me:hunter2@build'",
            "foo://me:hunter2@build",
        ] {
            let error = of(text).unwrap_err();
            let all = format!("{error} {}", error.hint_text().unwrap());
            assert!(!all.contains("hunter2"), "{all}");
        }
    }
}

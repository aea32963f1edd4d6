//! Docker contexts: the current one in `config.json`, and the endpoint of one.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::docker::endpoint::{Setting, endpoint};

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

#[derive(Deserialize)]
struct ContextFile {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Endpoints", default)]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<ContextEndpoint>,
}

#[derive(Deserialize)]
struct ContextEndpoint {
    #[serde(rename = "Host")]
    host: String,
    #[serde(rename = "SkipTLSVerify", default)]
    skip_verify: bool,
}

/// The current context in `config.json`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Current {
    /// The context, if one is selected.
    pub(crate) name: Option<String>,
    /// Why the file cannot be read, with its name and the line.
    pub(crate) problem: Option<String>,
}

/// Returns the current context of a Docker configuration directory.
///
/// # Errors
/// [`ErrorKind::EngineUnavailable`] when the file is invalid, but seems to select a context: another
/// container engine must not be used instead.
pub(crate) fn current(directory: &Path) -> Result<Current> {
    let file = directory.join("config.json");
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            return Ok(Current {
                name: None,
                problem: Some(format!("cannot read {}: {error}", file.display())),
            });
        }
    };
    match name(&bytes) {
        Ok(name) => Ok(Current { name, problem: None }),
        Err((line, why)) => {
            let problem = format!("{}:{line}: {why}", file.display());
            match seems_selected(&String::from_utf8_lossy(&bytes)) {
                Some(context) => Err(Error::new(
                    ErrorKind::EngineUnavailable,
                    format!("cannot use the current Docker context `{context}`: {problem}"),
                )
                .hint("Correct the file, or name the container engine with DOCKER_HOST or DOCKER_CONTEXT.")),
                None => Ok(Current {
                    name: None,
                    problem: Some(problem),
                }),
            }
        }
    }
}

/// Returns the context in the text of `config.json`, or a line and its error. Like Docker's client, it uses the
/// first JSON value only, accepts an empty file and rejects a byte order mark.
fn name(bytes: &[u8]) -> Result<Option<String>, (usize, String)> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err((1, "a byte order mark precedes the text".to_owned()));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        (line, "the text is not UTF-8".to_owned())
    })?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let mut values = serde_json::Deserializer::from_str(text);
    let read = Option::<ConfigFile>::deserialize(&mut values).map_err(|error| {
        let text = error.to_string();
        let why = text.split(" at line ").next().unwrap_or(&text);
        (error.line(), why.to_owned())
    })?;
    Ok(read
        .and_then(|file| file.current_context)
        .filter(|name| is_selection(name)))
}

fn is_selection(name: &str) -> bool {
    !name.is_empty() && name != "default"
}

/// Returns the context that an invalid file seems to select.
fn seems_selected(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("\"currentContext\"")?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start();
    let name = value.strip_prefix('"')?.split(['"', '\n']).next()?;
    is_selection(name).then_some(name)
}

/// A context's endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) endpoint: String,
    /// The directory with its certificates, if any.
    pub(crate) certificates: Option<PathBuf>,
}

/// Reads the context `wanted`. `by` is the source of its name, for messages.
///
/// # Errors
/// [`ErrorKind::EngineUnavailable`] when it does not exist or cannot be used.
pub(crate) fn read(directory: Option<&Path>, wanted: &str, by: &str) -> Result<Remote> {
    let entries = directory
        .map(|directory| directory.join("contexts/meta"))
        .and_then(|meta| std::fs::read_dir(meta).ok());
    let mut invalid = Vec::new();
    let mut found = None;
    for entry in entries.into_iter().flatten().filter_map(io::Result::ok) {
        let file = entry.path().join("meta.json");
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        match serde_json::from_str::<ContextFile>(&text) {
            Ok(context) if context.name == wanted => {
                // The certificates are in a sibling directory of the same name.
                let tls = directory.map(|directory| {
                    directory
                        .join("contexts/tls")
                        .join(entry.file_name())
                        .join("docker")
                });
                found = context.endpoints.docker.zip(tls);
            }
            Ok(_) => {}
            Err(error) => invalid.push(format!("cannot read {}: {error}", file.display())),
        }
    }
    let Some((docker, tls)) = found else {
        return Err(Error::new(
            ErrorKind::EngineUnavailable,
            format!("{by} names `{wanted}`, which does not exist"),
        )
        .details(invalid)
        .hint("Run `docker context ls`, and select one with `docker context use` or DOCKER_CONTEXT."));
    };
    if docker.skip_verify {
        return Err(Error::new(
            ErrorKind::EngineUnavailable,
            format!("context `{wanted}` skips TLS verification, which rcup does not support"),
        )
        .hint("Add the daemon's CA to the context: `docker context update --docker host=…,ca=ca.pem,…`."));
    }
    let endpoint = endpoint(&docker.host, Setting::Context(wanted), Path::exists)?;
    let remote = ["tcp://", "https://"]
        .iter()
        .any(|scheme| endpoint.starts_with(scheme));
    Ok(Remote {
        certificates: (remote && tls.is_dir()).then_some(tls),
        endpoint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &[u8]) -> Result<Current> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.json"), text).unwrap();
        let prefix = format!("{}/", directory.path().display());
        let read = current(directory.path());
        read.map(|current| Current {
            problem: current.problem.map(|text| text.replace(&prefix, "")),
            ..current
        })
    }

    #[test]
    fn a_valid_file_names_the_context() {
        for (text, expected) in [
            (&br#"{"currentContext":"lab"}"#[..], Some("lab")),
            (br#"{"auths":{},"currentContext":"lab"} rest"#, Some("lab")),
            (br#"{"currentContext":"default"}"#, None),
            (br#"{"currentContext":""}"#, None),
            (b"{}", None),
            (b"null", None),
            (b" \n", None),
        ] {
            let read = of(text).unwrap();
            assert_eq!(read.name.as_deref(), expected);
            assert_eq!(read.problem, None);
        }
        let nothing = tempfile::tempdir().unwrap();
        assert_eq!(current(nothing.path()).unwrap().problem, None);
    }

    #[test]
    fn an_invalid_file_is_reported_with_its_line() {
        for (text, problem) in [
            (
                &b"\xef\xbb\xbf{}"[..],
                "config.json:1: a byte order mark precedes the text",
            ),
            (b"{\n  \"auths\": {},\n}", "config.json:3: trailing comma"),
            (b"{\n\n\"a\": \"\xff\"}", "config.json:3: the text is not UTF-8"),
            (b"{\"auths\": ", "config.json:1: EOF while parsing a value"),
        ] {
            let read = of(text).unwrap();
            assert_eq!(read.name, None);
            assert_eq!(read.problem.as_deref(), Some(problem));
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("config.json")).unwrap();
        let problem = current(directory.path()).unwrap().problem.unwrap();
        assert!(problem.starts_with("cannot read "), "{problem}");
    }

    #[test]
    fn an_invalid_file_with_a_context_is_an_error() {
        for text in [
            &b"\xef\xbb\xbf{\"currentContext\": \"lab\"}"[..],
            b"{\n\"currentContext\" : \"lab\",\n}",
            b"{\"auths\": {},, \"currentContext\":\"lab\"}",
        ] {
            let error = of(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::EngineUnavailable);
            assert!(error.to_string().contains("context `lab`"), "{error}");
            assert!(error.to_string().contains("config.json:"), "{error}");
        }
        let read = of(b"{\"currentContext\": \"default\",}").unwrap();
        assert!(read.problem.is_some());
    }
}

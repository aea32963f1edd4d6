//! `rcup import`: converts another tool's file to rcup.toml and reports its problems.

use std::io::{Read, Write as _};
use std::path::Path;

use clap::Parser as _;
use serde::Serialize;

use crate::cli::args::import::{Import, ImportVerb};
use crate::cli::args::{Cli, Verb};
use crate::cli::commands::export;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::{Terminal, json};
use crate::error::{Error, ErrorKind};
use crate::import;
use crate::import::imported::{Imported, Note};
use crate::import::resolve::{RESOLVED, Sources};
use crate::server::conf::document::Document;

/// Maximum size of a file in bytes. The commented default `redis.conf` has 100 KB.
const LARGEST: u64 = 4 << 20;

/// Names of Compose files to which Compose adds an override file.
const DEFAULTS: [(&str, [&str; 2]); 4] = [
    ("compose.yaml", ["compose.override.yaml", "compose.override.yml"]),
    ("compose.yml", ["compose.override.yaml", "compose.override.yml"]),
    (
        "docker-compose.yaml",
        ["docker-compose.override.yaml", "docker-compose.override.yml"],
    ),
    (
        "docker-compose.yml",
        ["docker-compose.override.yaml", "docker-compose.override.yml"],
    ),
];

/// JSON output.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    imported: &'a Imported,
    command: String,
    toml: &'a str,
}

pub fn run(verb: ImportVerb, terminal: &Terminal) -> Outcome {
    let ImportVerb::Compose(args) = verb;
    let text = read(&args.file)?;
    let sources = Sources {
        file: &|path| beside(&args.file, path),
        variable: &|name| std::env::var(name).ok(),
    };
    let mut imported = import::compose::compose(&text, &sources)?;
    imported.notes.extend(overridden(&args.file));
    imported.notes.extend(refused(&imported));
    let toml = imported.toml(&shown(&args.file));
    if !terminal.is_json() {
        tell(&imported, &args, terminal);
    }
    if let Some(out) = &args.out {
        let document = Document::new("rcup.toml", toml.clone());
        export::save(&[document], out, args.force)?;
    }
    if terminal.is_json() {
        let printed = Printed {
            imported: &imported,
            command: imported.command(),
            toml: &toml,
        };
        json::print(terminal, &printed)?;
    } else if let Some(out) = &args.out {
        if !terminal.quiet {
            writeln!(terminal.out(), "{}", out.display())?;
        }
    } else {
        terminal.out().write_all(toml.as_bytes())?;
    }
    Ok(Exit::DONE)
}

fn read(file: &Path) -> Result<String, Error> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("cannot read {}", shown(file)))
            .because(error)
            .hint("Pass a Compose file, such as docker-compose.yml.")
    };
    let mut text = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().take(LARGEST + 1).read_to_end(&mut text)
    } else {
        // Opening a FIFO waits for a writer, and reading a device may never end.
        let seen = std::fs::metadata(file).map_err(failed)?;
        if !seen.is_file() {
            return Err(
                Error::new(ErrorKind::Usage, format!("{} is not a regular file", shown(file)))
                    .hint("Pass a Compose file, or `-` to read standard input."),
            );
        }
        let opened = std::fs::File::open(file).map_err(failed)?;
        opened.take(LARGEST + 1).read_to_end(&mut text)
    }
    .map_err(failed)?;
    if text.len() as u64 > LARGEST {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("{} is larger than {LARGEST} bytes", shown(file)),
        )
        .hint("Keep only the services of the cluster."));
    }
    String::from_utf8(text).map_err(|error| {
        Error::new(ErrorKind::Usage, format!("{} is not text in UTF-8", shown(file)))
            .because(error.utf8_error())
            .hint("Pass a Compose file, such as docker-compose.yml.")
    })
}

/// Returns the file's name for messages.
fn shown(file: &Path) -> String {
    if file == Path::new("-") {
        "<stdin>".to_owned()
    } else {
        file.display().to_string()
    }
}

/// Reads a file that the Compose file refers to. For standard input, the path is relative to the current
/// directory.
fn beside(file: &Path, path: &str) -> Option<String> {
    let place = file.parent().unwrap_or(Path::new("")).join(path);
    let is_small = std::fs::metadata(&place).is_ok_and(|seen| seen.is_file() && seen.len() < LARGEST);
    is_small.then(|| std::fs::read_to_string(&place).ok()).flatten()
}

/// Returns a note if Compose would add another file to this one.
fn overridden(file: &Path) -> Option<Note> {
    let name = file.file_name()?.to_str()?;
    let (_, others) = DEFAULTS.iter().find(|(default, _)| *default == name)?;
    let other = others.iter().find(|other| file.with_file_name(other).exists())?;
    Some(Note {
        line: 1,
        fault: true,
        text: format!("Compose adds {other} to this file; it is not read here: `{RESOLVED}` reads both"),
    })
}

/// Returns a note if `rcup up` would reject the settings.
fn refused(imported: &Imported) -> Option<Note> {
    let note = |cause: String| Note {
        line: 1,
        fault: true,
        text: format!("`rcup up` refuses these settings: {cause}"),
    };
    let mut up = match Cli::try_parse_from(imported.arguments()) {
        Ok(Cli {
            verb: Verb::Up(up), ..
        }) => up,
        Ok(_) => return None,
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            return Some(note(first.trim_start_matches("error: ").to_owned()));
        }
    };
    // Ignore files from environment variables; they are not part of the import.
    let security = &mut up.spec.security;
    security.password_file = None;
    (security.tls_ca, security.tls_cert, security.tls_key) = (None, None, None);
    security.users.clear();
    let error = up.spec.build(up.name).err()?;
    let hint = error.hint_text().unwrap_or_default();
    Some(note(format!("{error}. {hint}")))
}

fn tell(imported: &Imported, args: &Import, terminal: &Terminal) {
    for note in &imported.notes {
        let text = format!("{}:{}: {}", shown(&args.file), note.line, note.text);
        if note.fault {
            terminal.warn(&text);
        } else if !terminal.quiet {
            terminal.pass_error(&format!("note: {text}"));
        }
    }
}

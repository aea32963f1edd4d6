//! `rcup import`: converts another tool's file to rcup.toml and reports its problems.

use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::Serialize;

use crate::cli::args::import::{Import, ImportVerb};
use crate::cli::commands::export;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::{Terminal, json};
use crate::error::{Error, ErrorKind};
use crate::import;
use crate::import::imported::Imported;
use crate::server::conf::document::Document;

/// Maximum size of a `redis.conf`, ten times the commented default file.
const LARGEST: u64 = 1 << 20;

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
    let imported = import::compose::compose(&text, &|path| beside(&args.file, path))?;
    let toml = imported.toml(&args.file.display().to_string());
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
    let read = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot read {}", file.display()))
            .because(error)
            .hint("Pass a Compose file, such as docker-compose.yml.")
    })
}

/// Reads a file named in the Compose file; for standard input, relative to the current directory.
fn beside(file: &Path, path: &str) -> Option<String> {
    let place = file.parent().unwrap_or(Path::new("")).join(path);
    let is_small = std::fs::metadata(&place).is_ok_and(|seen| seen.is_file() && seen.len() < LARGEST);
    is_small.then(|| std::fs::read_to_string(&place).ok()).flatten()
}

fn tell(imported: &Imported, args: &Import, terminal: &Terminal) {
    for note in &imported.notes {
        let text = format!("{}:{}: {}", args.file.display(), note.line, note.text);
        if note.fault {
            terminal.warn(&text);
        } else if !terminal.quiet {
            terminal.pass_error(&format!("note: {text}"));
        }
    }
}

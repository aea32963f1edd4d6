//! `rcup import`: the cluster of another tool's file as settings of rcup, with notes on the file.

use std::io::{Read as _, Write as _};
use std::path::Path;

use rcup::import::{self, Imported};
use rcup::render::Document;
use rcup::{Error, ErrorKind};
use serde::Serialize;

use super::export;
use crate::cli::args::{Import, ImportVerb};
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::{Terminal, json};

/// What is printed for a program.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    imported: &'a Imported,
    command: String,
    toml: &'a str,
}

pub fn run(verb: ImportVerb, terminal: &Terminal) -> Outcome {
    let ImportVerb::Compose(args) = verb;
    let imported = import::compose(&read(&args.file)?)?;
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
            .hint("Name a Compose file, such as docker-compose.yml.")
    })
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

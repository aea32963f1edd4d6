//! Prints errors as text or JSON.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io::IsTerminal as _;

use clap::error::ErrorKind as ClapKind;
use owo_colors::OwoColorize as _;
use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::terminal::{flow, line, width};
use crate::error::Error;

/// Prints an error on standard error.
pub fn tell(error: &Error, json: bool) {
    if json {
        line(&as_json(error));
    } else {
        let columns = if std::io::stderr().is_terminal() {
            width()
        } else {
            None
        };
        line(&as_text(error, columns));
    }
}

/// Prints a command line error, the help or the version, and returns the exit code.
pub fn refused(refused: &clap::Error, json: bool) -> Exit {
    match refused.kind() {
        ClapKind::DisplayHelp | ClapKind::DisplayVersion => {
            let _ = refused.print();
            return Exit::DONE;
        }
        ClapKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = refused.print();
            return Exit::USAGE;
        }
        _ => {}
    }
    // rcup's errors are more specific than "invalid value".
    let own = refused.source().and_then(|source| source.downcast_ref::<Error>());
    match own {
        Some(own) => tell(own, json),
        None if json => tell(&of_clap(refused), json),
        None => {
            let _ = refused.print();
        }
    }
    Exit::USAGE
}

/// Converts a clap error.
fn of_clap(refused: &clap::Error) -> Error {
    let text = refused.render().to_string();
    let mut parts = text.split("\n\n");
    let message = parts.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let words: Vec<&str> = message.split_whitespace().collect();
    let tips: Vec<String> = parts
        .filter_map(|part| part.trim().strip_prefix("tip: ").map(str::to_owned))
        .collect();
    let error = Error::new(crate::error::ErrorKind::Usage, words.join(" "));
    if tips.is_empty() {
        error.hint("Run `rcup --help` or `rcup COMMAND --help`.")
    } else {
        error.hint(tips.join(" "))
    }
}

/// JSON format of an error.
#[derive(Serialize)]
struct Told<'a> {
    error: Fields<'a>,
}

#[derive(Serialize)]
struct Fields<'a> {
    kind: &'a str,
    message: String,
    causes: Vec<String>,
    hint: Option<&'a str>,
    details: &'a [String],
}

fn as_json(error: &Error) -> String {
    let told = Told {
        error: Fields {
            kind: error.kind().as_str(),
            message: error.to_string(),
            causes: error.causes(),
            hint: error.hint_text(),
            details: error.detail_lines(),
        },
    };
    serde_json::to_string(&told).unwrap_or_default()
}

fn as_text(error: &Error, columns: Option<usize>) -> String {
    let mut text = flow(&"error:".red().bold().to_string(), &error.to_string(), columns);
    let mut last = error.to_string();
    for cause in error.causes() {
        // Some libraries repeat their source in their own message.
        if !last.contains(&cause) {
            let _ = write!(text, "\n{}", flow("  caused by:", &cause, columns));
        }
        last = cause;
    }
    for detail in error.detail_lines().iter().skip_while(|line| line.is_empty()) {
        let _ = write!(text, "\n  {} {detail}", "|".dimmed());
    }
    if let Some(hint) = error.hint_text() {
        let hint = flow(&"hint:".cyan().bold().to_string(), hint, columns);
        let _ = write!(text, "\n{hint}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use clap::Parser as _;

    fn plain(error: &Error) -> String {
        anstream::adapter::strip_str(&as_text(error, None)).to_string()
    }

    #[test]
    fn an_error_is_told_with_its_causes_its_evidence_and_its_hint() {
        let error = Error::new(ErrorKind::Port, "cannot publish port 7001")
            .because(Error::new(ErrorKind::Engine, "address already in use"))
            .detail("7001 is held by another program")
            .hint("Choose another block with --port.");
        assert_eq!(
            plain(&error),
            "error: cannot publish port 7001\n  caused by: address already in use\n  | 7001 is held by \
             another program\nhint: Choose another block with --port."
        );
    }

    #[test]
    fn a_cause_that_its_outer_message_repeats_is_told_once() {
        let inner = std::io::Error::other("no such file");
        let outer = Error::new(ErrorKind::Io, "cannot read x: no such file").because(inner);
        assert_eq!(plain(&outer), "error: cannot read x: no such file");
    }

    #[test]
    fn json_carries_every_field_even_when_there_is_nothing_in_it() {
        let json = as_json(&Error::new(ErrorKind::NotFound, "there is no cluster x"));
        assert_eq!(
            json,
            r#"{"error":{"kind":"not-found","message":"there is no cluster x","causes":[],"hint":null,"details":[]}}"#
        );
    }

    #[test]
    fn an_error_of_the_parser_takes_the_same_form() {
        let refused = crate::cli::args::Cli::try_parse_from(["rcup", "up", "--mastres", "3"]).unwrap_err();
        let error = of_clap(&refused);
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert_eq!(error.to_string(), "unexpected argument '--mastres' found");
        assert!(error.hint_text().unwrap().contains("--masters"), "{error:?}");
    }
}

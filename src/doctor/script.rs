//! A shell script that does everything that can be done by commands.

use std::fmt::Write as _;

use crate::doctor::finding::{Diagnosis, Finding, Severity};
use crate::doctor::fix::Seat;

/// The functions of the script: each changes only what differs, and says what it has changed.
const FUNCTIONS: &str = r#"# Writes a value into a file of the kernel, unless it is there.
put() {
    now=$(cat "$1")
    case $now in
        "$2" | *"[$2]"*) return 0 ;;
    esac
    printf '%s\n' "$2" >"$1"
    printf 'set %s to %s (it was %s)\n' "$1" "$2" "$now"
}

# Writes a line into a file of its own, which keeps the value over a restart.
keep() {
    if [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; then
        return 0
    fi
    mkdir -p "$(dirname "$1")"
    printf '%s\n' "$2" >"$1"
    printf 'wrote %s\n' "$1"
}
"#;

/// Writes the script: POSIX, and it may be run again.
pub fn script(diagnosis: &Diagnosis) -> String {
    let mut text = String::from(
        "#!/bin/sh\n# Made by `rcup doctor --script`. It may be run again at any time.\nset -eu\n",
    );
    let open: Vec<&Finding> = diagnosis
        .findings
        .iter()
        .filter(|finding| finding.severity > Severity::Ok)
        .collect();
    let (here, by_hand): (Vec<&Finding>, Vec<&Finding>) =
        open.into_iter().partition(|finding| finding.fixable);
    if here.is_empty() {
        text.push_str("\n# There is nothing that a script could change on this machine.\n");
    } else {
        text.push_str(
            "\nif [ \"$(id -u)\" -ne 0 ]; then\n    echo 'this script changes kernel settings: run it as root' >&2\n    \
             exit 1\nfi\n\n",
        );
        text.push_str(FUNCTIONS);
    }
    for finding in here {
        heading(&mut text, finding);
        let Some(remedy) = &finding.remedy else { continue };
        for (file, value) in remedy.change.writes() {
            let _ = writeln!(text, "put {file} {value}");
        }
        for (file, line) in remedy.change.files() {
            let _ = writeln!(text, "keep {file} '{line}'");
        }
    }
    for finding in by_hand {
        heading(&mut text, finding);
        let elsewhere = finding.remedy.as_ref().filter(|remedy| remedy.seat != Seat::Here);
        match (elsewhere, &finding.fix) {
            // It reaches the other machine through the engine, from here.
            (Some(remedy), _) => {
                let _ = writeln!(text, "{}", remedy.now());
                if let Some(permanent) = remedy.for_good() {
                    let _ = writeln!(text, "# For good: {permanent}");
                }
            }
            (None, Some(fix)) => {
                let _ = writeln!(text, "# By hand: {fix}");
                if let Some(permanent) = &finding.permanent {
                    let _ = writeln!(text, "# For good: {permanent}");
                }
            }
            (None, None) => {}
        }
    }
    text
}

fn heading(text: &mut String, finding: &Finding) {
    let _ = writeln!(
        text,
        "\n# {}: found {}, wanted {}",
        finding.id,
        one_line(&finding.found),
        one_line(&finding.wanted)
    );
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

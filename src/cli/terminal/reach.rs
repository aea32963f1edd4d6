//! Table of client reachability.

use std::fmt::Write as _;

use owo_colors::{OwoColorize as _, Style};

use crate::checks::finding::Status;
use crate::checks::reach::advertised::Place;
use crate::checks::reach::clients::{ClientVerdict, Family};
use crate::checks::reach::judge::{Outcome, Verification};
use crate::cli::terminal::table::{Cell, Table};

/// Returns one row per client family, followed by the causes and the suggested settings for those that do not
/// work. With `all`, includes every address.
pub fn text(verification: &Verification, all: bool, columns: Option<usize>) -> String {
    let mut head = vec!["CLIENTS THAT READ"];
    head.extend(verification.places.iter().map(|place| match place {
        Place::Network => "FROM THE NETWORK",
        _ => "FROM THIS HOST",
    }));
    head.push("SUCH AS");
    let mut table = Table::new(&head);
    for family in Family::ALL {
        let mut cells: Vec<Cell> = vec![family.reads().into()];
        let verdicts = verification.clients.iter().filter(|one| one.family == family);
        cells.extend(verdicts.map(|one| {
            let (mark, word, style) = shown(one.status);
            Cell::styled(format!("{mark} {word}"), style)
        }));
        cells.push(Cell::styled(family.examples(), Style::new().dimmed()));
        table.row(cells);
    }
    let mut text = table.render(columns);
    if all {
        text.push('\n');
        text.push_str(&addresses(verification).render(columns));
    }
    for unasked in &verification.unasked {
        let _ = writeln!(
            text,
            "\n{} {}: {}",
            "✗".red().bold(),
            unasked.node.bold(),
            unasked.why
        );
    }
    for (verdicts, told) in groups(verification) {
        explain(&mut text, &verdicts, told);
    }
    text
}

/// Groups the failed verdicts by reason.
fn groups(verification: &Verification) -> Vec<(Vec<&ClientVerdict>, &ClientVerdict)> {
    let mut groups: Vec<(Vec<&ClientVerdict>, &ClientVerdict)> = Vec::new();
    for one in verification
        .clients
        .iter()
        .filter(|one| one.status != Status::Pass)
    {
        let same = groups.iter_mut().find(|(_, first)| {
            first.place == one.place
                && first.status == one.status
                && first.remedies == one.remedies
                && first.nat_map == one.nat_map
        });
        match same {
            Some((group, _)) => group.push(one),
            None => groups.push((vec![one], one)),
        }
    }
    groups
}

fn explain(text: &mut String, verdicts: &[&ClientVerdict], first: &ClientVerdict) {
    let (mark, _, style) = shown(first.status);
    let families: Vec<&str> = verdicts.iter().map(|one| one.family.reads()).collect();
    let _ = writeln!(
        text,
        "\n{} from {}: {}",
        mark.style(style),
        first.place.as_str(),
        families.join(", ").bold()
    );
    let mut told: Vec<&str> = Vec::new();
    for line in verdicts.iter().flat_map(|one| &one.detail) {
        // Client families differ in the replies they use. List each advertised address once.
        let whom = line.split(" (").next().unwrap_or(line);
        if !told.contains(&whom) {
            told.push(whom);
            let _ = writeln!(text, "  {} {line}", "|".dimmed());
        }
    }
    for remedy in &first.remedies {
        let _ = writeln!(text, "  {} {remedy}", "hint:".cyan());
    }
    if !first.nat_map.is_empty() {
        let _ = writeln!(text, "  {}", "address map:".cyan());
        for (told, way) in &first.nat_map {
            let _ = writeln!(text, "    {told} -> {way}");
        }
    }
}

fn addresses(verification: &Verification) -> Table {
    let mut head = vec!["NODE", "TOLD AS"];
    head.extend(verification.places.iter().map(|place| match place {
        Place::Network => "NETWORK",
        _ => "HOST",
    }));
    head.push("BY");
    let mut table = Table::new(&head);
    for address in &verification.addresses {
        let mut cells: Vec<Cell> = vec![address.node.as_str().into(), address.address.as_str().into()];
        cells.extend(address.seen.iter().map(|seen| match seen.outcome {
            Outcome::Right => Cell::styled("✓ right node", Style::new().green()),
            Outcome::Wrong => Cell::styled("✗ wrong node", Style::new().red().bold()),
            Outcome::Nobody => Cell::styled("✗ nobody", Style::new().red().bold()),
        }));
        let sources: Vec<&str> = address.sources.iter().map(|source| source.as_str()).collect();
        cells.push(sources.join(", ").into());
        table.row(cells);
    }
    table
}

/// Returns the mark, the word next to it, and their style. Colour alone never shows the status.
fn shown(status: Status) -> (&'static str, &'static str, Style) {
    match status {
        Status::Pass => ("✓", "work", Style::new().green()),
        Status::Warn => ("!", "do not work", Style::new().yellow()),
        _ => ("✗", "fail", Style::new().red().bold()),
    }
}

//! A self-contained HTML page: no scripts, no fonts, no external resources.

use std::fmt::Write as _;

use crate::checks::failover::measured::{Failover, seconds};
use crate::checks::failover::statistics::FailoverTimes;
use crate::checks::finding::{Check, Status};
use crate::checks::latency::judge::micros;
use crate::checks::suite::validation::Validation;
use crate::report::markup::escaped;
use crate::report::page::STYLE;
use crate::report::picture::failover::failover;
use crate::report::picture::histogram::histogram;
use crate::report::picture::topology::topology;
use crate::report::times::{heading, rows};

/// Renders the page.
pub fn html(validation: &Validation) -> String {
    let name = escaped(&validation.cluster);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>rcup: cluster \
         {name}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<main>\n"
    );
    head(&mut page, validation, &name);
    page.push_str("<h2>Nodes</h2>\n<div class=\"card wide\">");
    page.push_str(&topology(&validation.nodes));
    page.push_str(
        "</div>\n<h2>Checks</h2>\n<div class=\"card\"><table \
        class=\"checks\">\n<tr><th></th><th>Check</th><th>Result</th><th class=\"n\">Time</th></tr>\n",
    );
    for check in &validation.checks {
        row(&mut page, check, validation.rounds);
    }
    page.push_str("</table></div>\n");
    failovers(&mut page, validation);
    latency(&mut page, validation);
    load(&mut page, validation);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn head(page: &mut String, validation: &Validation, name: &str) {
    let (class, verdict) = if validation.passed {
        ("pass", "✓ passed")
    } else {
        ("fail", "✗ failed")
    };
    let _ = writeln!(
        page,
        "<h1>Cluster {name} <span class=\"verdict {class}\">{verdict}</span></h1>"
    );
    let counts = [
        (Status::Pass, "passed"),
        (Status::Fail, "failed"),
        (Status::Warn, "warnings"),
        (Status::Skip, "skipped"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(status, _)| validation.count(*status) > 0)
        .map(|(status, word)| format!("{} {word}", validation.count(*status)))
        .collect();
    let rounds = match validation.rounds {
        1 => String::new(),
        several => format!(" in {several} rounds"),
    };
    let _ = writeln!(
        page,
        "<div class=\"dim\">{} · {} suite{rounds} · rcup {}</div>",
        counts.join(", "),
        validation.suite.as_str(),
        env!("CARGO_PKG_VERSION")
    );
}

fn row(page: &mut String, check: &Check, rounds: usize) {
    let mark = match check.status {
        Status::Pass => "✓",
        Status::Warn => "!",
        Status::Fail => "✗",
        Status::Skip => "–",
    };
    let _ = write!(
        page,
        "<tr><td class=\"s {0}\">{mark} {0}</td><td><code>{1}</code></td><td>{2}",
        check.status,
        check.id,
        escaped(&check.summary)
    );
    if let Some(often) = check.often(rounds) {
        let _ = write!(page, " <b>{often}</b>");
    }
    if matches!(check.status, Status::Fail | Status::Warn) {
        // The summary already contains a single finding.
        if check.detail.as_slice() != std::slice::from_ref(&check.summary) {
            page.push_str("<ul>");
            for line in &check.detail {
                let _ = write!(page, "<li>{}</li>", escaped(line));
            }
            page.push_str("</ul>");
        }
        if let Some(hint) = &check.hint {
            let _ = write!(page, "<div class=\"hint\">{}</div>", escaped(hint));
        }
    }
    let _ = writeln!(page, "</td><td class=\"n\">{}</td></tr>", seconds(check.ms));
}

fn failovers(page: &mut String, validation: &Validation) {
    if validation.failovers.is_empty() {
        return;
    }
    page.push_str("<h2>Failovers</h2>\n");
    for times in &validation.failover_times {
        table(page, times);
        let rounds: Vec<&Failover> = validation
            .failovers
            .iter()
            .filter(|one| one.way == times.way)
            .collect();
        let worst = rounds
            .iter()
            .max_by_key(|one| (one.trouble.is_some(), one.writes_again.unwrap_or(u64::MAX)));
        for (nth, one) in rounds.iter().enumerate() {
            // Of several failovers, only the slowest is expanded.
            let open = worst.is_some_and(|worst| std::ptr::eq(*worst, *one));
            let name = match rounds.len() {
                1 => String::new(),
                _ => format!("Round {}: ", nth + 1),
            };
            drawn(page, one, &name, open);
        }
    }
    page.push_str(
        "<div class=\"dim\">? suspected the master · ! marked it FAIL · M became master · &gt; knew the \
         new master · dashed: expected time of the first write</div>\n",
    );
}

/// Writes the table of times for one kind of failover.
fn table(page: &mut String, times: &FailoverTimes) {
    let _ = write!(
        page,
        "<div class=\"card\"><h3>{}</h3><table>\n<tr><th></th><th class=\"n\">Median</th><th \
         class=\"n\">Worst</th>\
         <th>Expected</th></tr>\n",
        escaped(&heading(times))
    );
    for row in rows(times) {
        let class = if row.late { "n warn" } else { "n" };
        let mark = if row.late { " !" } else { "" };
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"{class}\">{}{mark}</td><td>{}</td></tr>",
            row.what, row.median, row.worst, row.expected
        );
    }
    page.push_str("</table></div>\n");
}

/// Writes one failover with its diagram.
fn drawn(page: &mut String, one: &Failover, name: &str, open: bool) {
    let when = |value: Option<u64>| value.map_or_else(|| "never".to_owned(), seconds);
    let _ = writeln!(
        page,
        "<details class=\"card\"{}><summary>{name}{} {}, node timeout {}</summary><div class=\"dim\">{} \
         took over after {}; writes resumed after {}; {} of {} acknowledged writes lost; back in sync after {}</div>{}<div class=\"wide\">{}</div>\
         </details>",
        if open { " open" } else { "" },
        escaped(&one.victim),
        one.way.deed(),
        seconds(one.node_timeout),
        escaped(one.successor.as_deref().unwrap_or("nobody")),
        when(one.promoted),
        when(one.writes_again),
        one.lost,
        one.acknowledged,
        when(one.back),
        one.trouble
            .as_ref()
            .map(|trouble| format!("<div class=\"fail\">{}</div>", escaped(trouble)))
            .unwrap_or_default(),
        failover(one)
    );
}

fn latency(page: &mut String, validation: &Validation) {
    if validation.latency.is_empty() {
        return;
    }
    page.push_str("<h2>Latency of PING</h2>\n<div class=\"grid2\">\n");
    for node in &validation.latency {
        let _ = writeln!(
            page,
            "<div class=\"card\"><h3>{}</h3><div class=\"dim\">p50 {} · p90 {} · p99 {} · max \
             {}</div>{}</div>",
            escaped(&node.node),
            micros(node.p50),
            micros(node.p90),
            micros(node.p99),
            micros(node.max),
            histogram(node)
        );
    }
    page.push_str("</div>\n");
}

fn load(page: &mut String, validation: &Validation) {
    if validation.throughput.is_empty() {
        return;
    }
    page.push_str("<h2>Load</h2>\n<div class=\"grid2\">\n");
    for load in &validation.throughput {
        let _ = writeln!(
            page,
            "<div class=\"card\"><h3>{}: {} a second</h3><div class=\"dim\">{} {}, {} clients · p50 {} · \
             p99 {} · max {}</div>{}\
             </div>",
            escaped(&load.command),
            load.per_second,
            escaped(&load.program),
            load.from.told(),
            load.clients,
            micros(load.latency.p50),
            micros(load.latency.p99),
            micros(load.latency.max),
            histogram(&load.latency)
        );
    }
    page.push_str("</div>\n");
}

#[cfg(test)]
mod tests {
    use crate::checks::failover::statistics::failover_times;
    use crate::report::timeline::tests::{rounds as several_rounds, validation};

    use super::*;

    #[test]
    fn the_page_is_self_contained_and_shows_everything() {
        let page = html(&validation());
        for outside in ["http", "<script", "src=", "href=", "url(", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
        for shown in [
            "✗ failed",
            "open-slots",
            "rcup-x-6",
            "p99",
            "marked the master FAIL",
            "41000 a second",
            "redis-benchmark from the network",
            "within 4.0 s",
        ] {
            assert!(page.contains(shown), "{shown}");
        }
        assert!(
            page.contains("93 to &lt;0123&gt;"),
            "what comes from outside is escaped"
        );
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert_eq!(page.matches("<svg").count(), 1 + 1 + 2 + 1);
    }

    #[test]
    fn of_several_rounds_the_worst_is_open_and_every_check_says_how_often_it_failed() {
        let mut several = validation();
        several.failovers = several_rounds();
        several.failover_times = failover_times(&several.failovers);
        several.rounds = 3;
        let page = html(&several);
        assert_eq!(page.matches("<details").count(), 3);
        assert_eq!(
            page.matches("<details class=\"card\" open><summary>Round 3: ")
                .count(),
            1
        );
        assert!(page.contains("4.7 s, 1 × never !"), "{page}");
        assert!(page.contains("<b>in 1 of 3 rounds</b>"));
    }

    #[test]
    fn an_empty_validation_is_a_page_too() {
        let mut nothing = validation();
        nothing.nodes.clear();
        nothing.checks.clear();
        nothing.latency.clear();
        nothing.throughput.clear();
        nothing.failovers.clear();
        nothing.failover_times.clear();
        assert!(html(&nothing).ends_with("</html>\n"));
    }
}

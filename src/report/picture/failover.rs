//! A diagram of a failover, with a row for the client, the old master and every other node.

use crate::checks::failover::measured::{Failover, Way, seconds};
use crate::report::picture::draw::{Drawing, WIDTH};

/// The start of the rows, to the right of the names.
const LEFT: u64 = 200;

/// The height of a row.
const ROW: u64 = 26;

/// Converts milliseconds to horizontal positions.
struct Scale {
    end: u64,
}

impl Scale {
    fn of(failover: &Failover, bound: u64) -> Self {
        let noticed = failover
            .noticed
            .iter()
            .flat_map(|one| [one.suspected, one.failed, one.followed]);
        let latest = noticed
            .chain([failover.back, failover.revived, failover.writes_again])
            .flatten()
            .max()
            .unwrap_or(bound)
            .max(1);
        // The bound of a command is far above real times. With it, all events would be at the left edge.
        let end = if failover.way == Way::Command {
            latest
        } else {
            latest.max(bound)
        };
        Self {
            end: end + end / 12 + 1,
        }
    }

    fn at(&self, ms: u64) -> u64 {
        LEFT + ms.min(self.end) * (WIDTH - LEFT - 10) / self.end
    }

    /// Draws a bar between two points in time.
    fn span(&self, drawing: &mut Drawing, y: u64, (from, to): (u64, u64), class: &str, title: &str) {
        let (from, to) = (self.at(from), self.at(to));
        drawing.bar((from, y + 4), (to.saturating_sub(from), 14), class, title);
    }
}

/// Draws the events of a failover on a time axis.
pub(crate) fn failover(failover: &Failover) -> String {
    let bound = failover.way.bound(failover.node_timeout);
    let scale = Scale::of(failover, bound);
    let rows = failover.noticed.len() as u64 + 2;
    let height = 34 + rows * ROW + 8;
    let mut drawing = Drawing::new(WIDTH, height, &format!("Failover of {}", failover.victim));
    for quarter in 0..=4 {
        let ms = scale.end * quarter / 4;
        drawing.upright(scale.at(ms), (24, height), "grid");
        if quarter < 4 {
            drawing.text(scale.at(ms) + 3, 18, "tiny", &seconds(ms));
        }
    }
    if bound <= scale.end {
        let x = scale.at(bound);
        drawing.upright(x, (6, height), "bound");
        drawing.text(x + 3, 30, "tiny", &format!("bound {}", seconds(bound)));
    }
    writes(&mut drawing, &scale, failover);
    victim(&mut drawing, &scale, failover);
    others(&mut drawing, &scale, failover);
    drawing.done()
}

fn writes(drawing: &mut Drawing, scale: &Scale, failover: &Failover) {
    let y = 34;
    drawing.text(0, y + 16, "name", "writes");
    let last = failover.last_write;
    let again = failover.writes_again.unwrap_or(scale.end);
    let gap = seconds(again.saturating_sub(last));
    let title = format!("no write was acknowledged for {gap}");
    scale.span(drawing, y, (0, last), "good", "acknowledged");
    scale.span(drawing, y, (last, again), "bad", &title);
    scale.span(drawing, y, (again, scale.end), "good", "acknowledged again");
    drawing.text(scale.at(last) + 6, y + 15, "onbad", &title);
}

fn victim(drawing: &mut Drawing, scale: &Scale, failover: &Failover) {
    let y = 34 + ROW;
    drawing.name((0, y + 16), LEFT - 10, &failover.victim);
    let revived = failover.revived.unwrap_or(scale.end);
    let back = failover.back.unwrap_or(scale.end);
    scale.span(drawing, y, (0, revived), "away", failover.way.deed());
    scale.span(drawing, y, (revived, back), "waiting", "coming back");
    scale.span(drawing, y, (back, scale.end), "good", "a replica in sync");
    drawing.text(scale.at(0) + 6, y + 15, "onbad", failover.way.deed());
}

fn others(drawing: &mut Drawing, scale: &Scale, failover: &Failover) {
    let mut y = 34 + ROW;
    for one in &failover.noticed {
        y += ROW;
        drawing.name((0, y + 16), LEFT - 10, &one.node);
        let took_over = failover.successor.as_deref() == Some(one.node.as_str());
        for (ms, sign, words, class) in [
            (one.suspected, "?", "suspected the master", "suspect"),
            (one.failed, "!", "marked the master FAIL", "fail"),
            (one.followed, ">", "knew the new master", "follow"),
            (
                failover.promoted.filter(|_| took_over),
                "M",
                "became master",
                "promote",
            ),
        ] {
            if let Some(ms) = ms {
                let title = format!("{words} after {}", seconds(ms));
                drawing.sign((scale.at(ms), y), sign, class, &title);
            }
        }
    }
}

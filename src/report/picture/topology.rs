//! A diagram of the slots as one bar, coloured by owner, with a column for each shard below.

use crate::checks::suite::validation::NodeSeen;
use crate::report::picture::draw::{Drawing, WIDTH};
use crate::topology::layout::Role;
use crate::topology::slots::SLOTS;

/// The number of shard colours, which are classes in the style sheet of the page.
const COLOURS: usize = 8;

/// The number of shards in a row.
const PER_ROW: usize = 6;

/// The height of a node, and of a node with the gap below it.
const BOX: u64 = 58;
const STEP: u64 = 70;

/// Draws the masters with their replicas and slots. Nodes that belong to no shard are at the end.
pub(crate) fn topology(nodes: &[NodeSeen]) -> String {
    let shards: Vec<(&NodeSeen, Vec<&NodeSeen>)> = nodes
        .iter()
        .filter(|node| node.role == Some(Role::Master) && !node.slots.is_empty())
        .map(|master| {
            let copies = |node: &&NodeSeen| node.replica_of.as_ref() == Some(&master.name);
            (master, nodes.iter().filter(copies).collect())
        })
        .collect();
    let others: Vec<&NodeSeen> = nodes
        .iter()
        .filter(|node| {
            !shards.iter().any(|(master, replicas)| {
                master.name == node.name || replicas.iter().any(|replica| replica.name == node.name)
            })
        })
        .collect();
    let rows: Vec<u64> = shards
        .chunks(PER_ROW)
        .map(|row| {
            let deepest = row.iter().map(|(_, replicas)| replicas.len()).max();
            (deepest.unwrap_or_default() as u64 + 1) * STEP
        })
        .collect();
    let last = others.len().div_ceil(PER_ROW) as u64 * STEP;
    let height = 50 + rows.iter().sum::<u64>() + last;
    let mut drawing = Drawing::new(WIDTH, height, "The nodes of the cluster and their slots");
    slots(&mut drawing, &shards);
    let column = WIDTH / shards.len().clamp(1, PER_ROW) as u64;
    let mut top = 50;
    for (nth_row, (row, deep)) in shards.chunks(PER_ROW).zip(&rows).enumerate() {
        for (nth, (master, replicas)) in row.iter().enumerate() {
            let class = format!("edge{}", (nth_row * PER_ROW + nth) % COLOURS);
            let x = nth as u64 * column;
            let owned: Vec<String> = master.slots.iter().map(ToString::to_string).collect();
            let words = format!("master, {}", shortened(&owned.join(" ")));
            node(&mut drawing, (x, top), column, &class, master, &words);
            let mut y = top;
            for replica in replicas {
                drawing.upright(x + column / 2, (y + BOX, y + STEP), "link");
                y += STEP;
                node(&mut drawing, (x, y), column, &class, replica, "replica");
            }
        }
        top += deep;
    }
    let column = WIDTH / PER_ROW as u64;
    for (nth, other) in others.iter().enumerate() {
        let words = if other.role.is_none() {
            "does not respond"
        } else {
            "no slots, no master"
        };
        node(
            &mut drawing,
            (
                (nth % PER_ROW) as u64 * column,
                top + (nth / PER_ROW) as u64 * STEP,
            ),
            column,
            "edgebad",
            other,
            words,
        );
    }
    drawing.done()
}

fn slots(drawing: &mut Drawing, shards: &[(&NodeSeen, Vec<&NodeSeen>)]) {
    for (nth, (master, _)) in shards.iter().enumerate() {
        for range in &master.slots {
            let x = u64::from(range.first) * WIDTH / u64::from(SLOTS);
            let width = range.len() as u64 * WIDTH / u64::from(SLOTS);
            let class = format!("shard{}", nth % COLOURS);
            drawing.bar((x, 4), (width, 18), &class, &format!("{range}: {}", master.name));
        }
    }
    drawing.text(0, 38, "small", "slot 0");
    drawing.text(WIDTH - 70, 38, "small", "slot 16383");
}

fn node(drawing: &mut Drawing, (x, y): (u64, u64), column: u64, class: &str, seen: &NodeSeen, words: &str) {
    let size = (column.saturating_sub(12), BOX);
    drawing.bar((x + 4, y), size, &format!("node {class}"), &seen.name);
    drawing.name((x + 14, y + 18), column.saturating_sub(34), &seen.name);
    drawing.text(x + 14, y + 34, "small", &seen.address);
    drawing.text(x + 14, y + 49, "small", words);
}

fn shortened(text: &str) -> String {
    const MOST: usize = 22;
    if text.chars().count() <= MOST {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(MOST).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_nodes_every_one_is_drawn_within_the_picture() {
        let node = |nth: usize, role: Option<Role>| NodeSeen {
            name: format!("rcup-x-{nth}"),
            address: format!("10.0.0.{nth}:7001"),
            role,
            slots: Vec::new(),
            replica_of: None,
        };
        let mut nodes: Vec<NodeSeen> = (1..=16).map(|nth| node(nth, None)).collect();
        for nth in 17..=30 {
            let mut master = node(nth, Some(Role::Master));
            let slot = u16::try_from(nth).unwrap();
            master.slots = vec![(slot, slot).into()];
            nodes.push(master);
        }
        let drawn = topology(&nodes);
        for nth in 1..=30 {
            assert!(drawn.contains(&format!(">rcup-x-{nth}<")), "{nth}");
        }
        let height: u64 = drawn
            .split_once("viewBox=\"0 0 960 ")
            .and_then(|(_, rest)| rest.split_once('"')?.0.parse().ok())
            .unwrap();
        let lowest = drawn
            .split(" y=\"")
            .skip(1)
            .filter_map(|rest| rest.split_once('"')?.0.parse::<u64>().ok())
            .max();
        assert!(lowest < Some(height), "{lowest:?} of {height}");
    }
}

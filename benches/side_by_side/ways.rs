//! Finds the fastest use of the raw API: how many requests at a time, and in which order. The lower bound uses the best
//! one, because a slower one would make rcup look better.
//!
//! Results on a busy machine with 2 cores: for 6 containers both orders are similar and a limit does not help; for 30,
//! chained without a limit took 5.5 s, staged between 6.2 s (4 at once) and 7.4 s (16). Creating the containers
//! concurrently with their network was not faster. Removal was fastest with 8 at once.

use super::raw::{self, Order, Way};
use super::stats::Samples;
use crate::subject::{Engine, Outcome};
use rcup::topology::layout::Topology;

/// Measures all ways at each size, alternating, and prints a table.
pub async fn compare(engine: &Engine, like: &Topology, sizes: &[usize], rounds: usize) -> Outcome<()> {
    for nodes in sizes {
        let mut ways = Vec::new();
        for order in [Order::Staged, Order::Chained] {
            let caps = [2, 4, 8, 16].into_iter().filter(|cap| cap < nodes);
            ways.extend(caps.chain([*nodes]).map(|at_once| Way { at_once, order }));
        }
        let mut samples = Samples::default();
        for round in 0..rounds {
            for turn in 0..ways.len() {
                let way = ways[(turn + round) % ways.len()];
                let topology = raw::beside(like, "bench-ways", nodes / 2, 1).await?;
                let floor = raw::up(engine, &topology, way).await?;
                let objects = engine.objects(topology.name().as_str()).await?;
                let begun = std::time::Instant::now();
                engine.remove(&objects, way.at_once).await?;
                samples.time(&format!("{way:?} total"), floor.total);
                samples.time(&format!("{way:?} network"), floor.network);
                samples.time(&format!("{way:?} create"), floor.create);
                samples.time(&format!("{way:?} remove"), begun.elapsed());
            }
            eprintln!("{nodes} nodes, round {} of {rounds}", round + 1);
        }
        println!("\n{nodes} nodes, median (least) of {rounds}, in seconds");
        println!(
            "{:<10}{:>8}{:>16}{:>16}{:>14}{:>14}",
            "order", "at once", "all", "network", "create", "remove"
        );
        for way in ways {
            let cell = |what: &str| {
                let what = format!("{way:?} {what}");
                let pair = samples.median(&what).zip(samples.least(&what));
                pair.map_or_else(String::new, |(median, least)| format!("{median:.2} ({least:.2})"))
            };
            println!(
                "{:<10}{:>8}{:>16}{:>16}{:>14}{:>14}",
                way.order.as_str(),
                way.at_once,
                cell("total"),
                cell("network"),
                cell("create"),
                cell("remove")
            );
        }
    }
    Ok(())
}

//! A cluster for the duration of a test: ready when `up` returns, removed when the handle is dropped.
//!
//! `cargo run --example fixture [IMAGE]`
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use rcup::Cluster;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = Cluster::builder().masters(3).replicas(1);
    if let Some(image) = std::env::args().nth(1) {
        builder = builder.image(image);
    }
    let cluster = builder.up().await?;

    let mut client = cluster.client().await?;
    for n in 0..1000 {
        let key = format!("key:{n}");
        let () = redis::cmd("SET").arg(key).arg(n).query_async(&mut client).await?;
    }
    let read: u32 = redis::cmd("GET").arg("key:999").query_async(&mut client).await?;
    println!("{read} came back from {}", cluster.urls().join(", "));

    // Kill a node, then restore the cluster without a new start.
    cluster.node(1)?.kill().await?;
    let reset = cluster.reset().await?;
    println!("after {} ms: {}", reset.ms, reset.mended.join("; "));
    Ok(())
}

//! A cluster for the duration of a test: it is ready when `up` returns, and gone when the handle drops.
//!
//! `cargo run --example fixture [IMAGE]`
#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use rcup::{Cluster, ClusterSpec, Docker, UpOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut spec = ClusterSpec::builder()
        .name("fixture-example".parse()?)
        .masters(3)
        .replicas(1);
    if let Some(image) = std::env::args().nth(1) {
        spec = spec.image(image);
    }
    let cluster = Cluster::up(Docker::find()?, &spec.build()?, &UpOptions::default()).await?;

    let client = redis::cluster::ClusterClient::new(cluster.urls())?;
    let mut connection = client.get_async_connection().await?;
    for n in 0..1000 {
        let () = redis::cmd("SET")
            .arg(format!("key:{n}"))
            .arg(n)
            .query_async(&mut connection)
            .await?;
    }
    let read: u32 = redis::cmd("GET")
        .arg("key:999")
        .query_async(&mut connection)
        .await?;

    println!("{read} came back from {}", cluster.urls().join(", "));
    println!("{}", serde_json::to_string(&cluster.report().timings)?);
    println!(
        "{:#?}",
        cluster
            .checks()
            .iter()
            .map(|c| format!("{} {} {}", c.id, c.status, c.summary))
            .collect::<Vec<_>>()
    );
    Ok(())
}

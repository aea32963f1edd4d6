//! The API without `async`, for example in a plain `#[test]` function.
//!
//! `cargo run --example blocking [IMAGE]`
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use rcup::blocking::Cluster;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = Cluster::builder().masters(3).replicas(0);
    if let Some(image) = std::env::args().nth(1) {
        builder = builder.image(image);
    }
    let cluster = builder.up_blocking()?;

    let mut client = cluster.client()?;
    let () = redis::cmd("SET")
        .arg("greeting")
        .arg("hello")
        .query(&mut client)?;
    let read: String = redis::cmd("GET").arg("greeting").query(&mut client)?;
    println!("{read} from cluster {}", cluster.name());
    Ok(())
}

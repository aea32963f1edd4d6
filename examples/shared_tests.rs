//! Tests that share a cluster, and one that breaks it, as in the `tests/` directory of a project.
//!
//! `cargo test --example shared_tests`, or `cargo nextest run --example shared_tests`, which runs each test in its own
//! process with the same cluster. The variable `IMAGE` names another image.

fn main() {}

#[cfg(test)]
mod tests {
    use rcup::Builder;
    use rcup::testing::{exclusive_of, shared_of};
    use redis::AsyncCommands as _;

    /// All tests that share a cluster use one shape. `rcup::testing::shared()` is the default shape.
    fn shape() -> Builder {
        let builder = rcup::Cluster::builder().masters(3).replicas(1);
        match std::env::var("IMAGE") {
            Ok(image) => builder.image(image),
            Err(_) => builder,
        }
    }

    #[tokio::test]
    async fn order_is_read_back() -> rcup::Result<()> {
        let cluster = shared_of(shape()).await?;
        let mut client = cluster.client().await?;
        // Tests that share a cluster use different keys.
        let () = client.set("orders:1", "tea").await.expect("a write");
        let order: String = client.get("orders:1").await.expect("a read");
        assert_eq!(order, "tea");
        Ok(())
    }

    #[tokio::test]
    async fn basket_contains_added_items() -> rcup::Result<()> {
        let cluster = shared_of(shape()).await?;
        let mut client = cluster.client().await?;
        let () = client.rpush("basket:7", &["tea", "milk"]).await.expect("a write");
        let items: usize = client.llen("basket:7").await.expect("a read");
        assert_eq!(items, 2);
        Ok(())
    }

    #[tokio::test]
    async fn writes_continue_after_master_is_killed() -> rcup::Result<()> {
        // No other test uses the cluster until this is dropped. The next user gets it after a reset.
        let cluster = exclusive_of(shape()).await?;
        let mut client = cluster.client().await?;
        let () = client.set("before", 1).await.expect("a write");
        cluster.node(1)?.kill().await?;
        // The replica takes over after the node timeout of five seconds.
        let begun = std::time::Instant::now();
        while client.set::<_, _, ()>("after", 1).await.is_err() {
            assert!(begun.elapsed().as_secs() < 60, "no replica has taken over");
        }
        let reset = cluster.reset().await?;
        assert!(!reset.mended.is_empty(), "the reset restored the master");
        Ok(())
    }
}

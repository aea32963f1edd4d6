//! Tests that share a cluster, and one that breaks it: what stands in the `tests/` folder of a project.
//!
//! `cargo test --example shared_tests`, or `cargo nextest run --example shared_tests`, where each test is a process of
//! its own and the cluster is the same. The image is the usual one, or what `IMAGE` names.

fn main() {}

#[cfg(test)]
mod tests {
    use rcup::cluster::Builder;
    use rcup::testing::{exclusive_of, shared_of};
    use redis::AsyncCommands as _;

    /// One shape for all, so that they share. `rcup::testing::shared()` is the default shape.
    fn shape() -> Builder {
        let builder = rcup::Cluster::builder().masters(3).replicas(1);
        match std::env::var("IMAGE") {
            Ok(image) => builder.image(image),
            Err(_) => builder,
        }
    }

    #[tokio::test]
    async fn an_order_is_found_again() -> rcup::Result<()> {
        let cluster = shared_of(shape()).await?;
        let mut client = cluster.client().await?;
        // Tests that share keep apart by the names of their keys.
        let () = client.set("orders:1", "tea").await.expect("a write");
        let order: String = client.get("orders:1").await.expect("a read");
        assert_eq!(order, "tea");
        Ok(())
    }

    #[tokio::test]
    async fn a_basket_holds_what_was_put_into_it() -> rcup::Result<()> {
        let cluster = shared_of(shape()).await?;
        let mut client = cluster.client().await?;
        let () = client.rpush("basket:7", &["tea", "milk"]).await.expect("a write");
        let items: usize = client.llen("basket:7").await.expect("a read");
        assert_eq!(items, 2);
        Ok(())
    }

    #[tokio::test]
    async fn writes_go_on_after_a_master_is_lost() -> rcup::Result<()> {
        // Nobody else uses the cluster until this is dropped, and whoever comes next gets it as new.
        let cluster = exclusive_of(shape()).await?;
        let mut client = cluster.client().await?;
        let () = client.set("before", 1).await.expect("a write");
        cluster.node(1)?.kill().await?;
        // The replica takes over once the others have missed the master for the node timeout of five seconds.
        let begun = std::time::Instant::now();
        while client.set::<_, _, ()>("after", 1).await.is_err() {
            assert!(begun.elapsed().as_secs() < 60, "nobody has taken over");
        }
        let reset = cluster.reset().await?;
        assert!(!reset.mended.is_empty(), "the master is back in its place");
        Ok(())
    }
}

//! `tracing` shows what the library does: each call of a user is a span with the name of the cluster.

use std::sync::{Arc, Mutex};

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::scene::{LONG, Scene};
use rcup::Cluster;

/// Records the spans of the library.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Subscriber for Seen {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("rcup")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut seen = self.0.lock().unwrap();
        let fields: Vec<&str> = span
            .metadata()
            .fields()
            .iter()
            .map(|field| field.name())
            .collect();
        seen.push(format!("{}({})", span.metadata().name(), fields.join(",")));
        Id::from_u64(u64::try_from(seen.len()).unwrap())
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn every_call_of_a_user_is_a_span_of_its_cluster() {
    let seen = Seen::default();
    // With a single subscriber, `tracing` caches the interest of the first thread that reaches a span for all threads.
    // The thread of another test has no subscriber.
    let _another = tracing::Dispatch::new(Seen::default());
    let _listening = tracing::subscriber::set_default(seen.clone());
    let scene = Scene::with_a_dead_node();
    let options = scene.options().keep_on_failure(true).timeout(LONG);
    scene.up(&options).await.unwrap_err();
    let attached = Cluster::attach(scene.engine.clone(), scene.spec.name())
        .await
        .unwrap();
    attached.validate().await;
    attached.reset(None).await.unwrap_err();
    attached.down().await.unwrap();
    let spans = seen.0.lock().unwrap();
    let wanted = ["up", "attach", "validate", "reset", "down"].map(|verb| format!("{verb}(cluster)"));
    assert_eq!(*spans, wanted);
}

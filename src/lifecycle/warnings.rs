//! Warnings about the limitations of a new cluster, one line each.

use crate::event::{Event, Observer};
use crate::image::select::Images;
use crate::spec::cluster::ClusterSpec;
use crate::spec::profile::Profile;

/// Warns before a cluster is created.
pub(crate) fn warn(spec: &ClusterSpec, images: &Images, observer: &dyn Observer) {
    for line in lines(spec).into_iter().chain(one_way(spec, images)) {
        observer.observe(&Event::warning(line));
    }
}

fn lines(spec: &ClusterSpec) -> Vec<String> {
    let mut lines = Vec::new();
    let alone = match spec.masters() {
        1 => Some("a single master has no other to replace it"),
        2 => Some("two masters have no majority when one of them is lost"),
        _ => None,
    };
    if let Some(why) = alone {
        lines.push(format!("{why}: this cluster cannot fail over by itself"));
    }
    let open = spec.password().is_none();
    if spec.profile() != Profile::Dev && open {
        let profile = spec.profile();
        lines.push(format!(
            "profile {profile} without a password accepts every client that reaches the nodes: add --password"
        ));
    }
    if let Some(address) = spec.publish().filter(|address| !address.is_loopback()) {
        let open = if open {
            ", and the nodes ask for no password"
        } else {
            ""
        };
        lines.push(format!(
            "the nodes' ports are published on {address}: Docker's published ports bypass that host's firewall{open}"
        ));
    }
    lines
}

/// Returns a warning if a replica runs a server that its master could not replicate after a failover.
fn one_way(spec: &ClusterSpec, (image, own): &Images) -> Option<String> {
    let server = |index: usize| own.get(&index).unwrap_or(image).server;
    let masters = spec.masters();
    let (master, replica) = (masters + 1..=spec.nodes())
        .map(|replica| ((replica - 1) % masters + 1, replica))
        .find(|(master, replica)| {
            let (theirs, newer) = (server(*master), server(*replica));
            newer.can_copy(theirs) && !theirs.can_copy(newer)
        })?;
    Some(format!(
        "once node {replica} with {} has taken the place of node {master} with {}, that one cannot come back: it cannot \
         copy a later server",
        server(replica),
        server(master)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::security::Password;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::mixed;

    #[test]
    fn a_master_that_cannot_come_back_is_told_before() {
        let told = |own: &[(usize, Engine, &str)]| {
            let (spec, place) = mixed(3, 1, (Engine::Redis, "7.0.15"), own);
            one_way(&spec, &(place.image, place.images))
        };
        assert_eq!(told(&[]), None);
        let warning = told(&[(5, Engine::Redis, "8.0.2")]).unwrap();
        assert!(
            warning
                .starts_with("once node 5 with Redis 8.0.2 has taken the place of node 2 with Redis 7.0.15"),
            "{warning}"
        );
        assert_eq!(
            told(&[(2, Engine::Redis, "8.0.2"), (5, Engine::Redis, "8.0.2")]),
            None
        );
    }

    #[test]
    fn each_surprise_is_a_line_and_what_is_in_order_is_none() {
        let of = |spec: crate::spec::builder::ClusterSpecBuilder| lines(&spec.build().unwrap());
        let spec = ClusterSpec::builder;
        assert_eq!(of(spec()), Vec::<String>::new());
        assert!(of(spec().masters(2))[0].contains("no majority"));
        for profile in [Profile::Staging, Profile::Production] {
            let bare = of(spec().profile(profile));
            assert_eq!(bare.len(), 1, "{bare:?}");
            assert!(bare[0].contains("add --password"), "{bare:?}");
            assert!(of(spec().profile(profile).password(Password::Any)).is_empty());
        }
        let published = spec().publish("192.0.2.7".parse().unwrap());
        assert!(of(published.clone())[0].ends_with("and the nodes ask for no password"));
        assert!(of(published.password(Password::Any))[0].ends_with("firewall"));
    }
}

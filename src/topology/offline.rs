//! Environment of a cluster that is exported without being started. It depends only on the specification,
//! because no container engine is queried.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::spec::cluster::ClusterSpec;
use crate::spec::server::{Engine, Server, Version};
use crate::topology::address::{choose_ports, choose_subnet};
use crate::topology::hardware::Machine;
use crate::topology::layout::{Image, Placement};

/// Returns the environment for an export without a container engine. The same specification always gives the
/// same environment, and the same name and shape give the same ids, so that an export can be kept under
/// version control. `bridge_reachable` is whether clients on the host can reach the addresses of the network:
/// they can on Linux, but not with Docker Desktop.
///
/// # Errors
/// [`ErrorKind::Image`] if the image reference does not contain the version of the server, or if the server
/// is not supported; [`ErrorKind::Usage`] if an existing network is requested.
pub fn without_engine(spec: &ClusterSpec, bridge_reachable: bool) -> Result<Placement> {
    if let Some(network) = spec.network() {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("only an engine knows which addresses are free on network {network}"),
        )
        .hint(
            "Start the cluster with `rcup up --network` and export it by its name, or leave --network out.",
        ));
    }
    let official = spec.official_image();
    let mut images = BTreeMap::new();
    for index in 1..=spec.nodes() {
        if let Some(reference) = spec.own_image(index) {
            images.insert(index, image_named(reference, spec.engine())?);
        }
    }
    let image = match images.get(&1).filter(|_| images.len() == spec.nodes()) {
        // If every node has its own image, no node uses the image of the cluster.
        Some(own) => own.clone(),
        None => image_named(spec.image().unwrap_or(&official), spec.engine())?,
    };
    let mut seed = [0; 16];
    let digest = Sha256::digest(format!("{} {}x{}", spec.name(), spec.masters(), spec.replicas()));
    seed.copy_from_slice(&digest[..16]);
    Ok(Placement {
        image,
        images,
        subnet: choose_subnet(spec, &[])?,
        shared: None,
        first_port: choose_ports(spec, &[], &mut |_| None)?,
        bridge_reachable,
        // A container engine that cannot set the limit does not start the container, and no engine is queried
        // here. Servers raise their own limit as far as permitted.
        open_files: None,
        own_sysctls: false,
        volumes_at_home: true,
        machine: Machine::default(),
        seed,
    })
}

/// Returns the image with the server that its reference implies.
fn image_named(reference: &str, wanted: Engine) -> Result<Image> {
    let server = server_named(reference, wanted).ok_or_else(|| {
        Error::new(
            ErrorKind::Image,
            format!("the name of image {reference} does not tell which version it holds"),
        )
        .hint("Name an image with the version in its tag, such as `--image redis:8.0`, or export a running cluster.")
    })?;
    if !server.is_supported() {
        return Err(
            Error::new(ErrorKind::Image, format!("image {reference} holds {server}"))
                .hint("rcup needs Redis 7.0 or later, or Valkey: name another image with --image."),
        );
    }
    Ok(Image {
        reference: reference.to_owned(),
        server,
        // Official images declare it as a volume; images built by rcup contain it as a directory.
        volumes: vec!["/data".to_owned()],
    })
}

/// Returns the server implied by the name and tag of an image. A tag with only a major version means the
/// newest minor version that was published for it.
fn server_named(reference: &str, wanted: Engine) -> Option<Server> {
    let reference = reference.split('@').next().unwrap_or(reference);
    let (path, last) = reference.rsplit_once('/').unwrap_or(("", reference));
    let (name, tag) = last.split_once(':')?;
    let engine = match (
        name.contains("valkey") || path.contains("valkey"),
        name.contains("redis"),
    ) {
        (true, _) => Engine::Valkey,
        (false, true) => Engine::Redis,
        (false, false) => wanted,
    };
    let version: Version = tag.parse().ok()?;
    let digits = tag
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(tag.len());
    let version = match (engine, tag[..digits].contains('.'), version.major) {
        (Engine::Redis, false, 7) => Version::new(7, 4, 0),
        (Engine::Valkey, false, 7) => Version::new(7, 2, 0),
        _ => version,
    };
    Some(Server::new(engine, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_images_name_tells_the_server() {
        let named = |reference| server_named(reference, Engine::Redis).map(|server| server.to_string());
        for (reference, server) in [
            ("redis:8", "Redis 8.0.0"),
            ("redis:7.2-alpine", "Redis 7.2.0"),
            ("redis:7", "Redis 7.4.0"),
            ("valkey/valkey:8.1", "Valkey 8.1.0"),
            ("rcup/valkey:8.1.1", "Valkey 8.1.1"),
            ("mirror.test:5000/library/redis:8.0.2@sha256:00", "Redis 8.0.2"),
            ("acme/cache:7.2", "Redis 7.2.0"),
        ] {
            assert_eq!(named(reference).as_deref(), Some(server), "{reference}");
        }
        for reference in ["redis", "redis:latest", "redis:alpine", "mirror.test:5000/redis"] {
            assert_eq!(named(reference), None, "{reference}");
        }
    }

    #[test]
    fn what_is_assumed_follows_from_the_specification_alone() {
        let spec = |masters| ClusterSpec::builder().masters(masters).build().unwrap();
        let one = without_engine(&spec(3), true).unwrap();
        assert_eq!(one, without_engine(&spec(3), true).unwrap());
        assert_ne!(one.seed, without_engine(&spec(5), true).unwrap().seed);
        assert_eq!(
            (one.subnet.to_string().as_str(), one.first_port),
            ("10.213.0.0/26", 7001)
        );
    }

    #[test]
    fn an_image_that_says_too_little_or_is_too_old_is_refused() {
        for (image, message) in [
            ("redis:latest", "does not tell"),
            ("redis:6.2", "holds Redis 6.2.0"),
        ] {
            let spec = ClusterSpec::builder().image(image).build().unwrap();
            let error = without_engine(&spec, true).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
            assert!(error.hint_text().unwrap().contains("--image"));
        }
    }
}

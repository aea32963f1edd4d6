//! Sources of a cluster's secrets: generated for a new cluster, read back from the nodes' files for an existing one.

use std::collections::BTreeMap;

use rand::RngExt as _;
use rand::distr::Alphanumeric;

use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::secrets::certificates;
use crate::lifecycle::secrets::subject::Place;
use crate::spec::cluster::ClusterSpec;
use crate::spec::secret::Secret;
use crate::spec::security::{Certificates, Password, Secrets};
use crate::spec::service_user::ServiceUser;
use crate::spec::user::{Login, User};
use crate::topology::layout::Topology;

/// Number of letters and digits in a generated password: 190 bits, which cannot be guessed, and no character that a
/// shell, a URL or a configuration file would interpret.
const LETTERS: usize = 32;

/// Generates the secrets of a new cluster.
///
/// # Errors
/// [`ErrorKind::Io`] when no certificates can be generated, [`ErrorKind::Usage`] when the provided ones are not
/// usable for this cluster.
pub fn make(topology: &Topology) -> Result<Secrets> {
    made(topology, |topology| certificates::of(topology, Place::Containers))
}

/// Generates the secrets of a cluster on machines, which is reached at their addresses: see
/// [`on_machines`](crate::export::bare_metal::placement::on_machines). Its present certificates are kept if they are
/// still usable and no others are provided, because its clients trust their issuer.
///
/// # Errors
/// As [`make`].
pub fn make_for_machines(topology: &Topology, so_far: Option<&Certificates>) -> Result<Secrets> {
    made(topology, |topology| {
        let serve =
            |certificates: &&Certificates| certificates::serve(topology, Place::Machines, certificates);
        let kept = so_far.filter(|_| topology.spec.certificates().is_none());
        kept.filter(serve)
            .cloned()
            .map_or_else(|| certificates::of(topology, Place::Machines), Ok)
    })
}

fn made(
    topology: &Topology,
    certificates: impl FnOnce(&Topology) -> Result<Certificates>,
) -> Result<Secrets> {
    let spec = &topology.spec;
    let tls = spec.tls();
    let hash = |user: &User| match user.login() {
        Login::Hash(hash) => Some((user.name().to_owned(), hash.clone())),
        Login::Hidden | Login::Open => None,
    };
    Ok(Secrets {
        own: if spec.guards() {
            ServiceUser::ALL.map(|user| (user, generated())).into()
        } else {
            BTreeMap::new()
        },
        users: spec.users().iter().filter_map(hash).collect(),
        certificates: tls.then(|| certificates(topology)).transpose()?,
        password: spec.password().map(|password| match password {
            Password::Given(secret) => secret.clone(),
            Password::Any => generated(),
        }),
    })
}

/// Generates a password with the thread's generator, which is cryptographically secure and seeded by the system.
fn generated() -> Secret {
    Secret::new(
        rand::rng()
            .sample_iter(Alphanumeric)
            .take(LETTERS)
            .map(char::from)
            .collect::<String>(),
    )
}

/// Refuses a provided password or certificates if the cluster has others.
///
/// # Errors
/// [`ErrorKind::Different`] when they differ.
pub(crate) fn same(spec: &ClusterSpec, secrets: &Secrets) -> Result<()> {
    let other = spec.users().iter().find(|user| match user.login() {
        Login::Hash(given) => secrets.users.get(user.name()) != Some(given),
        Login::Hidden | Login::Open => false,
    });
    if let Some(user) = other {
        let (name, user) = (spec.name(), user.name());
        return Err(Error::new(
            ErrorKind::Different,
            format!("cluster {name} exists with another password of user {user}"),
        )
        .detail(format!(
            "user {user}: the running cluster has another password than you give"
        ))
        .hint(format!(
            "Give the one that it was made with, or replace the cluster with `rcup down {name}` first."
        )));
    }
    if let (Some(given), Some(present)) = (spec.certificates(), &secrets.certificates)
        && (&given.authority, &given.node, &given.node_key)
            != (&present.authority, &present.node, &present.node_key)
    {
        let name = spec.name();
        return Err(Error::new(
            ErrorKind::Different,
            format!("cluster {name} exists with other certificates"),
        )
        .detail("--tls-ca, --tls-cert, --tls-key: the running cluster has others than you give")
        .hint(format!(
            "Leave them out to use the cluster as it is, or replace it with `rcup down {name}` first."
        )));
    }
    match (spec.password(), &secrets.password) {
        (Some(Password::Given(given)), Some(present)) if given != present => {
            let name = spec.name();
            Err(Error::new(
                ErrorKind::Different,
                format!("cluster {name} exists with another password"),
            )
            .detail("password: the running cluster has another one than you give")
            .hint(format!(
                "Leave the password out to use the cluster as it is (`rcup env {name}` prints it), or \
                 replace the cluster with `rcup down {name}` first."
            )))
        }
        _ => Ok(()),
    }
}

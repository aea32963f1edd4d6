//! Credentials of an existing cluster, read from its nodes' files.

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::interface::Runtime;
use crate::runtime::observed::ContainerSeen;
use crate::server::conf::secrets::secrets_path;
use crate::server::wire::access::{Access, Credentials};
use crate::spec::security::Secrets;
use crate::spec::service_user::ServiceUser;
use crate::topology::layout::Topology;

/// Reads the secrets of an existing cluster from the files of the first node that still has them. `containers` are
/// the containers of the cluster, running or not.
///
/// # Errors
/// [`ErrorKind::Damaged`] when there are containers and none of them has the file.
pub(crate) async fn read_back<R: Runtime>(
    runtime: &R,
    topology: &Topology,
    containers: &[ContainerSeen],
) -> Result<Secrets> {
    if !topology.spec.has_secrets() || containers.is_empty() {
        return Ok(Secrets::default());
    }
    let mut last = None;
    for container in containers {
        let Some(node) = container.index().and_then(|index| topology.node(index)) else {
            continue;
        };
        match runtime.read_file(&container.name, &secrets_path(node)).await {
            Ok(Some(text)) => return Secrets::from_file(&text),
            Ok(None) => {}
            Err(error) => last = Some(error),
        }
    }
    let name = topology.name();
    let error = Error::new(
        ErrorKind::Damaged,
        format!("the credentials of cluster {name} are missing from its nodes' files"),
    )
    .hint(format!(
        "Without them nobody can log in: remove the cluster with `rcup down {name}`."
    ));
    Err(match last {
        Some(cause) => error.because(cause),
        None => error,
    })
}

/// Returns the access options that rcup uses to form, verify and repair the cluster.
pub(crate) fn access(secrets: &Secrets) -> Access {
    access_as(secrets, ServiceUser::Operator)
}

/// Returns the access options of a service user. A cluster without access control has no service users.
pub(crate) fn access_as(secrets: &Secrets, user: ServiceUser) -> Access {
    let access = match of_own(secrets, user).or_else(|| of_clients(secrets)) {
        None => Access::open(),
        Some(credentials) => Access::open().with_credentials(credentials),
    };
    match &secrets.certificates {
        None => access,
        Some(certificates) => access.with_authority(&certificates.authority),
    }
}

/// Returns the credentials for clients.
pub(crate) fn of_clients(secrets: &Secrets) -> Option<Credentials> {
    secrets
        .password
        .clone()
        .map(|password| Credentials { user: None, password })
}

/// Returns the credentials of a service user.
pub(crate) fn of_own(secrets: &Secrets, user: ServiceUser) -> Option<Credentials> {
    secrets.own.get(&user).map(|password| Credentials {
        user: Some(user.name().to_owned()),
        password: password.clone(),
    })
}

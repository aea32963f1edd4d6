//! The secret parts of a node's files: its users, the lines of its `redis.conf` that contain a password, and the
//! file from which rcup reads the secrets back.

use std::fmt::Write as _;

use crate::server::conf::paths::directory;
use crate::spec::security::Secrets;
use crate::spec::server::Server;
use crate::spec::service_user::ServiceUser;
use crate::spec::user::{DEFAULT_USER, Login, hashed};
use crate::topology::layout::{Node, Topology};

/// Returns the path of the file from which a later run of rcup reads the cluster's secrets. No server reads or
/// writes it, so `CONFIG REWRITE` does not change it.
pub fn secrets_path(node: &Node) -> String {
    format!("{}/secrets.json", directory(node))
}

/// Returns the path of a node's ACL file. The users have a file of their own because `CONFIG REWRITE` does not
/// change it, and because a server with users in its `redis.conf` cannot save them with `ACL SAVE`.
pub fn users_path(node: &Node) -> String {
    format!("{}/users.acl", directory(node))
}

/// Returns the ACL file for nodes with these servers, in the format that the servers save: only the SHA-256 of each
/// password. An ACL file cannot contain comments.
pub fn users_acl(topology: &Topology, servers: &[Server], secrets: &Secrets) -> String {
    let spec = &topology.spec;
    let login = match &secrets.password {
        Some(password) => format!("#{}", hashed(password).expose()),
        None => "nopass".to_owned(),
    };
    let mut text = format!("user {DEFAULT_USER} on {login} {}\n", spec.default_rules());
    for user in ServiceUser::ALL {
        if let Some(password) = secrets.own.get(&user) {
            let _ = writeln!(
                text,
                "user {} on #{} resetchannels -@all {}",
                user.name(),
                hashed(password).expose(),
                user.rules(servers)
            );
        }
    }
    for user in spec.users().iter().filter(|user| !user.is_default()) {
        let login = match (user.login(), secrets.users.get(user.name())) {
            (Login::Open, _) => "on nopass".to_owned(),
            (_, Some(hash)) => format!("on #{}", hash.expose()),
            // Without a password, the user cannot log in.
            (_, None) => "off".to_owned(),
        };
        let _ = writeln!(
            text,
            "user {} {login} resetchannels -@all {}",
            user.name(),
            user.rules()
        );
    }
    text
}

/// Returns the secret lines of the node's `redis.conf`.
pub fn secret_lines(secrets: &Secrets) -> String {
    let user = ServiceUser::Replica;
    secrets.own.get(&user).map_or_else(String::new, |password| {
        format!(
            "\n# Credentials of a replica at its master. Any node may become either.\nmasteruser {}\nmasterauth {}\n",
            user.name(),
            password.expose()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::profile::Profile;
    use crate::spec::secret::Secret;
    use crate::spec::security::Password;
    use crate::spec::server::Engine;
    use crate::spec::user::User;
    use crate::topology::layout::tests::placement;

    fn guarded() -> (Topology, Secrets) {
        let password = Secret::new("s3cret");
        let spec = ClusterSpec::builder()
            .profile(Profile::Production)
            .password(Password::Given(password.clone()))
            .user(User::new("app", "~app:* +@read", Login::with(&Secret::new("s3-app"))).unwrap())
            .user(User::new("guest", "%R~news:* +get", Login::Open).unwrap())
            .build()
            .unwrap();
        let topology = Topology::new(&spec, &placement(Engine::Redis, "7.0.15")).unwrap();
        let own = ServiceUser::ALL.map(|user| (user, Secret::new(format!("s3-{}", user.name()))));
        let secrets = Secrets {
            password: Some(password),
            own: own.into(),
            users: [("app".to_owned(), hashed(&Secret::new("s3-app")))].into(),
            ..Secrets::default()
        };
        (topology, secrets)
    }

    #[test]
    fn no_password_stands_among_the_users_in_the_clear() {
        let (topology, secrets) = guarded();
        let text = users_acl(&topology, &topology.servers(), &secrets);
        assert!(!text.contains("s3"), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_file_for_several_servers_has_what_all_of_them_know() {
        let (topology, secrets) = guarded();
        let server = |engine, version: &str| Server::new(engine, version.parse().unwrap());
        let (old, new) = (server(Engine::Redis, "7.0.15"), server(Engine::Valkey, "8.1.1"));
        let file = |servers: &[Server]| users_acl(&topology, servers, &secrets);
        assert!(file(&[new]).contains("setinfo") && !file(&[old, new]).contains("setinfo"));
        assert!(file(&[old, new]).contains("+psync +replconf +ping +sync\n"));
    }

    #[test]
    fn a_user_whose_password_is_gone_is_nobody() {
        let (topology, mut secrets) = guarded();
        secrets.users.clear();
        let text = users_acl(&topology, &topology.servers(), &secrets);
        assert!(text.contains("user app off "), "{text}");
    }

    #[test]
    fn a_replica_logs_in_as_a_user_of_its_own() {
        let (_, secrets) = guarded();
        let text = secret_lines(&secrets);
        assert!(
            text.contains("\nmasteruser rcup-replica\nmasterauth s3-rcup-replica\n"),
            "{text}"
        );
        assert!(!text.contains("s3cret"));
        assert_eq!(secret_lines(&Secrets::default()), "");
    }
}

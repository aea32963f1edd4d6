//! For every export and arbitrary secrets: no secret appears in a file that is not meant for secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use proptest::prelude::*;

use rcup::export;
use rcup::export::bare_metal::placement::BareMetal;
use rcup::server::conf::document::Document;
use rcup::spec::profile::Profile;
use rcup::spec::secret::Secret;
use rcup::spec::security::{Certificates, ClientCertificate, Password, Secrets};
use rcup::spec::server::Engine;
use rcup::spec::service_user::ServiceUser;
use rcup::spec::user::{Login, User, hashed};
use rcup::topology::layout::Topology;
use rcup::topology::offline::without_engine;
use rcup::{ClusterSpec, Error, ErrorKind};

/// The requested cluster.
#[derive(Clone, Debug)]
struct Wish {
    masters: usize,
    replicas: usize,
    engine: Engine,
    tls: bool,
    user: bool,
    persist: bool,
    profile: Profile,
    /// The source of all secrets.
    seed: String,
}

fn wishes() -> impl Strategy<Value = Wish> {
    let profiles = prop_oneof![
        Just(Profile::Dev),
        Just(Profile::Staging),
        Just(Profile::Production)
    ];
    let engines = prop_oneof![Just(Engine::Redis), Just(Engine::Valkey)];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (
        1_usize..6,
        0_usize..3,
        engines,
        flags,
        profiles,
        "[a-zA-Z0-9]{24}",
    )
        .prop_map(
            |(masters, replicas, engine, (tls, user, persist), profile, seed)| Wish {
                masters,
                replicas,
                engine,
                tls,
                user,
                persist,
                profile,
                seed,
            },
        )
}

impl Wish {
    /// Returns a different secret for each use. No other text contains it.
    fn secret(&self, what: &str) -> Secret {
        Secret::new(format!("{}{what}", self.seed))
    }

    fn topology(&self) -> Result<Topology, Error> {
        let mut spec = ClusterSpec::builder()
            .masters(self.masters)
            .replicas(self.replicas)
            .engine(self.engine)
            .profile(self.profile)
            .persist(self.persist)
            .tls(self.tls)
            .password(Password::Given(self.secret("password")));
        if self.user {
            spec = spec.user(User::new(
                "app",
                "~app:* +@read",
                Login::with(&self.secret("user")),
            )?);
        }
        let spec = spec.build()?;
        Topology::new(&spec, &without_engine(&spec, true)?)
    }

    fn secrets(&self) -> Secrets {
        let key = |what| {
            let body = self.secret(what);
            Secret::new(format!(
                "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
                body.expose()
            ))
        };
        Secrets {
            password: Some(self.secret("password")),
            certificates: self.tls.then(|| Certificates {
                authority: "the authority's certificate\n".to_owned(),
                node: "the nodes' certificate\n".to_owned(),
                node_key: key("nodekey"),
                client: Some(ClientCertificate {
                    certificate: "a client's certificate\n".to_owned(),
                    key: key("clientkey"),
                }),
            }),
            own: ServiceUser::ALL
                .map(|user| (user, self.secret(user.name())))
                .into(),
            users: self
                .user
                .then(|| ("app".to_owned(), hashed(&self.secret("user"))))
                .into_iter()
                .collect(),
        }
    }

    /// Returns every form in which a secret could appear in a text. The Base64 form depends on the offset modulo three.
    fn forms(&self) -> Vec<String> {
        let whats = ["password", "user", "nodekey", "clientkey"];
        let names = ServiceUser::ALL.map(ServiceUser::name);
        let mut forms = vec![self.seed.clone()];
        for begin in 0..3 {
            let shifted = format!("{}{}", "x".repeat(begin), self.seed);
            let text = STANDARD_NO_PAD.encode(shifted);
            // The first and the last letters are encoded together with the adjacent text.
            forms.push(text[4..text.len() - 2].to_owned());
        }
        forms.extend(
            whats
                .iter()
                .chain(&names)
                .map(|what| hashed(&self.secret(what)).expose().to_owned()),
        );
        forms
    }
}

/// Returns the exports of the cluster in all formats that support it.
fn exports(wish: &Wish) -> Result<Vec<(&'static str, Document)>, Error> {
    let (topology, secrets) = (wish.topology()?, wish.secrets());
    let mut all: Vec<(&str, Document)> = vec![("compose", export::compose::compose(&topology)?)];
    let mut add = |format, files: Vec<Document>| all.extend(files.into_iter().map(|file| (format, file)));
    add("compose", export::secret_files::beside(&topology, &secrets));
    add("conf", rcup::server::conf::files::conf(&topology, &secrets));
    for monitored in [false, true] {
        add(
            "kubernetes",
            export::kubernetes::kubernetes(&topology, monitored).unwrap(),
        );
        add(
            "kubernetes",
            export::kubernetes::kubernetes_secrets(&secrets, monitored),
        );
    }
    if !wish.tls {
        add("swarm", vec![export::swarm::swarm(&topology, &[])?]);
    }
    let place = BareMetal {
        hosts: (1..=wish.masters + wish.replicas)
            .map(|n| format!("10.1.0.{n}").parse().unwrap())
            .collect(),
        clients: vec!["10.0.0.0/8".parse().unwrap()],
    };
    match export::bare_metal::bare_metal(&topology, &place) {
        Ok(files) => {
            add("bare-metal", files);
            add("bare-metal", export::bare_metal::bare_metal_secrets(&secrets));
        }
        // This format does not support users and reports a usage error.
        Err(error) if error.kind() == ErrorKind::Usage => {}
        Err(error) => return Err(error),
    }
    Ok(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_export_holds_a_secret_in_a_file_that_is_not_for_secrets(wish in wishes()) {
        let forms = wish.forms();
        let all = exports(&wish).unwrap();
        for (format, file) in all.iter().filter(|(_, file)| !file.secret) {
            for form in &forms {
                prop_assert!(!file.contents.contains(form), "{format}: {} holds {form}", file.path);
            }
            prop_assert!(!file.contents.contains("PRIVATE KEY"), "{format}: {}", file.path);
        }
        // The search is effective: the files for secrets do contain them.
        let secret = |path: &str| all.iter().any(|(_, file)| file.secret && file.path.ends_with(path) && file.contents.contains(&wish.seed));
        prop_assert!(secret("secrets/password") && secret("secrets/monitor") && secret("secrets.conf"));
        prop_assert_eq!(secret("node.key"), wish.tls);
    }
}

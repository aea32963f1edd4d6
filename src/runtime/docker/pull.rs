//! Pulls an image with the login for its registry.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::Docker as Client;
use bollard::errors::Error as DockerError;
use bollard::models::CreateImageInfo;
use bollard::query_parameters as query;
use futures_util::StreamExt as _;

use crate::error::{Error, ErrorKind, Result};
use crate::event::Rate;
use crate::runtime::docker::client::{Docker, SLOW, split_reference};
use crate::runtime::docker::registry_login::{Lookup, Repository, Sources};
use crate::runtime::docker::translate;
use crate::runtime::interface::PullProgress;

/// Minimum time between two reports of progress. The daemon sends dozens per second and layer.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// The header with the login.
const LOGIN_HEADER: &str = "x-registry-auth";

impl Docker {
    pub(crate) async fn pull_image(
        &self,
        reference: &str,
        patience: Duration,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<()> {
        let what = format!("pull image {reference}");
        let repository = Repository::of(reference);
        let sources = Sources::of_this_process();
        let mut lookup = sources.login(&repository).await;
        let credentials = lookup
            .login
            .as_mut()
            .map(|login| std::mem::take(&mut login.credentials));
        let (name, tag) = split_reference(reference);
        let options = query::CreateImageOptionsBuilder::default()
            .from_image(name)
            .tag(tag)
            .build();
        let client = with_url_safe_login(self.client().clone());
        let mut stream = std::pin::pin!(client.create_image(Some(options), None, credentials));
        let mut layers = Layers::default();
        let mut rate = Rate::new(REPORT_EVERY);
        // The registry must respond within `patience`. A later stall may last up to `SLOW`.
        let mut wait = patience;
        loop {
            match tokio::time::timeout(wait, stream.next()).await {
                Err(_) => {
                    let message = format!(
                        "cannot {what}: no response from the registry within {} s",
                        wait.as_secs()
                    );
                    return Err(Error::new(ErrorKind::Image, message));
                }
                Ok(None) => break,
                Ok(Some(Err(source))) => {
                    return Err(failed(&what, source, |refusal| {
                        hint(refusal, &repository, &lookup, sources.docker_file())
                    }));
                }
                Ok(Some(Ok(info))) => {
                    wait = SLOW;
                    layers.update(&info);
                    if rate.is_due() {
                        layers.report(progress);
                    }
                }
            }
        }
        layers.report(progress);
        Ok(())
    }
}

/// Re-encodes the login as URL-safe base64. The daemon expects this alphabet, and pulls anonymously if it cannot
/// decode the login; bollard 0.21 sends the standard alphabet. They differ for passwords with `~`, `>`, `?` or
/// non-ASCII letters.
fn with_url_safe_login(client: Client) -> Client {
    client.with_request_modifier(|mut request| {
        let header = request.headers().get(LOGIN_HEADER);
        let text = header.and_then(|header| header.to_str().ok());
        let text = text.map(|text| text.replace('+', "-").replace('/', "_"));
        if let Some(value) = text.and_then(|text| text.parse().ok()) {
            request.headers_mut().insert(LOGIN_HEADER, value);
        }
        request
    })
}

/// Why a registry refuses to deliver an image that may exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// The login is missing or wrong, or may not read the repository.
    Access,
    /// Too many pulls by this user or, without a login, from this address.
    RateLimit,
}

/// Recognizes a refusal in the daemon's message, which contains the registry's message.
fn refusal(message: &str) -> Option<Refusal> {
    let message = message.to_lowercase();
    if message.contains("toomanyrequests") || message.contains("pull rate limit") {
        return Some(Refusal::RateLimit);
    }
    // This text concerns a file or a socket of the daemon.
    let message = message.replace("permission denied", "");
    let words = [
        "no basic auth credentials",
        "unauthorized",
        "authentication required",
        "denied",
        "forbidden",
    ];
    words
        .iter()
        .any(|word| message.contains(word))
        .then_some(Refusal::Access)
}

/// Returns the hint for a refusal. It names the login that the pull used, if any.
fn hint(refusal: Refusal, repository: &Repository, lookup: &Lookup, docker_file: Option<String>) -> String {
    let (registry, command) = (repository.registry(), repository.login_command());
    let Some(login) = &lookup.login else {
        let reason = match (&lookup.problems[..], docker_file) {
            ([], Some(file)) => format!("there is no login for {registry} in {file}"),
            ([], None) => format!("there is no login for {registry}"),
            (problems, _) => problems.join("; "),
        };
        let purpose = match refusal {
            Refusal::Access => "",
            Refusal::RateLimit => ", which has a higher limit",
        };
        return format!("The pull was anonymous: {reason}. Run `{command}`{purpose}.");
    };
    match refusal {
        Refusal::Access => format!(
            "The pull used the login for {registry} from {}. Run `{command}` to replace it, or check that this \
             account may pull the image.",
            login.from
        ),
        Refusal::RateLimit => format!(
            "The pull used the login for {registry} from {}. Wait, or log in to another account with `{command}`.",
            login.from
        ),
    }
}

fn failed(what: &str, source: DockerError, login_hint: impl Fn(Refusal) -> String) -> Error {
    let translated = translate::error(what, source);
    let mut error = Error::new(ErrorKind::Image, translated.to_string());
    let cause = translated.causes().into_iter().next().unwrap_or_default();
    let hint = refusal(&cause).map(login_hint);
    if let Some(hint) = hint.or_else(|| translated.hint_text().map(str::to_owned)) {
        error = error.hint(hint);
    }
    if cause.is_empty() {
        error
    } else {
        error.because(cause)
    }
}

/// Bytes of each layer: downloaded, and total.
#[derive(Default)]
struct Layers(BTreeMap<String, (u64, u64)>);

impl Layers {
    fn update(&mut self, info: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&info.id, &info.status) else {
            return;
        };
        if status == "Downloading" {
            let detail = info.progress_detail.as_ref();
            let bytes = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
            let total = detail.and_then(|detail| bytes(detail.total)).unwrap_or_default();
            let current = detail
                .and_then(|detail| bytes(detail.current))
                .unwrap_or_default();
            self.0.insert(id.clone(), (current.min(total), total));
        } else if let Some((current, total)) = self.0.get_mut(id) {
            // All other states follow the download.
            *current = *total;
        }
    }

    /// Returns the sum over all layers whose size is known: the daemon downloads a few at a time.
    fn sum(&self) -> PullProgress {
        let sum = |part: fn(&(u64, u64)) -> u64| self.0.values().map(part).sum();
        PullProgress {
            downloaded: sum(|(current, _)| *current),
            total: sum(|(_, total)| *total),
        }
    }

    fn report(&self, progress: &(dyn Fn(PullProgress) + Send + Sync)) {
        let sum = self.sum();
        if sum.total > 0 {
            progress(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;
    use crate::runtime::docker::registry_login::Login;

    #[test]
    fn refusals_are_recognized_by_their_messages() {
        for (message, expected) in [
            (
                "Head \"https://registry.test/v2/redis/manifests/7\": no basic auth credentials",
                Some(Refusal::Access),
            ),
            (
                "pull access denied for team/redis, repository does not exist or may require 'docker login': denied: \
                 requested access to the resource is denied",
                Some(Refusal::Access),
            ),
            (
                "Get \"https://registry.test/v2/\": unauthorized: authentication required",
                Some(Refusal::Access),
            ),
            (
                "unexpected status from HEAD request to https://registry.test: 403 Forbidden",
                Some(Refusal::Access),
            ),
            (
                "toomanyrequests: You have reached your unauthenticated pull rate limit.",
                Some(Refusal::RateLimit),
            ),
            ("open /var/lib/docker/tmp/x: permission denied", None),
            ("manifest for redis:77 not found: manifest unknown", None),
            ("dial tcp: lookup registry.test: no such host", None),
        ] {
            assert_eq!(refusal(message), expected, "{message}");
        }
    }

    #[test]
    fn hint_names_the_login_or_that_there_was_none() {
        let repository = Repository::of("registry.test:5000/redis:7");
        let file = || Some("/home/me/.docker/config.json".to_owned());
        let anonymous = hint(Refusal::Access, &repository, &Lookup::default(), file());
        assert_eq!(
            anonymous,
            "The pull was anonymous: there is no login for registry.test:5000 in /home/me/.docker/config.json. Run \
             `docker login registry.test:5000`."
        );
        let broken = Lookup {
            problems: vec!["docker-credential-x failed (exit status: 1)".to_owned()],
            ..Lookup::default()
        };
        assert_eq!(
            hint(Refusal::RateLimit, &Repository::of("redis:8"), &broken, file()),
            "The pull was anonymous: docker-credential-x failed (exit status: 1). Run `docker login`, which has a \
             higher limit."
        );
        let refused = Lookup {
            login: Some(Login {
                credentials: bollard::auth::DockerCredentials::default(),
                from: "/auth.json".to_owned(),
            }),
            ..Lookup::default()
        };
        assert_eq!(
            hint(Refusal::Access, &repository, &refused, file()),
            "The pull used the login for registry.test:5000 from /auth.json. Run `docker login registry.test:5000` to \
             replace it, or check that this account may pull the image."
        );
    }

    #[test]
    fn other_failures_keep_their_hint() {
        let failed = |message: &str| {
            let source = DockerError::DockerResponseServerError {
                status_code: 500,
                message: message.to_owned(),
            };
            failed("pull image redis:8", source, |_| "log in".to_owned())
        };
        let full = failed("write /var/lib/docker/tmp/x: no space left on device");
        assert_eq!(full.to_string(), "cannot pull image redis:8");
        assert!(full.hint_text().unwrap().contains("disk is full"));
        let refused = failed("no basic auth credentials");
        assert_eq!(refused.hint_text(), Some("log in"));
        assert_eq!(refused.causes(), ["no basic auth credentials"]);
        assert_eq!(failed("manifest unknown").hint_text(), None);
    }

    #[test]
    fn progress_is_the_sum_of_the_layers() {
        let mut layers = Layers::default();
        let info = |id: &str, status: &str, numbers: Option<(i64, i64)>| CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: numbers.map(|(current, total)| ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        };
        for (id, status, numbers, expected) in [
            ("7", "Pulling from redis", None, (0, 0)),
            ("a", "Pulling fs layer", None, (0, 0)),
            ("a", "Downloading", Some((10, 100)), (10, 100)),
            ("b", "Downloading", Some((20, 50)), (30, 150)),
            ("a", "Downloading", Some((90, 100)), (110, 150)),
            ("b", "Verifying Checksum", None, (140, 150)),
            ("a", "Download complete", None, (150, 150)),
            // Progress of an extraction is counted in other bytes.
            ("a", "Extracting", Some((5, 100)), (150, 150)),
            ("c", "Already exists", None, (150, 150)),
            ("a", "Pull complete", None, (150, 150)),
        ] {
            layers.update(&info(id, status, numbers));
            let sum = layers.sum();
            assert_eq!((sum.downloaded, sum.total), expected, "{id} {status}");
        }
    }
}

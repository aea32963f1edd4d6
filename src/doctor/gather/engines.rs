//! Detects container engines.

use std::path::{Path, PathBuf};

use crate::doctor::facts::{EnginesFacts, SocketFacts};
use crate::runtime::docker::find::{Environment, Survey, survey};

/// Returns the container engines that are visible to this process.
pub(crate) fn engines() -> EnginesFacts {
    facts(survey(&Environment::of_this_process()))
}

fn facts(survey: Survey) -> EnginesFacts {
    let chosen = survey.chosen.ok();
    let target = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // Products link their sockets to /var/run/docker.sock.
    let mut listed: Vec<PathBuf> = chosen
        .as_ref()
        .and_then(|place| place.endpoint.strip_prefix("unix://"))
        .map(|path| target(Path::new(path)))
        .into_iter()
        .collect();
    let mut others = Vec::new();
    for (socket, failure) in survey.sockets {
        let target = target(&socket.path);
        if !listed.contains(&target) {
            listed.push(target);
            others.push(SocketFacts {
                endpoint: socket.endpoint(),
                product: socket.product,
                failure,
            });
        }
    }
    EnginesFacts {
        warning: chosen.as_ref().and_then(|place| place.warning.clone()),
        chosen: chosen.map(|place| (place.endpoint, place.found_by)),
        is_selected: survey.is_selected,
        others,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::runtime::docker::find::Place;
    use crate::runtime::docker::sockets::Candidate;

    #[test]
    fn a_link_to_a_listed_socket_is_left_out() {
        let home = tempfile::tempdir().unwrap();
        let socket = |name: &str| Candidate {
            path: home.path().join(name),
            product: name.to_owned(),
        };
        for name in ["used", "other"] {
            std::fs::write(home.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(home.path().join("used"), home.path().join("link")).unwrap();
        let sockets = vec![
            (socket("link"), None),
            (socket("used"), None),
            (socket("other"), Some("refused".to_owned())),
        ];
        let chosen = Place {
            endpoint: socket("used").endpoint(),
            found_by: "used".to_owned(),
            certificates: None,
            warning: Some("x".to_owned()),
        };
        let found = facts(Survey {
            chosen: Ok(chosen),
            is_selected: false,
            sockets,
        });
        let others: Vec<_> = found.others.iter().map(|other| other.product.as_str()).collect();
        assert_eq!(others, ["other"]);
        assert_eq!(found.warning.as_deref(), Some("x"));
        let none = facts(Survey {
            chosen: Err(Error::new(ErrorKind::EngineUnavailable, "none")),
            is_selected: true,
            sockets: vec![(socket("link"), None), (socket("used"), None)],
        });
        assert_eq!(none.chosen, None);
        assert_eq!(none.others.len(), 1);
    }
}

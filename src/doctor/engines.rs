//! Lists the detected container engines and the reason for the selected one. Informational only.

use std::fmt::Write as _;

use crate::doctor::facts::{EnginesFacts, SocketFacts};
use crate::doctor::finding::{Finding, Severity};

/// Returns the finding with the detected container engines in one line.
pub(crate) fn judge(facts: &EnginesFacts) -> Finding {
    let mut found = match &facts.chosen {
        Some((endpoint, by)) if facts.is_selected => format!("{endpoint} is used, selected by {by}"),
        Some((endpoint, product)) => {
            format!("{endpoint} ({product}) is used, the first socket that accepts a connection")
        }
        None if facts.is_selected => "the selected one cannot be used".to_owned(),
        None => "no socket accepts a connection".to_owned(),
    };
    let (failing, accepting): (Vec<_>, Vec<_>) =
        facts.others.iter().partition(|socket| socket.failure.is_some());
    for (title, sockets) in [("also found", accepting), ("not usable", failing)] {
        if !sockets.is_empty() {
            let sockets: Vec<String> = sockets.into_iter().map(describe).collect();
            let _ = write!(found, "; {title}: {}", sockets.join(", "));
        }
    }
    if let Some(warning) = &facts.warning {
        let _ = write!(found, "; {warning}");
    }
    Finding::new("engines", Severity::Ok, found, "any").why(
        "rcup uses DOCKER_HOST, or the selected Docker context, or the first socket that accepts a connection",
        "rcup",
    )
}

fn describe(socket: &SocketFacts) -> String {
    let SocketFacts {
        endpoint,
        product,
        failure,
    } = socket;
    match failure {
        Some(failure) => format!("{endpoint} ({product}: {failure})"),
        None => format!("{endpoint} ({product})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_has_its_reason_and_the_others() {
        let socket = |name: &str, failure: Option<&str>| SocketFacts {
            endpoint: format!("unix:///{name}"),
            product: name.to_owned(),
            failure: failure.map(str::to_owned),
        };
        let mut facts = EnginesFacts {
            chosen: Some(("unix:///a".to_owned(), "rootless Docker".to_owned())),
            is_selected: false,
            others: vec![
                socket("b", Some("Permission denied")),
                socket("c", None),
                socket("d", None),
            ],
            warning: None,
        };
        let finding = judge(&facts);
        assert_eq!(finding.severity, Severity::Ok);
        assert_eq!(
            finding.found,
            "unix:///a (rootless Docker) is used, the first socket that accepts a connection; also found: \
             unix:///c (c), unix:///d (d); not usable: unix:///b (b: Permission denied)"
        );
        facts.others.clear();
        facts.is_selected = true;
        facts.chosen = Some(("tcp://x:2375".to_owned(), "DOCKER_HOST".to_owned()));
        facts.warning = Some("x is ignored".to_owned());
        assert_eq!(
            judge(&facts).found,
            "tcp://x:2375 is used, selected by DOCKER_HOST; x is ignored"
        );
        facts.chosen = None;
        assert!(judge(&facts).found.starts_with("the selected one cannot be used"));
        facts.is_selected = false;
        assert!(judge(&facts).found.starts_with("no socket accepts a connection"));
    }
}

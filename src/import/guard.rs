//! Finds the password and the users of a node.

use crate::import::conf::lines;
use crate::import::node::{Member, Place};
use crate::import::service::Contents;

/// Sets the password and the users of the node, and where the file defines them.
pub(crate) fn guard(
    member: &mut Member<'_>,
    directives: &[(String, String)],
    from_file: usize,
    contents: Contents<'_>,
) {
    for (at, (name, value)) in directives.iter().enumerate() {
        let place = if at < from_file {
            (member.service.line, Place::File)
        } else {
            (member.line, Place::Command)
        };
        match name.as_str() {
            "requirepass" => member.password = (!value.is_empty()).then_some(place),
            "user" => user(member, value, place),
            "aclfile" => match contents.text(member.service, value) {
                Some(text) => {
                    for (_, value) in lines(&text).iter().filter(|(name, _)| name == "user") {
                        user(member, value, (member.service.line, Place::File));
                    }
                }
                None => member.unread_users = true,
            },
            _ => {}
        }
    }
}

/// Reads the ACL rules of a user. The password of `default` applies to clients that log in without a user name.
fn user(member: &mut Member<'_>, rules: &str, place: (usize, Place)) {
    let mut words = rules.split_whitespace().map(|word| word.trim_matches('"'));
    let name = words.next().unwrap_or_default();
    if name != "default" {
        member.users.push(name.to_owned());
        return;
    }
    for word in words {
        match word {
            "nopass" | "resetpass" | "reset" => member.password = None,
            _ if word.starts_with(['>', '#']) => member.password = Some(place),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::resolve::Sources;
    use crate::import::tree::Tree;

    fn guarded(directives: &[(&str, &str)]) -> (Option<Place>, Vec<String>, bool) {
        let tree = Tree::read("a: { volumes: ['./users.acl:/users.acl'] }\n").unwrap();
        let sources = Sources {
            file: &|path| {
                (path == "./users.acl").then(|| "user default on #abc ~*\nuser bob on >x\n".to_owned())
            },
            variable: &|_| None,
        };
        let contents = Contents {
            tree: &tree,
            sources: &sources,
        };
        let mut member = Member::new("a", tree.get("a").unwrap(), 1);
        let directives: Vec<_> = directives
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        guard(&mut member, &directives, 0, contents);
        (
            member.password.map(|(_, place)| place),
            member.users,
            member.unread_users,
        )
    }

    #[test]
    fn passwords_are_found_in_directives_and_users() {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (command, file) = (Some(Place::Command), Some(Place::File));
        assert_eq!(guarded(&[("requirepass", "x")]), (command, own(&[]), false));
        assert_eq!(
            guarded(&[("requirepass", "x"), ("requirepass", "")]),
            (None, own(&[]), false)
        );
        assert_eq!(
            guarded(&[("user", "default on >pw ~*"), ("user", "amy on nopass")]),
            (command, own(&["amy"]), false)
        );
        assert_eq!(
            guarded(&[("user", "default on nopass ~*")]),
            (None, own(&[]), false)
        );
        assert_eq!(
            guarded(&[("aclfile", "/users.acl")]),
            (file, own(&["bob"]), false)
        );
        assert_eq!(guarded(&[("aclfile", "/none.acl")]), (None, own(&[]), true));
    }
}

//! The directory layout of the image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::spec::server::Engine;

/// The user and group ID of the server, the same number as in the official images.
pub(crate) const SERVER_ID: u64 = 999;

/// The names of the busybox tools. An export to Docker Compose starts its containers with some of them. The others
/// help to debug a network.
const TOOLS: [&str; 18] = [
    "[", "cat", "chmod", "chown", "cp", "env", "false", "hostname", "id", "ip", "ls", "mkdir", "nc", "ping",
    "sh", "sleep", "test", "true",
];

/// An entry of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Directory {
        mode: u32,
        owner: u64,
    },
    /// A file with this text.
    Text(String),
    /// A file of the build machine, with this mode.
    Copy {
        from: PathBuf,
        mode: u32,
    },
    Link(String),
}

/// A root file system: entries by their path, without a leading slash. The order of a `BTreeMap` puts a directory
/// before its contents, and makes builds reproducible.
#[derive(Clone, Debug)]
pub(crate) struct Layout(BTreeMap<String, Entry>);

impl Layout {
    /// Returns the directories, links and user tables that every image has.
    pub(crate) fn base(engine: Engine) -> Self {
        let mut layout = Self(BTreeMap::new());
        let name = engine.as_str();
        for (path, mode, owner) in [
            ("data", 0o755, SERVER_ID),
            ("etc", 0o755, 0),
            ("root", 0o700, 0),
            ("tmp", 0o1777, 0),
            ("usr/bin", 0o755, 0),
            ("usr/lib", 0o755, 0),
            ("usr/lib64", 0o755, 0),
            ("var/tmp", 0o1777, 0),
        ] {
            layout.insert(path, Entry::Directory { mode, owner });
        }
        // Programs name their loader by its path in a system without merged /usr, such as /lib64.
        for merged in ["bin", "lib", "lib64"] {
            layout.insert(merged, Entry::Link(format!("usr/{merged}")));
        }
        layout.insert(
            "etc/passwd",
            Entry::Text(format!(
                "root:x:0:0:root:/root:/bin/sh\n\
                 {name}:x:{SERVER_ID}:{SERVER_ID}:{name}:/data:/bin/sh\n\
                 nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
            )),
        );
        layout.insert(
            "etc/group",
            Entry::Text(format!("root:x:0:\n{name}:x:{SERVER_ID}:\nnogroup:x:65534:\n")),
        );
        // Without this file, older C libraries query DNS for names that /etc/hosts contains.
        layout.insert(
            "etc/nsswitch.conf",
            Entry::Text("passwd: files\ngroup: files\nhosts: files dns\n".to_owned()),
        );
        if engine == Engine::Valkey {
            for (old, new) in [
                ("redis-server", "valkey-server"),
                ("redis-cli", "valkey-cli"),
                ("redis-benchmark", "valkey-benchmark"),
            ] {
                layout.insert(&format!("usr/bin/{old}"), Entry::Link(new.to_owned()));
            }
        }
        layout
    }

    /// Adds a program to `/usr/bin`.
    pub(crate) fn program(&mut self, name: &str, from: PathBuf) {
        self.insert(&format!("usr/bin/{name}"), Entry::Copy { from, mode: 0o755 });
    }

    /// Adds a library or the loader.
    pub(crate) fn library(&mut self, path: &str, from: PathBuf) {
        // The loader must be executable. For libraries the mode has no effect.
        self.insert(&merged(path), Entry::Copy { from, mode: 0o755 });
    }

    /// Adds busybox and links for its tools.
    pub(crate) fn tools(&mut self, busybox: PathBuf) {
        self.program("busybox", busybox);
        for tool in TOOLS {
            self.insert(&format!("usr/bin/{tool}"), Entry::Link("busybox".to_owned()));
        }
    }

    /// Returns all entries, each directory before its contents.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (&**path, entry))
    }

    fn insert(&mut self, path: &str, entry: Entry) {
        for (at, _) in path.match_indices('/') {
            self.0.entry(path[..at].to_owned()).or_insert(Entry::Directory {
                mode: 0o755,
                owner: 0,
            });
        }
        self.0.insert(path.to_owned(), entry);
    }
}

/// Returns a path in a root file system with merged `/usr`, without dots and without a leading slash.
pub(crate) fn merged(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts
        .first()
        .is_some_and(|first| matches!(*first, "bin" | "lib" | "lib64"))
    {
        parts.insert(0, "usr");
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_merged_below_usr() {
        assert_eq!(
            merged("/lib64/ld-linux-x86-64.so.2"),
            "usr/lib64/ld-linux-x86-64.so.2"
        );
        assert_eq!(merged("/usr/lib/x/../libc.so.6"), "usr/lib/libc.so.6");
        assert_eq!(merged("/opt/lib/libx.so"), "opt/lib/libx.so");
    }

    #[test]
    fn every_parent_comes_before_its_children_and_is_no_link() {
        let mut layout = Layout::base(Engine::Valkey);
        layout.program("valkey-server", PathBuf::from("/x"));
        layout.library("/lib/aarch64-linux-gnu/libc.so.6", PathBuf::from("/y"));
        layout.tools(PathBuf::from("/z"));
        let mut seen: Vec<&str> = Vec::new();
        for (path, entry) in layout.entries() {
            if let Some((parent, _)) = path.rsplit_once('/') {
                assert!(seen.contains(&parent), "{path} before {parent}");
            }
            if matches!(entry, Entry::Directory { .. }) {
                seen.push(path);
            }
        }
        assert!(seen.contains(&"usr/lib/aarch64-linux-gnu"));
    }

    #[test]
    fn the_servers_user_owns_its_directory_and_nothing_else() {
        let layout = Layout::base(Engine::Redis);
        let owned: Vec<&str> = layout
            .entries()
            .filter(|(_, entry)| matches!(entry, Entry::Directory { owner: SERVER_ID, .. }))
            .map(|(path, _)| path)
            .collect();
        assert_eq!(owned, ["data"]);
        let Some((_, Entry::Text(passwd))) = layout.entries().find(|(path, _)| *path == "etc/passwd") else {
            panic!("no user table");
        };
        assert!(passwd.contains("redis:x:999:999:redis:/data:/bin/sh\n"));
    }

    #[test]
    fn valkey_answers_to_the_old_names() {
        let has_link = |engine| {
            Layout::base(engine).entries().any(|(path, entry)| {
                path == "usr/bin/redis-cli" && *entry == Entry::Link("valkey-cli".to_owned())
            })
        };
        assert!(has_link(Engine::Valkey));
        assert!(!has_link(Engine::Redis));
    }
}

//! The commands of a service: those that start servers, and those that create a cluster.

use std::path::Path;

use crate::import::conf::directive;
use crate::import::shell::{Simple, is_address, is_unknown, script, words};
use crate::import::tree::{Tree, Value};
use crate::import::variables::Lookup;

/// Shells.
const SHELLS: [&str; 5] = ["sh", "bash", "ash", "dash", "zsh"];

/// Operators that end a command. They count even without a shell, because they are not plausible arguments.
const ENDS: [&str; 5] = ["&&", "||", ";", "|", "&"];

/// Programs whose arguments may contain a program name without running it.
const MENTIONS: [&str; 8] = [
    "echo", "printf", "which", "command", "pgrep", "pkill", "killall", "grep",
];

/// The cluster tool before Redis 5.
const TRIB: &str = "redis-trib.rb";

/// Options of `redis-cli` that take a value.
const VALUED: [&str; 8] = [
    "-a",
    "-u",
    "--user",
    "--pass",
    "--cacert",
    "--cert",
    "--key",
    "--cluster-replicas",
];

/// The commands of a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Command {
    /// The text of `entrypoint` and `command`, with line breaks.
    pub(crate) text: String,
    /// The line of `command`, or of the service if it has no `command`.
    pub(crate) line: usize,
    commands: Vec<Simple>,
    /// Whether there are only arguments, so that the entrypoint of the image starts the server.
    is_entry: bool,
}

/// A server that a command starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Server {
    /// Its configuration file.
    pub(crate) file: Option<String>,
    /// Its options as directives.
    pub(crate) directives: Vec<(String, String)>,
    /// Whether a `for` loop starts it, possibly more than once.
    pub(crate) in_for: bool,
}

/// A `redis-cli --cluster create` command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Create {
    pub(crate) addresses: Vec<String>,
    /// The value of the option as written; `None` without the option.
    pub(crate) replicas: Option<String>,
}

/// A `redis-cli --cluster add-node` command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddNode {
    pub(crate) address: String,
    /// The address of a node that is already in the cluster.
    pub(crate) existing: String,
    pub(crate) is_replica: bool,
}

impl Command {
    /// Reads `entrypoint` and `command`. `file` returns the text of a file in the container, which may be a script.
    pub(crate) fn of(service: &Tree, file: &dyn Fn(&str) -> Option<String>, lookup: Lookup<'_>) -> Self {
        let of_key = |key: &str| service.get(key).map_or_else(Vec::new, argv);
        let (entrypoint, command) = (of_key("entrypoint"), of_key("command"));
        let is_entry = entrypoint.is_empty()
            && command
                .first()
                .is_some_and(|word| word.starts_with('-') || is_conf(word));
        let mut text = String::new();
        for part in ["entrypoint", "command"]
            .iter()
            .filter_map(|key| service.get(key))
        {
            for item in part.items() {
                text.push_str(item.text());
                text.push(' ');
            }
        }
        let line = service
            .get("command")
            .map_or(service.line, |command| command.line);
        // Docker passes the text after `sh -c` as one argument only if it is quoted. Treat it as a script in both
        // cases.
        let after_entrypoint = service.get("command").map(|command| &command.value);
        let whole = match after_entrypoint {
            Some(Value::Text(text)) if command.len() > 1 && inline(&entrypoint) == Some(entrypoint.len()) => {
                Some(text.clone())
            }
            _ => None,
        };
        let all: Vec<String> = entrypoint.into_iter().chain(command).collect();
        let source = whole
            .or_else(|| inline(&all).and_then(|at| all.get(at).cloned()))
            .or_else(|| file(script_file(&all)?));
        let commands = match source {
            Some(source) if !is_entry => script(&source, lookup),
            _ => all
                .split(|word| ENDS.contains(&word.as_str()))
                .map(|words| Simple {
                    words: words.to_vec(),
                    ..Simple::default()
                })
                .collect(),
        };
        Self {
            text,
            line,
            commands,
            is_entry,
        }
    }

    /// Returns the servers that the commands start.
    pub(crate) fn servers(&self) -> Vec<Server> {
        if self.is_entry {
            let words = self.commands.first().map_or(&[][..], |command| &command.words);
            return vec![server(words, false)];
        }
        self.programs(&["redis-server", "valkey-server"])
            .map(|(command, at)| server(&command.words[at + 1..], command.in_for))
            .collect()
    }

    /// Returns the directives in the arguments of the program whose name ends with `program`.
    pub(crate) fn options_after(&self, program: &str) -> Vec<(String, String)> {
        let found = self.commands.iter().find_map(|command| {
            let at = command.words.iter().position(|word| word.ends_with(program))?;
            Some(options(&command.words[at + 1..]))
        });
        found.unwrap_or_default()
    }

    /// Returns the clusters that the commands create.
    pub(crate) fn creates(&self) -> Vec<Create> {
        self.cluster_commands("create")
            .map(|arguments| Create {
                addresses: addresses(arguments),
                replicas: after(arguments, &["--cluster-replicas", "--replicas"]).map(ToOwned::to_owned),
            })
            .collect()
    }

    /// Returns the nodes that the commands add to a cluster.
    pub(crate) fn added(&self) -> Vec<AddNode> {
        self.cluster_commands("add-node")
            .filter_map(|arguments| {
                let mut all = addresses(arguments).into_iter();
                let is_replica = |word: &String| {
                    matches!(
                        word.as_str(),
                        "--cluster-slave" | "--cluster-replica" | "--slave" | "--cluster-master-id"
                    )
                };
                Some(AddNode {
                    address: all.next()?,
                    existing: all.next().unwrap_or_default(),
                    is_replica: arguments.iter().any(is_replica),
                })
            })
            .collect()
    }

    /// Checks whether the commands form a cluster with `CLUSTER MEET`.
    pub(crate) fn meets(&self) -> bool {
        self.commands.iter().any(|command| {
            let is = |word: &str, wanted: &str| word.eq_ignore_ascii_case(wanted);
            command
                .words
                .windows(2)
                .any(|pair| is(&pair[0], "cluster") && is(&pair[1], "meet"))
        })
    }

    /// Checks whether the commands sleep for a fixed time. A sleep in a polling loop does not count.
    pub(crate) fn sleeps(&self) -> bool {
        let is_sleep = |command: &Simple| command.words.first().is_some_and(|word| word == "sleep");
        self.commands
            .iter()
            .any(|command| is_sleep(command) && !command.in_loop)
    }

    /// Returns the arguments of `redis-cli --cluster NAME` and of the older `redis-trib.rb NAME`.
    fn cluster_commands<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [String]> {
        self.programs(&["redis-cli", "valkey-cli", TRIB])
            .filter_map(move |(command, at)| {
                let rest = &command.words[at + 1..];
                let found = if base(&command.words[at]) == TRIB {
                    rest.iter().position(|word| word == name)
                } else {
                    let is_it = |pair: &[String]| pair[0] == "--cluster" && pair[1] == name;
                    rest.windows(2).position(is_it).map(|at| at + 1)
                };
                found.map(|at| &rest[at + 1..])
            })
    }

    /// Returns the commands that run one of the programs, and the position of its name among their words.
    fn programs<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = (&'a Simple, usize)> {
        self.commands.iter().filter_map(|command| {
            let first = command.words.first().map_or("", |word| base(word));
            if MENTIONS.contains(&first) {
                return None;
            }
            let at = command.words.iter().position(|word| names.contains(&base(word)));
            at.map(|at| (command, at))
        })
    }
}

/// Returns the words of a value that is a string or a list.
fn argv(tree: &Tree) -> Vec<String> {
    match &tree.value {
        Value::Text(text) => words(text),
        _ => tree.items().iter().map(|item| item.text().to_owned()).collect(),
    }
}

/// Returns the last component of a path.
fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn is_conf(word: &str) -> bool {
    Path::new(word).extension().is_some_and(|end| end == "conf")
}

/// Returns the position of the `sh -c` script among the words.
fn inline(words: &[String]) -> Option<usize> {
    let shell = words.iter().position(|word| SHELLS.contains(&base(word)))?;
    let options = words[shell + 1..]
        .iter()
        .take_while(|word| word.starts_with(['-', '+']) || *word == "pipefail");
    let is_inline = |word: &String| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
    let count = options.clone().count();
    let found = options.clone().any(is_inline);
    found.then_some(shell + 1 + count)
}

/// Returns the path of the program, or of the script that a shell runs.
fn script_file(words: &[String]) -> Option<&str> {
    let shell = words.iter().position(|word| SHELLS.contains(&base(word)));
    let from = shell.map_or(0, |at| at + 1);
    let path = words[from..].iter().find(|word| !word.starts_with('-'))?;
    path.contains('/').then_some(path)
}

/// Parses the arguments of a server.
fn server(arguments: &[String], in_for: bool) -> Server {
    let file = arguments.first().filter(|word| !word.starts_with('-'));
    Server {
        file: file.cloned(),
        directives: options(arguments),
        in_for,
    }
}

/// Converts `--name value…` to directives.
pub(crate) fn options(arguments: &[String]) -> Vec<(String, String)> {
    let mut all: Vec<Vec<String>> = Vec::new();
    for word in arguments {
        if let Some(name) = word.strip_prefix("--").filter(|name| !name.is_empty()) {
            // `"--port 7000"` may be one argument: the server joins them anyway.
            all.push(name.split_whitespace().map(ToOwned::to_owned).collect());
        } else if let Some(values) = all.last_mut() {
            values.push(word.clone());
        }
    }
    all.iter().filter_map(|words| directive(words)).collect()
}

/// Returns the arguments that are addresses, or that may expand to addresses.
fn addresses(arguments: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    let mut is_value = false;
    for word in arguments {
        if !is_value && (is_address(word) || is_unknown(word) && !word.starts_with('-')) {
            all.push(word.clone());
        }
        is_value = VALUED.contains(&word.as_str());
    }
    all
}

/// Returns the word after the first occurrence of one of `names`.
fn after<'a>(arguments: &'a [String], names: &[&str]) -> Option<&'a str> {
    let at = arguments.iter().position(|word| names.contains(&word.as_str()))?;
    arguments.get(at + 1).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Command {
        let file = |path: &str| {
            (path == "/create.sh").then(|| "redis-cli --cluster create $N --replicas x\n".to_owned())
        };
        let lookup = |name: &str| (name == "N").then(|| "a:1 b:2".to_owned());
        Command::of(&Tree::read(text).unwrap(), &file, &lookup)
    }

    fn own(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_servers_options_end_where_its_command_does() {
        for text in [
            "command: sh -c \"redis-server /c/redis.conf --port 7000 --save 60 1; echo done\"\n",
            "entrypoint: [sh, -ec]\ncommand: exec redis-server /c/redis.conf --port 7000 --save 60 1 && x\n",
            "command: [bash, -c, 'gosu redis redis-server /c/redis.conf --port 7000 --save 60 1 &']\n",
            "command: redis-server /c/redis.conf --port 7000 --save 60 1\n",
        ] {
            let servers = command(text).servers();
            assert_eq!(servers.len(), 1, "{text}");
            assert_eq!(servers[0].file.as_deref(), Some("/c/redis.conf"), "{text}");
            assert_eq!(
                servers[0].directives,
                [own("port", "7000"), own("save", "60 1")],
                "{text}"
            );
        }
    }

    #[test]
    fn the_images_entry_point_starts_a_server_too() {
        let servers = command("command: [/etc/redis.conf, --appendonly, 'yes']\n").servers();
        assert_eq!(servers[0].file.as_deref(), Some("/etc/redis.conf"));
        let servers = command("command: --requirepass \"\" --user default on >pw ~*\n").servers();
        assert_eq!(
            servers[0].directives,
            [own("requirepass", ""), own("user", "default on >pw ~*")]
        );
        let servers = command("command: [redis-server, --port 7000]\n").servers();
        assert_eq!(servers[0].directives, [own("port", "7000")]);
        for text in [
            "command: nginx -g x\n",
            "image: redis\n",
            "command: sh -c 'echo redis-server'\n",
        ] {
            assert!(command(text).servers().is_empty(), "{text}");
        }
    }

    #[test]
    fn a_script_may_be_in_a_file() {
        for text in [
            "entrypoint: /create.sh\n",
            "command: ['sh', /create.sh]\n",
            "command: sh -x /create.sh\n",
        ] {
            let creates = command(text).creates();
            let create = creates.first().unwrap();
            assert_eq!(create.addresses, ["a:1", "b:2"], "{text}");
            assert_eq!(create.replicas.as_deref(), Some("x"));
        }
    }

    #[test]
    fn nodes_are_found_wherever_they_are_named() {
        let all = command(
            "command: sh -c \"yes yes | redis-cli -a pw --cluster create --cluster-replicas 1 a:1 -a pw b:2 $(x) && redis-cli \
             --cluster add-node c:3 a:1 --cluster-slave; sleep 1\"\n",
        );
        let create = &all.creates()[0];
        assert_eq!(create.addresses, ["a:1", "b:2", "$(x)"]);
        assert_eq!(create.replicas.as_deref(), Some("1"));
        let added = AddNode {
            address: "c:3".to_owned(),
            existing: "a:1".to_owned(),
            is_replica: true,
        };
        assert_eq!(all.added(), [added]);
        assert!(all.sleeps() && !all.meets());
        assert!(!command("command: sh -c 'until x; do sleep 1; done'\n").sleeps());
    }
}

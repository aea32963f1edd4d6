//! Applies the precedence: flag, environment, file, default. The file's keys become flags unless they are
//! already set.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::cli::args::security::{BARE, check_user, user};
use crate::cli::config::document::{JOINED, entries, error};
use crate::cli::config::entry::Source;
use crate::cli::config::entry::{Entry, Wrong};
use crate::cli::config::keys::{allowed, flag, is_key, is_open};
use crate::cli::config::nodes;
use crate::cli::config::nodes::NODE_FLAGS;
use crate::error::{Error, ErrorKind};
use crate::spec::name::ClusterName;
use crate::spec::secret::Secret;

/// Default file name.
const FOUND: &str = "rcup.toml";

/// Flags that set the same value as another flag.
const SAME: [(&str, &str); 2] = [("password", "password-file"), ("tls", "tls-ca")];

/// Origins of all values.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The configuration file.
    pub file: Option<String>,
    /// Sources by flag name; for a directive, `set:NAME`.
    sources: BTreeMap<String, Source>,
    /// Per-node overrides.
    nodes: nodes::Given,
}

impl Given {
    /// Returns the origin of a flag's value, if it was set.
    pub fn source(&self, flag: &str) -> Option<Source> {
        let other = SAME.iter().find(|(one, _)| *one == flag);
        let given = self.sources.get(flag);
        given.or_else(|| self.sources.get(other?.1)).copied()
    }

    /// Returns the origin of a user.
    pub fn user(&self, name: &str) -> Option<Source> {
        self.source(&format!("user:{name}"))
    }

    /// Returns the origin of a per-node override: its `image`, or a directive. `nodes` lists all nodes and
    /// whether they are masters.
    pub fn node(&self, index: usize, what: &str, nodes: &[(usize, bool)]) -> Option<Source> {
        self.nodes.source(index, what, nodes)
    }

    /// Returns the origin of a directive.
    pub fn directive(&self, name: &str) -> Option<Source> {
        self.source(&format!("set:{name}"))
    }
}

/// Returns the arguments with the settings of the file. Arguments that cannot be parsed are left unchanged,
/// so that clap reports them.
///
/// # Errors
/// [`ErrorKind::Usage`] with line and column for an error in the file, [`ErrorKind::Io`] when a file was
/// named but cannot be read.
pub fn layered(command: &Command, arguments: Vec<OsString>) -> Result<(Vec<OsString>, Given), Error> {
    let mut given = Given::default();
    let Ok(matches) = command.clone().try_get_matches_from(&arguments) else {
        return Ok((arguments, given));
    };
    let Some((verb, own)) = leaf(command, &matches) else {
        return Ok((arguments, given));
    };
    if !has_cluster_flags(verb) {
        return Ok((arguments, given));
    }
    note(verb, own, &mut given);
    let named = own
        .try_get_one::<ClusterName>("name")
        .ok()
        .flatten()
        .map(ToString::to_string);
    // An export of a running cluster ignores all settings.
    let exported = matches.subcommand_name() == Some("export") && named.is_some();
    let former = if exported {
        Vec::new()
    } else {
        from_former_names(own, &mut given)
    };
    let arguments = with_environment(arguments, former, own, &given);
    if exported && given.sources.is_empty() {
        return Ok((arguments, given));
    }
    let asked = own.try_get_one::<String>("config").ok().flatten();
    let Some((path, text)) = read(asked.map(String::as_str))? else {
        return Ok((arguments, given));
    };
    let up = command.find_subcommand("up").unwrap_or(verb);
    let name = named.as_deref().unwrap_or("default");
    let wrong = |wrong: Wrong| error(&path, &text, &wrong, |key| is_key(up, key));
    let said = entries(&text, name).map_err(wrong)?;
    for entry in &said.others {
        known_flag(up, entry).map_err(wrong)?;
    }
    let mut added = Vec::new();
    for entry in said.own {
        added.extend(flags_of(&entry, verb, up, own, &mut given).map_err(wrong)?);
    }
    given.file = Some(path.clone());
    let arguments = insert(arguments, added, own);
    if let Ok(matches) = command.clone().try_get_matches_from(&arguments)
        && let Some((_, own)) = leaf(command, &matches)
    {
        nodes::check(&text, name, own).map_err(wrong)?;
    }
    Ok((arguments, given))
}

/// Returns the arguments with the environment variables that clap cannot handle: several users in one
/// variable, and a password on the command line with a password file in the environment.
fn with_environment(
    arguments: Vec<OsString>,
    mut added: Vec<OsString>,
    own: &ArgMatches,
    given: &Given,
) -> Vec<OsString> {
    if given.source("user") == Some(Source::Environment) {
        added.extend(users_of(own).map(|line| OsString::from(format!("--user={line}"))));
    }
    let of = |flag: &str| given.sources.get(flag);
    if of("password") == Some(&Source::Flag) && of("password-file") == Some(&Source::Environment) {
        added.push(format!("--password-file={BARE}").into());
    }
    insert(arguments, added, own)
}

/// Former names of variables, read if the flag and its variable are not set.
const FORMER: [(&str, &str, &str); 2] = [
    ("server", "server", "RCUP_ENGINE"),
    ("server_version", "server-version", "RCUP_ENGINE_VERSION"),
];

/// Returns flags for variables with former names.
fn from_former_names(own: &ArgMatches, given: &mut Given) -> Vec<OsString> {
    let mut added = Vec::new();
    for (id, flag, variable) in FORMER {
        let set = matches!(
            own.value_source(id),
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        );
        if let Some(value) = std::env::var_os(variable).filter(|_| !set) {
            let mut word = OsString::from(format!("--{flag}="));
            word.push(value);
            added.push(word);
            given.sources.insert(flag.to_owned(), Source::Environment);
        }
    }
    added
}

/// Returns the requested users as text.
fn users_of(own: &ArgMatches) -> impl Iterator<Item = &str> {
    let all = own.get_many::<Secret>("users").into_iter().flatten();
    let environment = own.value_source("users") == Some(ValueSource::EnvVariable);
    all.flat_map(move |line| {
        if environment {
            line.expose().split([';', '\n']).collect::<Vec<_>>()
        } else {
            vec![line.expose()]
        }
    })
    .map(str::trim)
    .filter(|line| !line.is_empty())
}

/// Returns the innermost subcommand and its matches.
fn leaf<'a>(command: &'a Command, matches: &'a ArgMatches) -> Option<(&'a Command, &'a ArgMatches)> {
    let (name, inner) = matches.subcommand()?;
    let verb = command.find_subcommand(name)?;
    Some(leaf(verb, inner).unwrap_or((verb, inner)))
}

fn has_cluster_flags(verb: &Command) -> bool {
    verb.get_arguments().any(|arg| arg.get_long() == Some("masters"))
}

/// Records the origins of the values set so far.
fn note(verb: &Command, own: &ArgMatches, given: &mut Given) {
    for arg in allowed(verb) {
        let source = match own.value_source(arg.get_id().as_str()) {
            Some(ValueSource::CommandLine) => Source::Flag,
            Some(ValueSource::EnvVariable) => Source::Environment,
            _ => continue,
        };
        let long = arg.get_long().unwrap_or_default();
        given.sources.insert(long.to_owned(), source);
        if long == "user" {
            for line in users_of(own) {
                given.sources.insert(format!("user:{}", first_word(line)), source);
            }
        }
        if NODE_FLAGS.contains(&long) {
            for value in own.get_raw(arg.get_id().as_str()).into_iter().flatten() {
                given.nodes.call(long, &value.to_string_lossy(), source);
            }
        }
        if long == "set" {
            for directive in own.get_raw(arg.get_id().as_str()).into_iter().flatten() {
                let text = directive.to_string_lossy();
                let name = text.split('=').next().unwrap_or_default().trim().to_lowercase();
                given.sources.insert(format!("set:{name}"), source);
            }
        }
    }
}

/// Reads the named file, or the one in the current directory if present.
fn read(asked: Option<&str>) -> Result<Option<(String, String)>, Error> {
    let path = asked.unwrap_or(FOUND);
    match std::fs::read_to_string(Path::new(path)) {
        Ok(text) => Ok(Some((path.to_owned(), text))),
        Err(error) if asked.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(ErrorKind::Io, format!("cannot read {path}"))
            .because(error)
            .hint("Create it with `rcup config init`, or omit --config.")),
    }
}

/// Returns the flag of an entry and its arguments, if the flag is known.
fn known_flag<'a>(up: &'a Command, entry: &Entry) -> Result<(&'a clap::Arg, Vec<String>), Wrong> {
    let Some(known) = flag(up, &entry.key) else {
        return Err(Wrong {
            message: format!("unknown key `{}`", entry.key),
            hint: nearest(up, &entry.key),
            at: entry.at,
            shown: None,
        });
    };
    let long = known.get_long().unwrap_or_default();
    let words = |value: &String| match known.get_action() {
        ArgAction::SetTrue => (value == "yes").then(|| format!("--{long}")),
        _ => Some(format!("--{long}={value}")),
    };
    let words: Vec<String> = entry.values.iter().filter_map(words).collect();
    refuse_bad_values(up, &words, entry)?;
    if long == "user" {
        for line in &entry.values {
            check_user(line).map_err(|error| wrong_user(&error, entry))?;
        }
    }
    Ok((known, words))
}

/// Returns the arguments that an entry adds to `verb`: none if the command line or the environment has set
/// the flag, or if only other commands have it.
fn flags_of(
    entry: &Entry,
    verb: &Command,
    up: &Command,
    own: &ArgMatches,
    given: &mut Given,
) -> Result<Vec<OsString>, Wrong> {
    let (known, words) = known_flag(up, entry)?;
    let long = known.get_long().unwrap_or_default().to_owned();
    let set = long == "set";
    let joined = JOINED.contains(&long.as_str());
    if long == "user" {
        for line in &entry.values {
            user(line).map_err(|error| wrong_user(&error, entry))?;
            let key = format!("user:{}", first_word(line));
            given.sources.entry(key).or_insert(Source::File);
        }
    }
    let spoken = |long: &str| {
        let source = given.sources.get(long);
        source.is_some_and(|by| *by != Source::File)
    };
    // A password from another source takes precedence, whichever flag sets it.
    let said =
        spoken(&long) || (long.starts_with("password") && (spoken("password") || spoken("password-file")));
    if flag(verb, &long).is_none() || (!joined && said) {
        return Ok(Vec::new());
    }
    if set {
        for value in &entry.values {
            let name = value.split('=').next().unwrap_or_default().trim().to_lowercase();
            let key = format!("set:{name}");
            given.sources.entry(key).or_insert(Source::File);
        }
        return Ok(join(known, &words, own, given));
    }
    if NODE_FLAGS.contains(&long.as_str()) {
        given.nodes.file(entry);
        given.sources.entry(long).or_insert(Source::File);
        return Ok(join(known, &words, own, given));
    }
    given.sources.entry(long).or_insert(Source::File);
    Ok(words.into_iter().map(OsString::from).collect())
}

/// Adds list values from the environment after those of the file, because clap would drop them. Those of the
/// command line come last.
fn join(flag: &Arg, words: &[String], own: &ArgMatches, given: &Given) -> Vec<OsString> {
    let mut all: Vec<OsString> = words.iter().map(OsString::from).collect();
    let long = flag.get_long().unwrap_or_default();
    if given.source(long) == Some(Source::Environment) {
        for value in own.get_raw(flag.get_id().as_str()).into_iter().flatten() {
            let mut word = OsString::from(format!("--{long}="));
            word.push(value);
            all.push(word);
        }
    }
    all
}

fn wrong_user(error: &Error, entry: &Entry) -> Wrong {
    Wrong {
        message: error.to_string(),
        hint: error.hint_text().unwrap_or_default().to_owned(),
        at: entry.at,
        shown: None,
    }
}

/// Parses the value alone, so that an error refers to its position.
fn refuse_bad_values(up: &Command, words: &[String], entry: &Entry) -> Result<(), Wrong> {
    let mut trial = vec!["up".to_owned()];
    trial.extend_from_slice(words);
    let Err(refused) = up.clone().try_get_matches_from(trial) else {
        return Ok(());
    };
    let text = refused.render().to_string();
    let first = text.lines().next().unwrap_or_default();
    let cause = std::error::Error::source(&refused);
    let known = cause.and_then(|cause| cause.downcast_ref::<Error>());
    Err(Wrong {
        message: known.map_or_else(
            || first.trim_start_matches("error: ").to_owned(),
            ToString::to_string,
        ),
        hint: known.and_then(Error::hint_text).map_or_else(
            || format!("See `--{}` in `rcup up --help`.", entry.key.replace('_', "-")),
            str::to_owned,
        ),
        at: entry.at,
        shown: is_open(entry).then_some(entry.end),
    })
}

fn first_word(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

fn nearest(up: &Command, key: &str) -> String {
    let mut alike: Vec<(f64, &str)> = allowed(up)
        .filter_map(clap::Arg::get_long)
        .map(|long| (strsim::jaro_winkler(&key.replace('_', "-"), long), long))
        .filter(|(likeness, _)| *likeness > 0.8)
        .collect();
    alike.sort_by(|one, other| other.0.total_cmp(&one.0));
    match alike.first() {
        Some((_, name)) => format!("Did you mean `{name}`?"),
        None => "Keys are the flags of `rcup up` without the dashes.".to_owned(),
    }
}

/// Inserts the file's arguments directly after the command's name, so that flags on the command line override
/// them.
fn insert(mut arguments: Vec<OsString>, added: Vec<OsString>, own: &ArgMatches) -> Vec<OsString> {
    let end = arguments
        .iter()
        .position(|argument| argument == "--")
        .unwrap_or(arguments.len());
    // Insert directives and users before those of the command line, because later ones win.
    let of_command_line = |name: &&str| own.value_source(name) == Some(ValueSource::CommandLine);
    let joined: Vec<String> = ["set", "users", "node_image", "node_memory", "node_set"]
        .iter()
        .zip(JOINED)
        .filter(|(id, _)| own.try_contains_id(id).is_ok() && of_command_line(id))
        .map(|(_, long)| format!("--{long}"))
        .collect();
    let first_flag = arguments[..end]
        .iter()
        .position(|argument| {
            joined
                .iter()
                .any(|flag| argument.to_string_lossy().starts_with(flag.as_str()))
        })
        .unwrap_or(end);
    arguments.splice(first_flag..first_flag, added);
    arguments
}

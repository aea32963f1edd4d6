//! `rcup config`: shows the nodes' configuration, and creates rcup.toml.

use std::io::Write as _;

use owo_colors::OwoColorize as _;
use serde::Serialize;

use crate::cli::args::config::{ConfigVerb, Init, Show};
use crate::cli::config::entry::Source;
use crate::cli::config::keys::schema;
use crate::cli::config::layers::Given;
use crate::cli::config::template::TEMPLATE;
use crate::cli::executor::{engine, wait};
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::table::Table;
use crate::cli::terminal::{Terminal, columns, json};
use crate::cluster::handle::Cluster;
use crate::error::{Error, ErrorKind};
use crate::server::conf::setting::{Origin, Setting};
use crate::server::conf::settings::effective::settings;
use crate::spec::cluster::ClusterSpec;
use crate::spec::directives::lookup::canonical;
use crate::spec::service_user::ServiceUser;
use crate::spec::user::{DEFAULT_USER, Login, User};
use crate::topology::layout::{Node, Role, Topology};
use crate::topology::offline::without_engine;

pub fn run(verb: ConfigVerb, given: &Given, terminal: &Terminal) -> Outcome {
    match verb {
        ConfigVerb::Show(args) => show(*args, given, terminal),
        ConfigVerb::Init(args) => init(&args, terminal),
        ConfigVerb::Schema => {
            let command = <crate::cli::args::Cli as clap::CommandFactory>::command();
            let up = command
                .find_subcommand("up")
                .ok_or_else(|| Error::new(ErrorKind::Io, "there is no command `up`"))?;
            json::print(terminal, &schema(up))?;
            Ok(Exit::DONE)
        }
    }
}

/// A directive in the output.
#[derive(Serialize)]
struct Line {
    name: String,
    value: String,
    /// `default`, `profile`, `fitted`, `file`, `environment` or `flag`.
    origin: &'static str,
    /// Whether it is a per-node override.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    own: bool,
    why: String,
}

impl Line {
    /// Converts a setting of node `index`, or of all nodes; `nodes` lists all nodes and whether they are
    /// masters.
    fn new(setting: Setting, given: &Given, (index, nodes): (usize, &[(usize, bool)])) -> Self {
        let asked = match setting.origin {
            Origin::Node => given.node(index, canonical(&setting.name), nodes),
            Origin::User => given.directive(&setting.name),
            _ => setting.request.and_then(|request| given.source(request)),
        };
        let origin = match (asked, setting.origin) {
            (Some(Source::Flag), _) | (None, Origin::User | Origin::Node) => "flag",
            (Some(Source::Environment), _) => "environment",
            (Some(Source::File), _) => "file",
            (None, Origin::Profile) => "profile",
            (None, Origin::Fitted) => "fitted",
            (None, _) => "default",
        };
        Self {
            name: setting.name.into_owned(),
            value: setting.value,
            origin,
            own: setting.origin == Origin::Node,
            why: setting.why.into_owned(),
        }
    }
}

/// A user in the output.
#[derive(Serialize)]
struct ShownUser {
    name: String,
    /// Authentication: `password` or `none`.
    login: &'static str,
    rules: String,
    /// `default`, `profile`, `file`, `environment` or `flag`.
    origin: &'static str,
    why: String,
}

/// Returns all users of every node, with the origin of their rules.
fn users(topology: &Topology, given: &Given) -> Vec<ShownUser> {
    let spec = &topology.spec;
    if !spec.guards() {
        return Vec::new();
    }
    let asked = |name: &str| match given.user(name) {
        Some(Source::File) => "file",
        Some(Source::Environment) => "environment",
        _ => "flag",
    };
    let profile = spec.profile();
    let (origin, why) = if spec.users().iter().any(User::is_default) {
        (asked(DEFAULT_USER), "Set by a flag.".to_owned())
    } else if profile.disabled_commands().is_empty() {
        ("default", "Used when the client names no user.".to_owned())
    } else {
        let why =
            format!("Used when the client names no user. Profile {profile} denies it dangerous commands.");
        ("profile", why)
    };
    let mut all = vec![ShownUser {
        name: DEFAULT_USER.to_owned(),
        login: if spec.password().is_some() {
            "password"
        } else {
            "none"
        },
        rules: spec.default_rules(),
        origin,
        why,
    }];
    all.extend(ServiceUser::ALL.map(|user| ShownUser {
        name: user.name().to_owned(),
        login: "password",
        rules: user.rules(&topology.servers()),
        origin: "default",
        why: user.why().to_owned(),
    }));
    let others = spec.users().iter().filter(|user| !user.is_default());
    all.extend(others.map(|user| ShownUser {
        name: user.name().to_owned(),
        login: if *user.login() == Login::Open {
            "none"
        } else {
            "password"
        },
        rules: user.rules().to_owned(),
        origin: asked(user.name()),
        why: "Set by a flag.".to_owned(),
    }));
    all
}

/// A node and its differences from the others.
#[derive(Serialize)]
struct Own {
    index: usize,
    name: String,
    role: Role,
    /// The server and the image, if they differ from the cluster's.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// Origin of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    image_origin: Option<&'static str>,
    directives: Vec<Line>,
}

/// JSON output.
#[derive(Serialize)]
struct Shown {
    name: String,
    profile: &'static str,
    server: String,
    image: String,
    file: Option<String>,
    /// Directives common to the selected nodes.
    common: Vec<Line>,
    nodes: Vec<Own>,
    /// Empty without access restrictions.
    users: Vec<ShownUser>,
}

fn show(args: Show, given: &Given, terminal: &Terminal) -> Outcome {
    let spec = args.spec.build(args.name)?;
    let topology = topology(&spec, terminal)?;
    let all: Vec<(usize, bool)> = topology
        .nodes
        .iter()
        .map(|node| (node.index, node.role == Role::Master))
        .collect();
    let chosen = args.node.choose(&all)?;
    let nodes: Vec<(&Node, Vec<Setting>)> = chosen
        .into_iter()
        .filter_map(|index| topology.node(index))
        .map(|node| (node, settings(&topology, node)))
        .collect();
    let first = nodes.first().map_or(1, |(node, _)| node.index);
    let (common, own) = apart(nodes);
    let shown = Shown {
        name: spec.name().to_string(),
        profile: spec.profile().as_str(),
        server: topology.placement.image.server.to_string(),
        image: topology.placement.image.reference.clone(),
        file: given.file.clone(),
        common: common
            .into_iter()
            .map(|setting| Line::new(setting, given, (first, &all)))
            .collect(),
        users: users(&topology, given),
        nodes: own
            .into_iter()
            .map(|(node, settings)| {
                let image = topology.placement.images.get(&node.index);
                Own {
                    index: node.index,
                    name: node.name.clone(),
                    role: node.role,
                    server: image.map(|image| image.server.to_string()),
                    image: image.map(|image| image.reference.clone()),
                    image_origin: image.map(|_| word(given.node(node.index, "image", &all))),
                    directives: settings
                        .into_iter()
                        .map(|setting| Line::new(setting, given, (node.index, &all)))
                        .collect(),
                }
            })
            .collect(),
    };
    if terminal.is_json() {
        json::print(terminal, &shown)?;
    } else {
        human(&shown, terminal)?;
    }
    Ok(Exit::DONE)
}

/// Returns the name of the origin of a value that was set.
fn word(source: Option<Source>) -> &'static str {
    match source {
        Some(Source::File) => "file",
        Some(Source::Environment) => "environment",
        Some(Source::Flag) | None => "flag",
    }
}

/// Returns the planned topology. The container engine is not used if the specification names the server.
fn topology(spec: &ClusterSpec, terminal: &Terminal) -> Result<Topology, crate::cli::exit::Failure> {
    if (spec.image().is_some() || spec.engine_version().is_some())
        && let Ok(place) = without_engine(spec, cfg!(target_os = "linux"))
    {
        let place = crate::topology::layout::Placement {
            machine: crate::doctor::gather::this_machine::this_machine(),
            ..place
        };
        place.check(spec)?;
        return Ok(Topology::new(spec, &place)?);
    }
    let mut found = None;
    wait(async {
        found = Some(Cluster::lay_out(&engine(terminal).await?, spec, &crate::event::Silent).await?);
        Ok(Exit::DONE)
    })?;
    found.ok_or(crate::cli::exit::Failure::ReaderGone)
}

/// Splits directives into those common to all nodes and those of each node.
fn apart(nodes: Vec<(&Node, Vec<Setting>)>) -> (Vec<Setting>, Vec<(&Node, Vec<Setting>)>) {
    let shared: Vec<Setting> = match nodes.as_slice() {
        [] | [_] => Vec::new(),
        [(_, first), others @ ..] => first
            .iter()
            .filter(|setting| others.iter().all(|(_, settings)| settings.contains(setting)))
            .cloned()
            .collect(),
    };
    let own = nodes
        .into_iter()
        .map(|(node, mut settings)| {
            settings.retain(|setting| !shared.contains(setting));
            (node, settings)
        })
        .collect();
    (shared, own)
}

fn human(shown: &Shown, terminal: &Terminal) -> Result<(), crate::cli::exit::Failure> {
    let mut out = terminal.out();
    writeln!(
        out,
        "cluster {}, profile {}, {} from image {}{}",
        shown.name.bold(),
        shown.profile,
        shown.server,
        shown.image,
        shown
            .file
            .as_ref()
            .map_or_else(String::new, |file| format!(", with {file}"))
    )?;
    if !shown.common.is_empty() {
        writeln!(out, "\n{}", "every node".bold())?;
        out.write_all(table(&shown.common).render(columns()).as_bytes())?;
    }
    for node in &shown.nodes {
        let server = match (&node.server, &node.image, node.image_origin) {
            (Some(server), Some(image), Some(origin)) => {
                format!(", {server} from image {image}, by {origin}")
            }
            _ => String::new(),
        };
        writeln!(out, "\n{} ({}{server})", node.name.bold(), node.role)?;
        out.write_all(table(&node.directives).render(columns()).as_bytes())?;
    }
    if !shown.users.is_empty() {
        writeln!(out, "\n{}", "users".bold())?;
        for user in &shown.users {
            writeln!(
                out,
                "{} (login: {}, from: {}) {}\n    {}",
                user.name, user.login, user.origin, user.why, user.rules
            )?;
        }
    }
    Ok(())
}

fn table(lines: &[Line]) -> Table {
    let mut table = Table::new(&["DIRECTIVE", "VALUE", "FROM", "WHY"]).flexible(3);
    for line in lines {
        table.row([
            line.name.clone().into(),
            line.value.clone().into(),
            if line.own {
                format!("{} (node)", line.origin).into()
            } else {
                line.origin.to_owned().into()
            },
            line.why.clone().into(),
        ]);
    }
    table
}

fn init(args: &Init, terminal: &Terminal) -> Outcome {
    let path = args.out.display();
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    if args.force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let written = options
        .open(&args.out)
        .and_then(|mut file| file.write_all(TEMPLATE.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::new(ErrorKind::Io, format!("{path} already exists"))
            .hint("Replace it with --force, or choose another file with -o."),
        _ => Error::new(ErrorKind::Io, format!("cannot write {path}")).because(error),
    })?;
    if terminal.is_json() {
        json::print(terminal, &serde_json::json!({ "file": args.out }))?;
    } else {
        terminal.say(&format!(
            "wrote {path}: uncomment what you need, then `rcup config show`"
        ));
    }
    Ok(Exit::DONE)
}

//! The flags of `rcup export`.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand, parser::ValueSource};
use ipnet::Ipv4Net;

use crate::cli::args::spec::Spec;
use crate::error::{Error, ErrorKind};
use crate::spec::name::ClusterName;

/// In which format, and what belongs to it.
#[derive(Debug, Subcommand)]
pub enum ExportVerb {
    /// A docker-compose.yml of the same cluster, which needs no rcup
    #[command(
        after_help = "With a NAME and no cluster flags, the running cluster is written down; else the flags are, and no \
                      engine is asked.\n\nExamples:\n  rcup export compose orders > docker-compose.yml\n  \
                      rcup export compose --masters 5 --image redis:8.0 -o docker-compose.yml\n  \
                      docker compose up -d --wait"
    )]
    Compose(Export),
    /// The redis.conf and nodes.conf of every node
    #[command(
        after_help = "With a NAME and no cluster flags, the running cluster is written down; else the flags are, and no \
                      engine is asked.\n\nExamples:\n  rcup export conf orders -o orders-conf\n  \
                      rcup export conf --masters 5 --image redis:8.0 -o conf"
    )]
    Conf(Export),
    /// A directory for kustomize: stateful sets, services, disruption budgets, and a job that forms the cluster
    #[command(
        after_help = "Valid by the API's schemas, and its scripts are proven in containers; not yet run on a Kubernetes.\n\n\
                      Examples:\n  \
                      rcup export kubernetes --masters 3 --image valkey/valkey:8.1 --password -o kubernetes\n  \
                      kubectl apply -k kubernetes"
    )]
    Kubernetes {
        #[command(flatten)]
        export: Export,
        /// Add an exporter of metrics to each pod, and an object by which the operator of Prometheus finds it
        #[arg(long, help_heading = "Export", display_order = 0)]
        service_monitor: bool,
    },
    /// A stack for `docker stack deploy`: an overlay network, a service for each node
    #[command(after_help = "Proven on a swarm of one machine.\n\nExamples:\n  \
                      rcup export swarm --masters 3 --image redis:8.0 --machines a,b,c -o stack.yml\n  \
                      docker stack deploy -c stack.yml orders")]
    Swarm {
        #[command(flatten)]
        export: Export,
        /// Host names of the swarm's machines, to which the nodes are pinned, replicas off their master's
        #[arg(
            long,
            value_name = "NAME,NAME",
            value_delimiter = ',',
            help_heading = "Export",
            display_order = 0
        )]
        machines: Vec<String>,
    },
    /// A directory with a deploy.sh that brings the cluster up on machines over SSH
    #[command(
        after_help = "The machines' packages bring the server; the image's version does not matter. Data is kept by an \
                      append-only file unless --set says otherwise. With --tls, certs/ holds the nodes' certificates; another \
                      export into the same directory keeps them as long as they name every machine, and deploy.sh \
                      brings others without restarting a node.\n\nExamples:\n  \
                      rcup export bare-metal orders --hosts 10.0.0.1,10.0.0.2,10.0.0.3 --masters 3 -o deploy\n  \
                      deploy/deploy.sh --user admin\n  deploy/deploy.sh --check"
    )]
    BareMetal {
        #[command(flatten)]
        export: Export,
        /// Addresses of the machines, separated by commas
        #[arg(
            long,
            value_name = "IP,IP",
            value_delimiter = ',',
            required = true,
            value_parser = host,
            help_heading = "Export",
            display_order = 0
        )]
        hosts: Vec<Ipv4Addr>,
        /// Networks from which clients come, for the firewall rules
        #[arg(
            long,
            value_name = "CIDR,CIDR",
            value_delimiter = ',',
            default_values = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
            help_heading = "Export",
            display_order = 0
        )]
        clients: Vec<Ipv4Net>,
    },
}

fn host(text: &str) -> Result<Ipv4Addr, Error> {
    text.parse().map_err(|_| {
        Error::new(ErrorKind::Usage, format!("`{text}` is not an IPv4 address"))
            .hint("Nodes tell each other addresses, not names: `--hosts 10.0.0.1,10.0.0.2`.")
    })
}

impl ExportVerb {
    /// The format's name.
    pub fn format(&self) -> &'static str {
        match self {
            Self::Compose(_) => "compose",
            Self::Conf(_) => "conf",
            Self::Kubernetes { .. } => "kubernetes",
            Self::Swarm { .. } => "swarm",
            Self::BareMetal { .. } => "bare-metal",
        }
    }

    /// What it shares with the other formats.
    pub fn export(&self) -> &Export {
        match self {
            Self::Compose(export)
            | Self::Conf(export)
            | Self::Kubernetes { export, .. }
            | Self::Swarm { export, .. }
            | Self::BareMetal { export, .. } => export,
        }
    }
}

/// What every format takes.
#[derive(Args, Debug)]
pub struct Export {
    /// Name of the cluster
    pub name: Option<ClusterName>,
    #[command(flatten)]
    pub wanted: Wanted,
    /// File, or directory for formats of several files [default: standard output, for one file]
    #[arg(
        short = 'o',
        long = "out",
        value_name = "PATH",
        help_heading = "Export",
        display_order = 0
    )]
    pub out: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long, help_heading = "Export", display_order = 0)]
    pub force: bool,
}

/// The cluster's flags, and whether any of them stood on the command line.
#[derive(Debug)]
pub struct Wanted {
    pub spec: Spec,
    pub given: bool,
}

impl FromArgMatches for Wanted {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = Spec::augment_args(Command::new("spec"));
        let given = flags
            .get_arguments()
            .any(|flag| matches.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine));
        Ok(Self {
            spec: Spec::from_arg_matches(matches)?,
            given,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Wanted {
    fn augment_args(command: Command) -> Command {
        Spec::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Spec::augment_args_for_update(command)
    }
}

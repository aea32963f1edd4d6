//! Flags of `rcup export`.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand, parser::ValueSource};
use ipnet::Ipv4Net;

use crate::cli::args::spec::Spec;
use crate::error::{Error, ErrorKind};
use crate::spec::name::ClusterName;

/// Export formats and their flags.
#[derive(Debug, Subcommand)]
pub enum ExportVerb {
    /// Export a docker-compose.yml that runs without rcup
    #[command(
        after_help = "With a NAME and no cluster flags, exports the running cluster; otherwise exports the flags and \
                      needs no container engine.\n\nExamples:\n  rcup export compose orders > docker-compose.yml\n  \
                      rcup export compose --masters 5 --image redis:8.0 -o docker-compose.yml\n  \
                      docker compose up -d --wait"
    )]
    Compose(Export),
    /// Export the redis.conf and nodes.conf of every node
    #[command(
        after_help = "With a NAME and no cluster flags, exports the running cluster; otherwise exports the flags and \
                      needs no container engine.\n\nExamples:\n  rcup export conf orders -o orders-conf\n  \
                      rcup export conf --masters 5 --image redis:8.0 -o conf"
    )]
    Conf(Export),
    /// Export a kustomize directory: StatefulSets, Services, PodDisruptionBudgets and a Job that forms the cluster
    #[command(
        after_help = "Needs at least 1 + replicas Kubernetes nodes, because no two pods of a shard run on one node. Tested on \
                      Kubernetes 1.33 with three nodes on one machine.\n\n\
                      Examples:\n  \
                      rcup export kubernetes --masters 3 --image valkey/valkey:8.1 --password -o kubernetes\n  \
                      kubectl apply -k kubernetes"
    )]
    Kubernetes {
        #[command(flatten)]
        export: Export,
        /// Add a metrics exporter to each pod and a ServiceMonitor; needs the Prometheus Operator
        #[arg(long, help_heading = "Export", display_order = 0)]
        service_monitor: bool,
    },
    /// Export a stack for `docker stack deploy`: an overlay network and one service per node
    #[command(after_help = "Tested on a single-machine swarm.\n\nExamples:\n  \
                      rcup export swarm --masters 3 --image redis:8.0 --machines a,b,c -o stack.yml\n  \
                      docker stack deploy -c stack.yml orders")]
    Swarm {
        #[command(flatten)]
        export: Export,
        /// Host names of the swarm machines to pin the nodes to; replicas run on other machines than their master
        #[arg(
            long,
            value_name = "NAME,NAME",
            value_delimiter = ',',
            help_heading = "Export",
            display_order = 0
        )]
        machines: Vec<String>,
    },
    /// Export a directory with a deploy.sh that deploys the cluster to machines over SSH
    #[command(
        after_help = "The server is installed from the machines' packages; the image's version is not used. Data is kept in an \
                      append-only file unless --set overrides it. With --tls, certs/ holds the nodes' certificates; another \
                      export to the same directory keeps them while they list every machine, and deploy.sh \
                      installs new ones without restarting a node.\n\nExamples:\n  \
                      rcup export bare-metal orders --hosts 10.0.0.1,10.0.0.2,10.0.0.3 --masters 3 -o deploy\n  \
                      deploy/deploy.sh --user admin\n  deploy/deploy.sh --check"
    )]
    BareMetal {
        #[command(flatten)]
        export: Export,
        /// IP addresses of the machines, separated by commas
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
        /// Client networks, for the firewall rules
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
            .hint("Nodes exchange IP addresses, not host names: `--hosts 10.0.0.1,10.0.0.2`.")
    })
}

impl ExportVerb {
    /// Returns the name of the format.
    pub fn format(&self) -> &'static str {
        match self {
            Self::Compose(_) => "compose",
            Self::Conf(_) => "conf",
            Self::Kubernetes { .. } => "kubernetes",
            Self::Swarm { .. } => "swarm",
            Self::BareMetal { .. } => "bare-metal",
        }
    }

    /// Returns the arguments shared by all formats.
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

/// Arguments of every format.
#[derive(Args, Debug)]
pub struct Export {
    /// Cluster name
    pub name: Option<ClusterName>,
    #[command(flatten)]
    pub wanted: Wanted,
    /// File to write, or a directory for formats with several files [default: standard output for a single file]
    #[arg(
        short = 'o',
        long = "out",
        value_name = "PATH",
        help_heading = "Export",
        display_order = 0
    )]
    pub out: Option<PathBuf>,
    /// Overwrite existing files
    #[arg(long, help_heading = "Export", display_order = 0)]
    pub force: bool,
}

/// Cluster flags, and whether any was given on the command line.
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

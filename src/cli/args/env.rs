//! Flags of `rcup env`.

use clap::{Args, ValueEnum};

use crate::cli::args::security::LoginAs;
use crate::export::clients::Library;
use crate::export::clients::wiring::Vantage;
use crate::spec::name::ClusterName;

#[derive(Args, Debug)]
#[command(
    after_help = "Only shell, dotenv, json and github include the password; docker and the code snippets read it from \
                  REDIS_PASSWORD.\n\nExamples:\n  eval \"$(rcup env orders)\"\n  rcup env orders --format dotenv > .env\n  \
                  docker run $(rcup env orders --format docker) my-app\n  rcup env orders --format redis-py --from \
                  network > client.py"
)]
pub struct Env {
    /// Cluster name
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "shell")]
    pub format: EnvFormat,
    /// Where the program runs: on this host, or in a container on the cluster network [default: host; network for
    /// docker]
    #[arg(long, value_name = "WHERE")]
    pub from: Option<Where>,
    /// Print the credentials of this user
    #[arg(long, value_name = "USER", default_value = "default")]
    pub user: LoginAs,
}

impl Env {
    /// Returns where the program runs.
    pub fn vantage(&self) -> Vantage {
        match (self.from, self.format) {
            (Some(Where::Network), _) | (None, EnvFormat::Docker) => Vantage::Network,
            _ => Vantage::Host,
        }
    }

    /// Returns the value of `--from`.
    pub fn standing(&self) -> &'static str {
        match self.vantage() {
            Vantage::Network => "network",
            _ => "host",
        }
    }
}

/// [`Vantage`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Where {
    /// On this host
    Host,
    /// In a container on the cluster's network
    Network,
}

/// Output formats of `rcup env`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EnvFormat {
    /// `export` lines for `eval` in a POSIX shell
    Shell,
    /// Lines for a .env file
    Dotenv,
    /// One JSON object
    Json,
    /// Lines appended to the file in `GITHUB_ENV` (printed if unset), with the password masked in the log
    Github,
    /// Flags of `docker run` for a program on the cluster's network
    Docker,
    /// Python, redis-py
    RedisPy,
    /// Rust, the crate redis
    RedisRs,
    /// JavaScript, ioredis
    Ioredis,
    /// JavaScript, redis
    NodeRedis,
    /// Go, go-redis
    GoRedis,
    /// Java, Jedis
    Jedis,
    /// Java, Lettuce
    Lettuce,
    /// C#, StackExchange.Redis
    StackexchangeRedis,
    /// Java, an application.yml of Spring Boot
    Spring,
}

impl EnvFormat {
    /// Returns the client library, if the format is code.
    pub fn library(self) -> Option<Library> {
        Some(match self {
            Self::Shell | Self::Dotenv | Self::Json | Self::Github | Self::Docker => return None,
            Self::RedisPy => Library::RedisPy,
            Self::RedisRs => Library::RedisRs,
            Self::Ioredis => Library::IoRedis,
            Self::NodeRedis => Library::NodeRedis,
            Self::GoRedis => Library::GoRedis,
            Self::Jedis => Library::Jedis,
            Self::Lettuce => Library::Lettuce,
            Self::StackexchangeRedis => Library::StackExchangeRedis,
            Self::Spring => Library::Spring,
        })
    }

    /// Returns the value of `--format`.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_without_format_is_found() {
        let forms: Vec<Library> = EnvFormat::value_variants()
            .iter()
            .filter_map(|form| form.library())
            .collect();
        assert_eq!(forms, Library::ALL);
    }
}

//! Flags of `rcup validate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::checks::catalogue::Suite;
use crate::checks::latency::judge::Threshold;
use crate::cli::args::spec::duration;
use crate::error::{Error, ErrorKind};
use crate::spec::name::ClusterName;

#[derive(Args, Debug)]
#[command(
    after_help = "Exits with 0 if no check fails, else with 3. `--suite full` stops masters temporarily to \
                        measure failovers, and asks first.\n\nExamples:\n  rcup validate orders\n  rcup validate orders \
                        --output json | jq .passed\n  rcup validate orders --suite full --yes --repeat 3 --report html=orders.html\n  \
                        rcup validate --endpoint 10.0.0.7:6379,10.0.0.8:6379 --password-env REDIS_PASSWORD\n  rcup validate orders --only \
                        latency --latency-threshold p99=2ms --watch 10s"
)]
pub struct Validate {
    /// Cluster name
    #[arg(default_value = "default")]
    pub name: ClusterName,
    #[command(flatten)]
    pub foreign: Foreign,
    #[command(flatten)]
    pub choice: Choice,
    /// Run N rounds and report the worst result of each check
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// Repeat until Ctrl-C, waiting this long between rounds
    #[arg(
        long,
        value_name = "INTERVAL",
        value_parser = duration,
        num_args = 0..=1,
        default_missing_value = "5s",
        conflicts_with = "repeat"
    )]
    pub watch: Option<Duration>,
    /// Write a report: `junit=FILE`, `html=FILE` or `markdown=FILE` (repeatable)
    #[arg(long, value_name = "FORMAT=FILE", value_parser = report)]
    pub report: Vec<Report>,
    /// Do not ask before stopping masters
    #[arg(long, short)]
    pub yes: bool,
}

/// Selection of checks.
#[derive(Args, Debug)]
#[command(next_help_heading = "Checks")]
pub struct Choice {
    /// Set of checks to run
    #[arg(long, value_name = "SUITE", value_enum, default_value = "standard")]
    pub suite: SuiteArg,
    /// Run only these checks, from any suite (`failover` selects all three failover checks)
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Skip these checks
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// Fail if node latency exceeds this: `p50`, `p90`, `p99`, `p99.9` or `max`, such as `p99=2ms`; a duration without a
    /// percentile applies to p99
    #[arg(long, value_name = "[PERCENTILE=]DURATION", value_parser = threshold)]
    pub latency_threshold: Vec<Threshold>,
}

/// A cluster that rcup did not start.
#[derive(Args, Debug)]
#[command(next_help_heading = "A cluster that rcup did not start")]
pub struct Foreign {
    /// Validate the cluster of this node; give several (A,B) if some may be unreachable or do not know each other. Nothing
    /// is written to the cluster without --write
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        conflicts_with = "name"
    )]
    pub endpoint: Vec<String>,
    #[command(flatten)]
    pub entry: Entry,
    /// Also run checks that write; they use their own keys, with a TTL
    #[arg(long, requires = "endpoint")]
    pub write: bool,
}

/// Credentials for a cluster that rcup did not start.
#[derive(Args, Debug)]
pub struct Entry {
    /// Environment variable that holds the password
    #[arg(long, value_name = "VARIABLE", requires = "endpoint")]
    pub password_env: Option<String>,
    /// ACL user
    #[arg(long, value_name = "USER", requires = "password_env")]
    pub username: Option<String>,
    /// Connect with TLS; trusts the system's CA certificates unless --tls-ca is given
    #[arg(long, requires = "endpoint")]
    pub tls: bool,
    /// Connect with TLS and trust only this CA certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "endpoint")]
    pub tls_ca: Option<PathBuf>,
}

/// [`Suite`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SuiteArg {
    /// The readiness checks of `up`; takes milliseconds
    Smoke,
    /// All checks that neither disturb nor load the cluster; takes about a second
    Standard,
    /// Also failovers, a migrating slot and load
    Full,
}

impl From<SuiteArg> for Suite {
    fn from(arg: SuiteArg) -> Self {
        match arg {
            SuiteArg::Smoke => Self::Smoke,
            SuiteArg::Standard => Self::Standard,
            SuiteArg::Full => Self::Full,
        }
    }
}

/// A report to write.
#[derive(Clone, Debug)]
pub struct Report {
    /// The format.
    pub form: ReportForm,
    /// The file.
    pub file: PathBuf,
}

/// Format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportForm {
    Junit,
    Html,
    Markdown,
}

fn report(text: &str) -> Result<Report, Error> {
    let wrong = || {
        Error::new(ErrorKind::Usage, format!("`{text}` is not a report")).hint(
            "Pass a format and a file, such as `--report html=report.html`. Formats: junit, html, markdown.",
        )
    };
    let (form, file) = text.split_once('=').ok_or_else(wrong)?;
    let form = match form {
        "junit" => ReportForm::Junit,
        "html" => ReportForm::Html,
        "markdown" => ReportForm::Markdown,
        _ => return Err(wrong()),
    };
    if file.is_empty() {
        return Err(wrong());
    }
    Ok(Report {
        form,
        file: file.into(),
    })
}

fn threshold(text: &str) -> Result<Threshold, Error> {
    let (name, value) = text.split_once('=').unwrap_or(("p99", text));
    let percentile = name.parse().map_err(|()| {
        Error::new(ErrorKind::Usage, format!("`{name}` is not a measured percentile"))
            .hint("Use p50, p90, p99, p99.9 or max.")
    })?;
    Ok(Threshold {
        percentile,
        most: duration(value)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threshold_without_percentile_is_p99() {
        let parsed = threshold("max=3ms").unwrap();
        assert_eq!(
            (parsed.percentile.as_str(), parsed.most),
            ("max", Duration::from_millis(3))
        );
        assert_eq!(threshold("2ms").unwrap().percentile.as_str(), "p99");
        assert_eq!(threshold("p42=2ms").unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(threshold("p99=soon").unwrap_err().kind(), ErrorKind::Usage);
    }

    #[test]
    fn report_needs_format_and_file() {
        let parsed = report("html=a=b.html").unwrap();
        assert_eq!(
            (parsed.form, parsed.file),
            (ReportForm::Html, PathBuf::from("a=b.html"))
        );
        for wrong in ["html", "pdf=x", "html="] {
            assert_eq!(report(wrong).unwrap_err().kind(), ErrorKind::Usage, "{wrong}");
        }
    }
}

//! The flags of `rcup validate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::checks::latency::judge::Threshold;
use crate::checks::suite::catalogue::Suite;
use crate::cli::args::spec::duration;
use crate::error::{Error, ErrorKind};
use crate::spec::name::ClusterName;

#[derive(Args, Debug)]
#[command(
    after_help = "Exits with 0 when no check fails, else with 3. `--suite full` takes masters away for a while, \
                        measures the failovers, and asks first.\n\nExamples:\n  rcup validate orders\n  rcup validate orders \
                        --output json | jq .passed\n  rcup validate orders --suite full --yes --repeat 3 --report html=orders.html\n  \
                        rcup validate --endpoint 10.0.0.7:6379,10.0.0.8:6379 --password-env REDIS_PASSWORD\n  rcup validate orders --only \
                        latency --latency-threshold p99=2ms --watch 10s"
)]
pub struct Validate {
    /// Name of the cluster
    #[arg(default_value = "default")]
    pub name: ClusterName,
    #[command(flatten)]
    pub foreign: Foreign,
    #[command(flatten)]
    pub choice: Choice,
    /// Make so many rounds, and judge each check by its worst
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// Begin again and again, so long after the end of the round before, until Ctrl-C
    #[arg(
        long,
        value_name = "INTERVAL",
        value_parser = duration,
        num_args = 0..=1,
        default_missing_value = "5s",
        conflicts_with = "repeat"
    )]
    pub watch: Option<Duration>,
    /// Write a report: `junit=FILE`, `html=FILE` or `markdown=FILE`; may be given several times
    #[arg(long, value_name = "FORM=FILE", value_parser = report)]
    pub report: Vec<Report>,
    /// Do not ask before masters are taken away
    #[arg(long, short)]
    pub yes: bool,
}

/// Which checks.
#[derive(Args, Debug)]
#[command(next_help_heading = "Checks")]
pub struct Choice {
    /// How much is looked at
    #[arg(long, value_name = "SUITE", value_enum, default_value = "standard")]
    pub suite: SuiteArg,
    /// Only these checks, of whichever suite (`failover` means all three of them)
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Never these checks
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// Fail where nodes answer more slowly, or not at all: `p50`, `p90`, `p99`, `p99.9` or `max`, such as
    /// `p99=2ms`; a duration alone means p99
    #[arg(long, value_name = "[PERCENTILE=]DURATION", value_parser = threshold)]
    pub latency_threshold: Vec<Threshold>,
}

/// A cluster that rcup did not start.
#[derive(Args, Debug)]
#[command(next_help_heading = "A cluster that rcup did not start")]
pub struct Foreign {
    /// Validate the cluster of which this is a node; several (A,B) where not all of them may answer or know each other.
    /// Nothing is written to it without --write
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        conflicts_with = "name"
    )]
    pub endpoint: Vec<String>,
    #[command(flatten)]
    pub entry: Entry,
    /// Make the checks that write, too: keys of their own, with a time to live
    #[arg(long, requires = "endpoint")]
    pub write: bool,
}

/// How a cluster is entered that rcup did not start.
#[derive(Args, Debug)]
pub struct Entry {
    /// The environment variable that holds the password
    #[arg(long, value_name = "VARIABLE", requires = "endpoint")]
    pub password_env: Option<String>,
    /// The ACL user
    #[arg(long, value_name = "USER", requires = "password_env")]
    pub username: Option<String>,
    /// Speak TLS, with the authorities that this machine trusts unless --tls-ca names one
    #[arg(long, requires = "endpoint")]
    pub tls: bool,
    /// Speak TLS, and trust this authority alone (PEM)
    #[arg(long, value_name = "FILE", requires = "endpoint")]
    pub tls_ca: Option<PathBuf>,
}

/// [`Suite`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SuiteArg {
    /// What `up` proves: some milliseconds
    Smoke,
    /// All that neither disturbs nor loads the cluster: about a second
    Standard,
    /// Failovers, a half-migrated slot and load as well
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
    /// In which form.
    pub form: ReportForm,
    /// Where to.
    pub file: PathBuf,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportForm {
    Junit,
    Html,
    Markdown,
}

fn report(text: &str) -> Result<Report, Error> {
    let wrong = || {
        Error::new(ErrorKind::Usage, format!("`{text}` is not a report"))
            .hint("Give a form and a file, such as `--report html=report.html`; the forms are junit, html and markdown.")
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
        Error::new(
            ErrorKind::Usage,
            format!("`{name}` is not a percentile that is measured"),
        )
        .hint("They are p50, p90, p99, p99.9 and max.")
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
    fn thresholds_name_a_percentile_or_mean_the_99th() {
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
    fn a_report_names_its_form_and_its_file() {
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

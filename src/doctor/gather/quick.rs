//! Checks during a start: reads a few small kernel files in less than 0.1 ms.

use crate::doctor::fix::Seat;
use crate::doctor::gather::kernel::kernel_here;
use crate::doctor::judge::judge_kernel;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::spec::profile::Profile;

/// Prints one warning for each setting that does not meet the profile.
///
/// # Errors
/// [`ErrorKind::Host`] instead of the warnings when `strict`.
pub(crate) fn look(profile: Profile, strict: bool, observer: &dyn Observer) -> Result<()> {
    let findings = judge_kernel(profile, &kernel_here(), &Seat::Here);
    let lines = findings.iter().map(|finding| match &finding.fix {
        Some(fix) => format!("{}; to fix it: {fix}", finding.line()),
        None => finding.line(),
    });
    if strict && !findings.is_empty() {
        return Err(Error::new(
            ErrorKind::Host,
            format!("this host does not meet the requirements of profile {profile}"),
        )
        .details(lines)
        .hint(format!(
            "Run `rcup doctor --profile {profile}`, with --fix to fix what it can, or omit --strict."
        )));
    }
    for line in lines {
        observer.observe(&Event::warning(line));
    }
    Ok(())
}

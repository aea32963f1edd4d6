//! What a start looks at: a few small files of the kernel, for less than a tenth of a millisecond.

use crate::doctor::fix::Seat;
use crate::doctor::gather::kernel::kernel_here;
use crate::doctor::judge::judge_kernel;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::spec::profile::Profile;

/// Warns of what is not as the profile wants it, a line each.
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

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
        Some(fix) => format!("{}; to mend it: {fix}", finding.line()),
        None => finding.line(),
    });
    if strict && !findings.is_empty() {
        return Err(Error::new(
            ErrorKind::Host,
            format!("this host is not as profile {profile} wants it"),
        )
        .details(lines)
        .hint(format!(
            "See `rcup doctor --profile {profile}`, which also mends it with --fix, or leave out --strict."
        )));
    }
    for line in lines {
        observer.observe(&Event::warning(line));
    }
    Ok(())
}

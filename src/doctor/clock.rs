//! Checks that the clocks agree and that a time sync service runs.

use crate::doctor::expected::by;
use crate::doctor::facts::ClockFacts;
use crate::doctor::finding::{Diagnosis, Finding, Severity};
use crate::spec::profile::Profile;

/// Clock difference in milliseconds from which the TTLs of keys expire noticeably early or late.
const NOTICEABLE_MS: u64 = 1000;

/// Adds the clock findings.
pub(crate) fn judge(profile: Profile, facts: &ClockFacts, diagnosis: &mut Diagnosis) {
    diagnosis.of("clock", &facts.ahead, |(ahead, exact)| {
        // Ignore a difference within the measurement error.
        let off = ahead.unsigned_abs().saturating_sub(*exact);
        let severity = if off < NOTICEABLE_MS {
            Severity::Ok
        } else {
            by(profile, Severity::Warn, Severity::Warn, Severity::Fail)
        };
        let found = match ahead {
            0.. => format!("the Docker host's clock is {ahead} ms ahead of this machine's (± {exact} ms)"),
            _ => format!(
                "the Docker host's clock is {} ms behind this machine's (± {exact} ms)",
                -ahead
            ),
        };
        Finding::new("clock", severity, found, "less than 1 s difference")
            .why(
                "key expiry and log order depend on the server's clock; virtual machines fall behind when \
                 a laptop sleeps",
                "rcup",
            )
            .advise(
                "Restart the container engine's virtual machine, or set its clock: sudo chronyc \
                makestep",
                None,
            )
    });
    diagnosis.of("clock-keeper", &facts.keeper, |keeper| {
        let (severity, found) = match keeper {
            Some(keeper) => (Severity::Ok, keeper.clone()),
            None => (
                by(profile, Severity::Ok, Severity::Warn, Severity::Warn),
                "no time sync service found".to_owned(),
            ),
        };
        Finding::new(
            "clock-keeper",
            severity,
            found,
            by(profile, "any", "an NTP service", "an NTP service"),
        )
        .why("an unsynchronized clock drifts by seconds per week", "rcup")
        .advise(
            "sudo timedatectl set-ntp true",
            Some("sudo apt-get install chrony && sudo systemctl enable --now chrony".to_owned()),
        )
    });
}

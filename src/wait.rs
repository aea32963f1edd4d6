//! Waits for a condition with a deadline; a timeout error contains the last observation.
//! No other module sleeps.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};

/// The result of an attempt.
pub(crate) enum Seen<T> {
    /// The condition holds.
    Done(T),
    /// The condition does not hold yet, for this reason.
    NotYet(String),
}

/// Repeats `attempt` every `pace` until its condition holds.
///
/// # Errors
/// Any error of `attempt`, immediately; [`ErrorKind::Timeout`] with the last observation when the deadline
/// passes. `what` completes the sentence "timed out waiting until".
pub(crate) async fn until<T, F>(
    what: &str,
    deadline: Instant,
    pace: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<Seen<T>>>,
{
    let mut last = String::from("no result yet");
    loop {
        match tokio::time::timeout_at(deadline, attempt()).await {
            Ok(Ok(Seen::Done(value))) => return Ok(value),
            Ok(Ok(Seen::NotYet(why))) => last = why,
            Ok(Err(error)) if is_slow(&error) => last = error.to_string(),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(overdue(what, last)),
        }
        if Instant::now() + pace >= deadline {
            return Err(overdue(what, last));
        }
        tokio::time::sleep(pace).await;
    }
}

/// Returns whether a server did not respond in time. On a busy host it may respond later, so only the
/// deadline ends the wait.
fn is_slow(error: &Error) -> bool {
    error.kind() == ErrorKind::Redis && error.causes().iter().any(|cause| cause == "timed out")
}

fn overdue(what: &str, last: String) -> Error {
    Error::new(ErrorKind::Timeout, format!("timed out waiting until {what}"))
        .because(last)
        .hint("Raise --timeout, or keep the nodes with --keep-on-failure and read `rcup logs`.")
}

/// Sleeps before the next poll of the container engine.
pub(crate) async fn between_looks() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// Returns the poll interval for a cluster of `nodes` nodes. Every poll makes each server print its whole
/// node table, so large clusters are polled less often.
pub(crate) fn pace(nodes: usize) -> Duration {
    Duration::from_millis(u64::try_from(nodes / 2).unwrap_or(u64::MAX).clamp(4, 50))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_observation_is_told() {
        let mut count = 0;
        let error = until(
            "it rains",
            Instant::now() + Duration::from_secs(1),
            Duration::from_millis(100),
            || {
                count += 1;
                let seen = format!("sun {count}");
                async move { Ok(Seen::<()>::NotYet(seen)) }
            },
        )
        .await
        .unwrap_err();
        assert_eq!(error.to_string(), "timed out waiting until it rains");
        assert_eq!(error.causes(), ["sun 10"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_hangs_does_not_outlive_the_deadline() {
        let begun = Instant::now();
        let result: Result<()> = until(
            "it ends",
            begun + Duration::from_secs(1),
            Duration::from_millis(1),
            || async {
                std::future::pending::<()>().await;
                Ok(Seen::Done(()))
            },
        )
        .await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Timeout);
        assert!(begun.elapsed() < Duration::from_millis(1100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_server_is_asked_again() {
        let mut asked = 0;
        let deadline = Instant::now() + Duration::from_mins(1);
        let answer = until("it answers", deadline, Duration::from_millis(10), || {
            asked += 1;
            let slow = asked < 3;
            async move {
                let error = Error::new(ErrorKind::Redis, "CLUSTER NODES failed").because("timed out");
                if slow { Err(error) } else { Ok(Seen::Done(7)) }
            }
        });
        assert_eq!(answer.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn an_error_ends_the_wait() {
        let deadline = Instant::now() + Duration::from_mins(1);
        let result: Result<()> = until("never", deadline, Duration::from_mins(1), || async {
            Err(Error::new(ErrorKind::NodeFailed, "dead"))
        })
        .await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::NodeFailed);
    }
}

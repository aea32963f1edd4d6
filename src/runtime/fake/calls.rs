//! Calls of a fake container engine, and how a test makes them fail, hang, or take effect late.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::error::ErrorKind;

/// A recorded call, such as `create_container rcup-a-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The name of the method of [`crate::runtime::interface::Runtime`].
    pub name: &'static str,
    /// The object of the call.
    pub on: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.on)
    }
}

/// Controls a call that hangs.
#[derive(Clone, Debug, Default)]
pub struct Stall {
    pub(crate) reached: CancellationToken,
    pub(crate) released: CancellationToken,
    pub(crate) failure: Arc<Mutex<Option<ErrorKind>>>,
}

impl Stall {
    /// Returns when the call has been made and hangs.
    pub async fn reached(&self) {
        self.reached.cancelled().await;
    }

    /// Continues the call.
    pub fn release(&self) {
        self.released.cancel();
    }

    /// Fails the call.
    pub fn fail(&self, kind: ErrorKind) {
        *held(&self.failure) = Some(kind);
        self.released.cancel();
    }
}

#[derive(Clone)]
pub(crate) enum Trouble {
    /// The call fails and has no effect.
    Failure(ErrorKind),
    /// The call hangs. If it is dropped, it still takes effect after
    /// this number of observations; never when `None`.
    Stall(Stall, Option<usize>),
}

pub(crate) struct Injection {
    pub(crate) call: &'static str,
    pub(crate) nth: RangeInclusive<usize>,
    pub(crate) trouble: Trouble,
}

impl Injection {
    pub(crate) fn hits(&self, name: &str, nth: usize) -> Option<Trouble> {
        (self.call == name && self.nth.contains(&nth)).then(|| self.trouble.clone())
    }
}

/// Locks a mutex. A poisoned lock is still usable.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

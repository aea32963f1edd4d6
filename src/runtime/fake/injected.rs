//! Injected faults: calls that fail, hang, or take effect after their caller has stopped waiting.

use std::ops::RangeInclusive;

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::fake::Fake;
use crate::runtime::fake::calls::{Injection, Stall, Trouble, held};
use crate::runtime::fake::engine::State;

impl Fake {
    /// Makes the `nth` call of that name fail without an effect.
    pub fn fail_at(&self, call: &'static str, nth: usize, kind: ErrorKind) {
        self.inject(call, nth..=nth, Trouble::Failure(kind));
    }

    /// Makes all further calls of that name fail, until [`Fake::recover`].
    pub fn fail_always(&self, call: &'static str, kind: ErrorKind) {
        self.inject(call, 1..=usize::MAX, Trouble::Failure(kind));
    }

    /// Makes the `nth` call of that name hang before it has an effect. If it is dropped, it never has one.
    pub fn stall_at(&self, call: &'static str, nth: usize) -> Stall {
        let stall = Stall::default();
        self.inject(call, nth..=nth, Trouble::Stall(stall.clone(), None));
        stall
    }

    /// Makes the `nth` call of that name hang. If it is dropped, it still takes effect: immediately, or after
    /// `looks` more observations.
    pub fn late_at(&self, call: &'static str, nth: usize, looks: usize) -> Stall {
        let stall = Stall::default();
        self.inject(call, nth..=nth, Trouble::Stall(stall.clone(), Some(looks)));
        stall
    }

    /// Clears all injected faults.
    pub fn recover(&self) {
        held(&self.state).injections.clear();
    }

    /// Injects a fault. `nth` counts from the next call, starting at 1.
    fn inject(&self, call: &'static str, nth: RangeInclusive<usize>, trouble: Trouble) {
        let mut state = held(&self.state);
        let before = state.count(call);
        let nth = nth.start().saturating_add(before)..=nth.end().saturating_add(before);
        state.injections.push(Injection { call, nth, trouble });
    }

    /// Executes a call: records it, yields, and applies its effect. A call that is dropped earlier still takes
    /// effect, unless a fault is injected.
    pub(crate) async fn call<T: Send>(
        &self,
        name: &'static str,
        on: &str,
        effect: impl FnOnce(&mut State) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let trouble = held(&self.state).enter(name, on);
        let mut open = Open {
            engine: self,
            late: match &trouble {
                None => Some(0),
                Some(Trouble::Failure(_)) => None,
                Some(Trouble::Stall(_, late)) => *late,
            },
            effect: Some(effect),
        };
        tokio::task::yield_now().await;
        let failure = match trouble {
            None => None,
            Some(Trouble::Failure(kind)) => Some(kind),
            Some(Trouble::Stall(stall, _)) => {
                stall.reached.cancel();
                stall.released.cancelled().await;
                *held(&stall.failure)
            }
        };
        let outcome = match (failure, open.effect.take()) {
            (None, Some(effect)) => effect(&mut held(&self.state)),
            (kind, _) => Err(Error::new(
                kind.unwrap_or(ErrorKind::Engine),
                format!("cannot {name} {on}: injected by the test"),
            )),
        };
        tokio::task::yield_now().await;
        outcome
    }
}

/// A call that has not taken effect yet.
struct Open<'a, T, F: FnOnce(&mut State) -> Result<T> + Send + 'static> {
    engine: &'a Fake,
    late: Option<usize>,
    effect: Option<F>,
}

impl<T, F: FnOnce(&mut State) -> Result<T> + Send + 'static> Drop for Open<'_, T, F> {
    fn drop(&mut self) {
        if let (Some(looks), Some(effect)) = (self.late, self.effect.take()) {
            let mut state = held(&self.engine.state);
            state.late.push((looks, Box::new(|state| drop(effect(state)))));
            state.catch_up(0);
        }
    }
}

//! Samples and their statistics.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// Samples of one size by name; times in seconds.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    all: BTreeMap<String, Vec<f64>>,
}

impl Samples {
    /// Adds a time.
    pub fn time(&mut self, what: &str, took: Duration) {
        self.add(what, took.as_secs_f64());
    }

    /// Adds a value.
    pub fn add(&mut self, what: &str, value: f64) {
        self.all.entry(what.to_owned()).or_default().push(value);
    }

    /// Copies the samples to another name.
    pub fn copy(&mut self, what: &str, to: &str) {
        if let Some(samples) = self.all.get(what).cloned() {
            self.all.insert(to.to_owned(), samples);
        }
    }

    /// Returns the median, if there is a sample.
    pub fn median(&self, what: &str) -> Option<f64> {
        median(self.all.get(what)?)
    }

    /// Returns the minimum, if there is a sample.
    pub fn least(&self, what: &str) -> Option<f64> {
        self.all.get(what)?.iter().copied().min_by(f64::total_cmp)
    }

    /// Returns the maximum, if there is a sample.
    pub fn greatest(&self, what: &str) -> Option<f64> {
        self.all.get(what)?.iter().copied().max_by(f64::total_cmp)
    }

    /// Returns the ratio of two medians.
    pub fn ratio(&self, one: &str, other: &str) -> Option<f64> {
        Some(self.median(one)? / self.median(other)?)
    }

    /// Returns the names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }

    /// Returns all samples as JSON, in the order in which they were taken.
    pub fn json(&self) -> Value {
        let each = self.all.iter().map(|(what, samples)| {
            let sum = json!({ "median": median(samples), "min": self.least(what), "samples": samples });
            (what.clone(), sum)
        });
        Value::Object(each.collect())
    }
}

/// Returns the middle value, or the mean of the two middle values.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(upper, sorted[middle - 1]))
}

//! Object counts: every object in is an object out, a rejection, or a private object dropped at read time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts of one object type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// Objects read.
    #[serde(rename = "in")]
    pub input: u64,
    /// Objects kept, in a table of their own or a generic one.
    #[serde(rename = "out")]
    pub output: u64,
    /// Objects refused, each listed with its reason.
    pub rejected: u64,
    /// Objects of personal data, dropped before they were parsed.
    pub dropped_private: u64,
}

impl Count {
    /// True while in = out + rejected + dropped.
    pub fn balances(&self) -> bool {
        self.input == self.output + self.rejected + self.dropped_private
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.input += other.input;
        self.output += other.output;
        self.rejected += other.rejected;
        self.dropped_private += other.dropped_private;
    }
}

/// Counts by object type (the element's local name).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Counts(pub BTreeMap<String, Count>);

impl Counts {
    /// The counts of one type, made when missing.
    pub fn of(&mut self, object_type: &str) -> &mut Count {
        if !self.0.contains_key(object_type) {
            self.0.insert(object_type.to_owned(), Count::default());
        }
        self.0.entry(object_type.to_owned()).or_default()
    }
    /// Counts one object kept.
    pub fn kept(&mut self, object_type: &str) {
        let count = self.of(object_type);
        count.input += 1;
        count.output += 1;
    }
    /// Counts one object rejected.
    pub fn rejected(&mut self, object_type: &str) {
        let count = self.of(object_type);
        count.input += 1;
        count.rejected += 1;
    }
    /// Counts one object of personal data dropped.
    pub fn dropped_private(&mut self, object_type: &str) {
        let count = self.of(object_type);
        count.input += 1;
        count.dropped_private += 1;
    }
    /// Adds the counts of another unit.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.of(name) += *count;
        }
    }
    /// The sum over all types.
    pub fn total(&self) -> Count {
        let mut total = Count::default();
        for count in self.0.values() {
            total += *count;
        }
        total
    }
}

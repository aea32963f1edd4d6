//! Hash slots: their distribution among masters, and the slot of a key.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of hash slots in every Redis Cluster.
pub const SLOTS: u16 = 16384;

/// An inclusive range of slots. In JSON, it is the pair `[first, last]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(u16, u16)", into = "(u16, u16)")]
pub struct SlotRange {
    /// The first slot.
    pub first: u16,
    /// The last slot.
    pub last: u16,
}

impl SlotRange {
    /// Creates a range from its first and last slot.
    pub const fn new(first: u16, last: u16) -> Self {
        Self { first, last }
    }

    /// Returns the number of slots in the range.
    pub fn len(self) -> usize {
        usize::from(self.last.saturating_sub(self.first)) + 1
    }

    /// Always returns `false`: a range contains at least one slot.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Returns whether the range contains `slot`.
    pub fn contains(self, slot: u16) -> bool {
        (self.first..=self.last).contains(&slot)
    }
}

impl From<(u16, u16)> for SlotRange {
    fn from((first, last): (u16, u16)) -> Self {
        Self { first, last }
    }
}

impl From<SlotRange> for (u16, u16) {
    fn from(range: SlotRange) -> Self {
        (range.first, range.last)
    }
}

impl fmt::Display for SlotRange {
    /// Writes the range as in `nodes.conf`: `0-5460`, or `7` for a single slot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// Splits the slots among `masters` masters exactly as `redis-cli --cluster create` does, so that clusters
/// have the familiar slot ranges. `redis-cli` uses a single-precision cursor and rounds half away from zero.
/// The same arithmetic gives the same ranges.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the values lie between 0 and 16384, and redis-cli's own rounding is reproduced"
)]
pub fn split(masters: usize) -> Vec<SlotRange> {
    let per_node = f32::from(SLOTS) / masters as f32;
    let mut cursor = 0_f32;
    let mut first = 0_u16;
    (1..=masters)
        .map(|nth| {
            let rounded = (cursor + per_node - 1.0).round().clamp(0.0, f32::from(SLOTS - 1)) as u16;
            let last = if nth == masters {
                SLOTS - 1
            } else {
                rounded.max(first)
            };
            let range = SlotRange::new(first, last);
            first = last.saturating_add(1);
            cursor += per_node;
            range
        })
        .collect()
}

/// Returns the slot of `key`: CRC16 (XMODEM) of its hash tag, or of the whole key if it has no hash tag,
/// modulo 16384 (Redis Cluster specification, "Hash tags").
pub fn slot_of(key: &[u8]) -> u16 {
    let tagged = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    crc16::State::<crc16::XMODEM>::calculate(tagged.unwrap_or(key)) % SLOTS
}

/// Returns the smallest whole number that, used as a hash tag, maps a key to a slot in `range`.
pub fn tag_in(range: SlotRange) -> u64 {
    // Every slot has a tag among the first 150,000 numbers or so. The bound ends the search if `range` is
    // invalid.
    (0..1_000_000)
        .find(|n: &u64| range.contains(slot_of(n.to_string().as_bytes())))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_masters_get_the_borders_everyone_knows() {
        let split: Vec<String> = split(3).iter().map(ToString::to_string).collect();
        assert_eq!(split, ["0-5460", "5461-10922", "10923-16383"]);
    }

    #[test]
    fn keys_fall_where_redis_puts_them() {
        // From the Redis Cluster specification and its documentation of CLUSTER KEYSLOT.
        assert_eq!(slot_of(b"123456789"), 0x31C3);
        assert_eq!(slot_of(b"somekey"), 11058);
        assert_eq!(slot_of(b"foo{hash_tag}"), 2515);
        assert_eq!(slot_of(b"bar{hash_tag}"), 2515);
        assert_eq!(
            slot_of(b"foo{}{bar}"),
            crc16::State::<crc16::XMODEM>::calculate(b"foo{}{bar}") % SLOTS
        );
    }

    proptest! {
        #[test]
        fn every_slot_has_exactly_one_master(masters in 1_usize..=1000) {
            let ranges = split(masters);
            prop_assert_eq!(ranges.len(), masters);
            prop_assert_eq!(ranges[0].first, 0);
            prop_assert_eq!(ranges[masters - 1].last, SLOTS - 1);
            for pair in ranges.windows(2) {
                prop_assert_eq!(pair[0].last + 1, pair[1].first);
            }
            let sizes: Vec<usize> = ranges.iter().map(|range| range.len()).collect();
            let spread = sizes.iter().max().unwrap() - sizes.iter().min().unwrap();
            prop_assert!(spread <= 2, "{spread}");
        }

        #[test]
        fn a_tag_lies_in_its_range(slot in 0_u16..SLOTS) {
            let range = SlotRange::new(slot, slot);
            prop_assert_eq!(slot_of(format!("rcup:{{{}}}", tag_in(range)).as_bytes()), slot);
        }
    }
}

//! Sets of integers, as intervals.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A set of integers, kept as the fewest inclusive intervals, in order.
///
/// Every operation costs what the operands have in intervals, not in members.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// No members.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Exactly these members.
    pub fn from_values(values: impl IntoIterator<Item = u64>) -> Self {
        values.into_iter().map(|value| (value, value)).collect()
    }

    /// The fewest inclusive intervals, in order; no two touch.
    pub fn intervals(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of members; saturates.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum: u64, (first, last)| sum.saturating_add((last - first).saturating_add(1)))
    }

    /// Every member, in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// The member number `index` in order, from 0. Costs the number of intervals.
    pub fn nth(&self, index: u64) -> Option<u64> {
        let mut left = index;
        for (first, last) in &self.0 {
            if left <= last - first {
                return Some(first + left);
            }
            left -= last - first;
            left -= 1;
        }
        None
    }

    /// Whether `value` is a member.
    pub fn contains(&self, value: u64) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= value);
        after > 0 && value <= self.0[after - 1].1
    }

    /// Whether every member of `other` is one of this.
    pub fn contains_all(&self, other: &Self) -> bool {
        other.0.iter().all(|(first, last)| {
            let after = self.0.partition_point(|(begin, _)| begin <= first);
            after > 0 && *last <= self.0[after - 1].1
        })
    }

    /// Members of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).copied().collect()
    }

    /// Members of this that are not in `other`.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        let mut left = Vec::with_capacity(self.0.len() + other.0.len());
        let mut holes = other.0.iter().copied().peekable();
        for (first, last) in &self.0 {
            let mut begin = Some(*first);
            while let Some((hole_first, hole_last)) = holes.peek().copied() {
                let Some(from) = begin else { break };
                if hole_last < from {
                    holes.next();
                    continue;
                }
                if hole_first > *last {
                    break;
                }
                if hole_first > from {
                    left.push((from, hole_first - 1));
                }
                begin = hole_last.checked_add(1).filter(|next| next <= last);
                if begin.is_some() {
                    holes.next();
                }
            }
            if let Some(from) = begin {
                left.push((from, *last));
            }
        }
        Self(left)
    }

    /// Members of both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        self.subtract(&self.subtract(other))
    }
}

impl FromIterator<(u64, u64)> for Ranges {
    /// From inclusive intervals in any order, overlapping or not; one that ends before it begins has no members.
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(intervals: I) -> Self {
        let mut intervals: Vec<(u64, u64)> = intervals.into_iter().filter(|(first, last)| first <= last).collect();
        intervals.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(intervals.len());
        for (first, last) in intervals {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                Some(_) | None => merged.push((first, last)),
            }
        }
        Self(merged)
    }
}

impl From<Vec<(u64, u64)>> for Ranges {
    fn from(intervals: Vec<(u64, u64)>) -> Self {
        intervals.into_iter().collect()
    }
}

impl From<Ranges> for Vec<(u64, u64)> {
    fn from(ranges: Ranges) -> Self {
        ranges.0
    }
}

impl fmt::Display for Ranges {
    /// `[31000-31005,31007-31007]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{first}-{last}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn ranges(intervals: &[(u64, u64)]) -> Ranges {
        intervals.iter().copied().collect()
    }

    #[test]
    fn intervals_are_merged_when_they_touch_or_overlap() {
        assert_eq!(ranges(&[(5, 9), (1, 4), (8, 12), (20, 19)]).intervals(), [(1, 12)]);
        assert_eq!(ranges(&[(1, 2), (4, 5)]).intervals(), [(1, 2), (4, 5)]);
        assert_eq!(ranges(&[(0, u64::MAX), (u64::MAX, u64::MAX)]).count(), u64::MAX);
    }

    #[test]
    fn the_ends_of_the_number_line_are_no_special_place() {
        let all = ranges(&[(0, u64::MAX)]);
        assert_eq!(all.subtract(&ranges(&[(0, 0), (u64::MAX, u64::MAX)])).intervals(), [(1, u64::MAX - 1)]);
        assert!(all.subtract(&all).is_empty());
        assert_eq!(all.nth(7), Some(7));
    }

    #[test]
    fn ranges_print_as_mesos_prints_them() {
        assert_eq!(ranges(&[(31000, 31005), (31007, 31007)]).to_string(), "[31000-31005,31007-31007]");
        assert_eq!(Ranges::new().to_string(), "[]");
    }

    fn any_ranges() -> impl Strategy<Value = (Ranges, BTreeSet<u64>)> {
        proptest::collection::vec((0..60u64, 0..8u64), 0..12).prop_map(|pairs| {
            let intervals: Vec<(u64, u64)> = pairs.into_iter().map(|(first, length)| (first, first + length)).collect();
            let members = intervals.iter().flat_map(|(first, last)| *first..=*last).collect();
            (intervals.into_iter().collect(), members)
        })
    }

    proptest! {
        #[test]
        fn ranges_behave_as_the_sets_that_they_stand_for((a, set_a) in any_ranges(), (b, set_b) in any_ranges()) {
            prop_assert_eq!(a.iter().collect::<BTreeSet<_>>(), set_a.clone());
            prop_assert_eq!(a.count(), set_a.len() as u64);
            prop_assert_eq!(a.union(&b), Ranges::from_values(set_a.union(&set_b).copied()));
            prop_assert_eq!(a.subtract(&b), Ranges::from_values(set_a.difference(&set_b).copied()));
            prop_assert_eq!(a.intersect(&b), Ranges::from_values(set_a.intersection(&set_b).copied()));
            prop_assert_eq!(a.contains_all(&b), set_a.is_superset(&set_b));
            for value in 0..70 {
                prop_assert_eq!(a.contains(value), set_a.contains(&value));
            }
            for (index, member) in set_a.iter().enumerate() {
                prop_assert_eq!(a.nth(index as u64), Some(*member));
            }
            prop_assert_eq!(a.nth(set_a.len() as u64), None);
        }
    }
}

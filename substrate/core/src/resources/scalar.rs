//! Amounts to three decimals.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in thousandths of its unit, so that sums are exact.
///
/// Mesos compares scalars to three decimals and rounds half away from zero (Mesos documentation, "Scalar resources").
/// Serialized as the integer number of thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scalar(i64);

impl Scalar {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount that is accepted in texts: 10¹² units, so that no sum of what a cluster has can overflow.
    pub const LARGEST: Self = Self(1_000_000_000_000_000);

    /// So many thousandths.
    pub const fn from_thousandths(thousandths: i64) -> Self {
        Self(thousandths)
    }

    /// So many whole units; saturates.
    pub const fn from_units(units: i64) -> Self {
        Self(units.saturating_mul(1000))
    }

    /// The nearest thousandth, halves away from zero; saturates, and takes what is no number for zero.
    pub fn from_f64(value: f64) -> Self {
        Self((value * 1000.0).round() as i64)
    }

    /// Number of thousandths.
    pub const fn as_thousandths(self) -> i64 {
        self.0
    }

    /// For wire forms and ratios; never for sums.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Whether this is exactly nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, unless it cannot be represented.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, unless it cannot be represented. May be negative.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The sum, at most the largest representable.
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, within what can be represented. May be negative.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Scalar {
    /// The shortest decimal: `4`, `0.1`, `-1.025`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (self.0.unsigned_abs() / 1000, self.0.unsigned_abs() % 1000);
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        let decimals = format!("{rest:03}");
        write!(f, "{sign}{whole}.{}", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_is_rounded_to_the_nearest_thousandth_and_halves_away_from_zero() {
        for (value, thousandths) in [
            (0.0, 0),
            (0.1, 100),
            (0.0005, 1),
            (-0.0005, -1),
            (0.00049, 0),
            (1.0004, 1000),
            (4.0, 4000),
            (f64::NAN, 0),
            (f64::INFINITY, i64::MAX),
        ] {
            assert_eq!(Scalar::from_f64(value).as_thousandths(), thousandths, "{value}");
        }
    }

    #[test]
    fn a_scalar_prints_without_needless_zeros() {
        for (thousandths, text) in [
            (0, "0"),
            (1, "0.001"),
            (10, "0.01"),
            (100, "0.1"),
            (1000, "1"),
            (10_240_000, "10240"),
            (-1_025, "-1.025"),
            (-500, "-0.5"),
        ] {
            assert_eq!(Scalar::from_thousandths(thousandths).to_string(), text);
        }
    }

    #[test]
    fn ten_times_a_tenth_is_one() {
        let mut sum = Scalar::ZERO;
        for _ in 0..10 {
            sum = sum.saturating_add(Scalar::from_f64(0.1));
        }
        assert_eq!(sum, Scalar::from_units(1));
        assert_eq!(Scalar::from_thousandths(i64::MAX).checked_add(sum), None);
        assert_eq!(Scalar::from_thousandths(i64::MIN).checked_sub(sum), None);
    }
}

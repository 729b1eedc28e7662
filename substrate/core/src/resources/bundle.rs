//! Collections of amounts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{Ranges, Scalar};

/// What an amount is of, and whom it is kept for. Amounts of different kinds are never added up or traded for each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kind {
    /// `cpus`, `mem`, `disk`, `gpus`, `ports` or any other.
    pub name: Arc<str>,
    /// The role that an operator reserved it for when the agent was started; `None`: anybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Arc<str>>,
}

impl Kind {
    /// Of anybody's.
    pub fn unreserved(name: &str) -> Self {
        Self { name: name.into(), role: None }
    }

    /// Kept for `role`.
    pub fn reserved(name: &str, role: &str) -> Self {
        Self { name: name.into(), role: Some(role.into()) }
    }
}

/// An amount of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantity {
    /// Some of what is counted.
    Scalar(Scalar),
    /// Some of what is numbered.
    Ranges(Ranges),
    /// Some of what is named.
    Set(BTreeSet<String>),
}

impl Quantity {
    fn is_nothing(&self) -> bool {
        match self {
            Self::Scalar(scalar) => *scalar <= Scalar::ZERO,
            Self::Ranges(ranges) => ranges.is_empty(),
            Self::Set(set) => set.is_empty(),
        }
    }
}

/// What an agent has, an offer lends or a task uses. Holds no empty and no negative amount.
///
/// Scalars, ranges and sets of one name do not meet: each has a place of its own.
/// Serialized as a list, because its keys are not texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Entry>", into = "Vec<Entry>")]
pub struct Resources {
    scalars: BTreeMap<Kind, Scalar>,
    ranges: BTreeMap<Kind, Ranges>,
    sets: BTreeMap<Kind, BTreeSet<String>>,
}

/// One amount of a collection, as it is serialized.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    kind: Kind,
    #[serde(flatten)]
    quantity: Quantity,
}

/// More was asked for than there is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not enough: {missing} is missing")]
pub struct Insufficient {
    /// What would have to be there in addition.
    pub missing: Resources,
}

impl Resources {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// With so much more of an unreserved scalar; zero and less add nothing.
    #[must_use]
    pub fn with_scalar(self, name: &str, amount: Scalar) -> Self {
        self.with(Kind::unreserved(name), Quantity::Scalar(amount))
    }

    /// With these unreserved `ports` besides.
    #[must_use]
    pub fn with_ports(self, ports: Ranges) -> Self {
        self.with(Kind::unreserved("ports"), Quantity::Ranges(ports))
    }

    /// With any amount besides; empty and negative ones add nothing.
    #[must_use]
    pub fn with(mut self, kind: Kind, quantity: Quantity) -> Self {
        self.insert(kind, quantity);
        self
    }

    /// Adds any amount; empty and negative ones add nothing.
    pub fn insert(&mut self, kind: Kind, quantity: Quantity) {
        if quantity.is_nothing() {
            return;
        }
        match quantity {
            Quantity::Scalar(scalar) => {
                let sum = self.scalars.entry(kind).or_default();
                *sum = sum.saturating_add(scalar);
            }
            Quantity::Ranges(ranges) => {
                let union = self.ranges.entry(kind).or_default();
                *union = union.union(&ranges);
            }
            Quantity::Set(set) => self.sets.entry(kind).or_default().extend(set),
        }
    }

    /// How much of a scalar, over all reservations.
    pub fn scalar(&self, name: &str) -> Scalar {
        self.scalars
            .iter()
            .filter(|(kind, _)| &*kind.name == name)
            .fold(Scalar::ZERO, |sum, (_, scalar)| sum.saturating_add(*scalar))
    }

    /// Every port, over all reservations.
    pub fn ports(&self) -> Ranges {
        self.ranges("ports")
    }

    /// Every number under this name, over all reservations.
    pub fn ranges(&self, name: &str) -> Ranges {
        self.ranges
            .iter()
            .filter(|(kind, _)| &*kind.name == name)
            .flat_map(|(_, ranges)| ranges.intervals().iter().copied())
            .collect()
    }

    /// Every text under this name, over all reservations.
    pub fn set(&self, name: &str) -> BTreeSet<String> {
        let of_name = self.sets.iter().filter(|(kind, _)| &*kind.name == name);
        of_name.flat_map(|(_, set)| set.iter().cloned()).collect()
    }

    /// Every name of which there is some, once, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let kinds = self.scalars.keys().chain(self.ranges.keys()).chain(self.sets.keys());
        kinds.map(|kind| &*kind.name).collect::<BTreeSet<_>>().into_iter()
    }

    /// Every scalar with its kind, in order.
    pub fn scalars(&self) -> impl Iterator<Item = (&Kind, Scalar)> {
        self.scalars.iter().map(|(kind, scalar)| (kind, *scalar))
    }

    /// Every amount with its kind: scalars, then ranges, then sets, each in order.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, Quantity)> + '_ {
        let scalars = self.scalars.iter().map(|(kind, scalar)| (kind.clone(), Quantity::Scalar(*scalar)));
        let ranges = self.ranges.iter().map(|(kind, ranges)| (kind.clone(), Quantity::Ranges(ranges.clone())));
        let sets = self.sets.iter().map(|(kind, set)| (kind.clone(), Quantity::Set(set.clone())));
        scalars.chain(ranges).chain(sets)
    }

    /// Whether this is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.scalars.is_empty() && self.ranges.is_empty() && self.sets.is_empty()
    }

    /// The part that a framework in `role` may use: what is anybody's, what is reserved for the role, and what is reserved for
    /// one that the role lies below.
    #[must_use]
    pub fn usable_by(&self, role: &str) -> Self {
        self.filtered(|kind| match &kind.role {
            None => true,
            Some(reserved) => role == &**reserved || role.starts_with(&format!("{reserved}/")),
        })
    }

    /// The part that is anybody's.
    #[must_use]
    pub fn unreserved(&self) -> Self {
        self.filtered(|kind| kind.role.is_none())
    }

    /// Whether `other` can be taken from this, kind by kind.
    pub fn contains(&self, other: &Self) -> bool {
        let enough = |(kind, wanted): (&Kind, &Scalar)| self.scalars.get(kind).is_some_and(|had| wanted <= had);
        let numbers =
            |(kind, wanted): (&Kind, &Ranges)| self.ranges.get(kind).is_some_and(|had| had.contains_all(wanted));
        let texts =
            |(kind, wanted): (&Kind, &BTreeSet<String>)| self.sets.get(kind).is_some_and(|had| had.is_superset(wanted));
        other.scalars.iter().all(enough) && other.ranges.iter().all(numbers) && other.sets.iter().all(texts)
    }

    /// Whether a number or text of this is in `other` too: things of which there is only one.
    pub fn overlaps(&self, other: &Self) -> bool {
        let common = |(kind, numbers): (&Kind, &Ranges)| {
            self.ranges.get(kind).is_some_and(|had| !had.intersect(numbers).is_empty())
        };
        let named =
            |(kind, texts): (&Kind, &BTreeSet<String>)| self.sets.get(kind).is_some_and(|had| !had.is_disjoint(texts));
        other.ranges.iter().any(common) || other.sets.iter().any(named)
    }

    /// Adds everything of `other`. Scalars saturate; a number or text that is in both is there once.
    pub fn add(&mut self, other: &Self) {
        for (kind, scalar) in &other.scalars {
            let sum = self.scalars.entry(kind.clone()).or_default();
            *sum = sum.saturating_add(*scalar);
        }
        for (kind, ranges) in &other.ranges {
            let union = self.ranges.entry(kind.clone()).or_default();
            *union = union.union(ranges);
        }
        for (kind, set) in &other.sets {
            self.sets.entry(kind.clone()).or_default().extend(set.iter().cloned());
        }
    }

    /// This and `other` together; see [`Resources::add`].
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.add(other);
        sum
    }

    /// This without `other`.
    ///
    /// # Errors
    /// [`Insufficient`] if this does not [contain](Resources::contains) it.
    pub fn try_subtract(&self, other: &Self) -> Result<Self, Insufficient> {
        if !self.contains(other) {
            return Err(Insufficient { missing: other.minus(self) });
        }
        Ok(self.minus(other))
    }

    /// What is left of this when as much of `other` as there is has been taken.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut left = self.clone();
        for (kind, scalar) in &other.scalars {
            if let Some(had) = left.scalars.get_mut(kind) {
                *had = had.saturating_sub(*scalar);
                if *had <= Scalar::ZERO {
                    left.scalars.remove(kind);
                }
            }
        }
        for (kind, ranges) in &other.ranges {
            if let Some(had) = left.ranges.get_mut(kind) {
                *had = had.subtract(ranges);
                if had.is_empty() {
                    left.ranges.remove(kind);
                }
            }
        }
        for (kind, set) in &other.sets {
            if let Some(had) = left.sets.get_mut(kind) {
                had.retain(|text| !set.contains(text));
                if had.is_empty() {
                    left.sets.remove(kind);
                }
            }
        }
        left
    }

    fn filtered(&self, keep: impl Fn(&Kind) -> bool) -> Self {
        fn part<V: Clone>(map: &BTreeMap<Kind, V>, keep: &impl Fn(&Kind) -> bool) -> BTreeMap<Kind, V> {
            let kept = map.iter().filter(|(kind, _)| keep(kind));
            kept.map(|(kind, value)| (kind.clone(), value.clone())).collect()
        }
        Self { scalars: part(&self.scalars, &keep), ranges: part(&self.ranges, &keep), sets: part(&self.sets, &keep) }
    }
}

impl From<Vec<Entry>> for Resources {
    fn from(entries: Vec<Entry>) -> Self {
        let mut resources = Self::new();
        for entry in entries {
            resources.insert(entry.kind, entry.quantity);
        }
        resources
    }
}

impl From<Resources> for Vec<Entry> {
    fn from(resources: Resources) -> Self {
        resources.iter().map(|(kind, quantity)| Entry { kind, quantity }).collect()
    }
}

impl fmt::Display for Resources {
    /// `cpus:4;disk:10240;mem:8192;ports:[31000-32000]`: the form that agents are configured with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, quantity)) in self.iter().enumerate() {
            let semicolon = if index == 0 { "" } else { ";" };
            write!(f, "{semicolon}{}", kind.name)?;
            if let Some(role) = &kind.role {
                write!(f, "({role})")?;
            }
            match quantity {
                Quantity::Scalar(scalar) => write!(f, ":{scalar}")?,
                Quantity::Ranges(ranges) => write!(f, ":{ranges}")?,
                Quantity::Set(set) => write!(f, ":{{{}}}", set.into_iter().collect::<Vec<_>>().join(","))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any collection of few kinds, so that operands meet.
    pub(crate) fn any_resources() -> impl Strategy<Value = Resources> {
        let scalar = (0..50_000i64).prop_map(|thousandths| Quantity::Scalar(Scalar::from_thousandths(thousandths)));
        let ranges = proptest::collection::vec((0..40u64, 0..6u64), 0..4)
            .prop_map(|pairs| Quantity::Ranges(pairs.into_iter().map(|(a, n)| (a, a + n)).collect()));
        let set = proptest::collection::btree_set("[a-d]", 0..3).prop_map(Quantity::Set);
        let amount = prop_oneof![
            (prop_oneof![Just("cpus"), Just("mem"), Just("slots")], scalar),
            (prop_oneof![Just("ports"), Just("slots")], ranges),
            (prop_oneof![Just("nics"), Just("slots")], set),
        ];
        let entry = (amount, proptest::option::of(Just("dev")))
            .prop_map(|((name, quantity), role)| (Kind { name: name.into(), role: role.map(Arc::from) }, quantity));
        proptest::collection::vec(entry, 0..6).prop_map(|entries| {
            entries.into_iter().fold(Resources::new(), |sum, (kind, quantity)| sum.with(kind, quantity))
        })
    }

    #[test]
    fn amounts_of_different_reservations_are_summed_for_reading_but_never_traded() {
        let scalar = |units| Quantity::Scalar(Scalar::from_units(units));
        let had =
            Resources::new().with_scalar("cpus", Scalar::from_units(1)).with(Kind::reserved("cpus", "dev"), scalar(3));
        assert_eq!(had.scalar("cpus"), Scalar::from_units(4));
        let wanted = Resources::new().with_scalar("cpus", Scalar::from_units(2));
        assert!(!had.contains(&wanted));
        assert_eq!(
            had.try_subtract(&wanted),
            Err(Insufficient { missing: Resources::new().with_scalar("cpus", Scalar::from_units(1)) })
        );
    }

    #[test]
    fn a_role_may_use_what_is_reserved_for_it_or_for_one_above_it() {
        let had: Resources = "cpus:1;cpus(eng):2;cpus(eng/dev):4;cpus(sales):8".parse().unwrap();
        for (role, usable) in [("*", 1), ("eng", 3), ("eng/dev", 7), ("eng/dev/a", 7), ("engine", 1), ("sales", 9)] {
            assert_eq!(had.usable_by(role).scalar("cpus"), Scalar::from_units(usable), "{role}");
        }
    }

    #[test]
    fn nothing_empty_is_kept() {
        let resources = Resources::new()
            .with_scalar("cpus", Scalar::ZERO)
            .with_scalar("mem", Scalar::from_units(-1))
            .with_ports(Ranges::new());
        assert!(resources.is_empty());
        assert_eq!(resources.names().count(), 0);
    }

    proptest! {
        #[test]
        fn what_was_added_can_be_taken_away_again(a in any_resources(), b in any_resources()) {
            let sum = a.plus(&b);
            prop_assert!(sum.contains(&a) && sum.contains(&b));
            let without = sum.try_subtract(&b).unwrap();
            prop_assert!(a.contains(&without), "numbers and texts in both are there once");
            if !a.overlaps(&b) {
                prop_assert_eq!(without, a);
            }
        }

        #[test]
        fn subtraction_succeeds_exactly_for_what_is_contained(a in any_resources(), b in any_resources()) {
            match a.try_subtract(&b) {
                Ok(left) => {
                    prop_assert!(a.contains(&b));
                    prop_assert_eq!(left.plus(&b), a);
                }
                Err(Insufficient { missing }) => {
                    prop_assert!(!a.contains(&b));
                    prop_assert!(!missing.is_empty());
                    prop_assert!(a.plus(&missing).contains(&b));
                }
            }
        }

        #[test]
        fn addition_has_no_order(a in any_resources(), b in any_resources(), c in any_resources()) {
            prop_assert_eq!(a.plus(&b), b.plus(&a));
            prop_assert_eq!(a.plus(&b).plus(&c), a.plus(&b.plus(&c)));
        }

        #[test]
        fn resources_survive_being_written_down(a in any_resources()) {
            let text = serde_json::to_string(&a).unwrap();
            prop_assert_eq!(serde_json::from_str::<Resources>(&text).unwrap(), a);
        }
    }
}

//! Host ports.

use std::collections::BTreeSet;

use rand_chacha::{ChaCha8Rng, rand_core::RngCore};
use substrate_core::resources::Ranges;

use crate::spec::AppSpec;

/// The ports that an app wants from the host, as needed again and again.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// For each definition the exact number, or `None` for any.
    definitions: Vec<Option<u16>>,
    /// The exact numbers. `None`: one is wanted twice, which no offer can satisfy.
    fixed: Option<Ranges>,
}

impl Wanted {
    /// Exact numbers only if the app requires its ports; otherwise they are service ports, and any host port will do.
    pub(super) fn new(spec: &AppSpec) -> Self {
        let exact = |port: u16| (spec.require_ports && port != 0).then_some(port);
        let definitions: Vec<Option<u16>> = spec.ports.iter().map(|definition| exact(definition.port)).collect();
        let numbers: BTreeSet<u16> = definitions.iter().flatten().copied().collect();
        let distinct = numbers.len() == definitions.iter().flatten().count();
        let fixed = distinct.then(|| Ranges::from_values(numbers.into_iter().map(u64::from)));
        Self { definitions, fixed }
    }

    /// Whether these ports suffice.
    pub(super) fn fits(&self, ports: &Ranges) -> bool {
        if self.definitions.is_empty() {
            return true;
        }
        self.fixed
            .as_ref()
            .is_some_and(|fixed| ports.contains_all(fixed) && ports.count() >= self.definitions.len() as u64)
    }

    /// Ports in the order of the definitions; `None` if they do not suffice.
    ///
    /// Ports that are left open are consecutive members from a random one on, so that a port that was just given back is seldom
    /// the next one given out (Marathon behaviour reference, ports).
    pub(super) fn choose(&self, ports: &Ranges, random: &mut ChaCha8Rng) -> Option<Vec<u16>> {
        if !self.fits(ports) {
            return None;
        }
        let open = ports.subtract(self.fixed.as_ref().unwrap_or(&Ranges::new()));
        let count = open.count().max(1);
        let mut index = random.next_u64() % count;
        let mut chosen = Vec::with_capacity(self.definitions.len());
        for definition in &self.definitions {
            let port = match definition {
                Some(port) => *port,
                None => {
                    let port = open.nth(index)?;
                    index = (index + 1) % count;
                    u16::try_from(port).ok()?
                }
            };
            chosen.push(port);
        }
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn wanted(definitions: &[u16], require_ports: bool) -> Wanted {
        let mut spec = crate::matching::fixtures::spec("/a");
        spec.require_ports = require_ports;
        spec.ports = definitions.iter().map(|port| crate::matching::fixtures::port(*port)).collect();
        Wanted::new(&spec)
    }

    #[test]
    fn required_ports_must_be_offered_and_others_are_any() {
        let offered: Ranges = [(80, 80), (31_000, 31_001)].into_iter().collect();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        // definitions, required => ports, if there are any
        for (definitions, require, chosen) in [
            (vec![], false, Some(vec![])),
            (vec![], true, Some(vec![])),
            (vec![80], true, Some(vec![80])),
            (vec![31_001, 80], true, Some(vec![31_001, 80])),
            (vec![81], true, None),
            (vec![80, 81], true, None),
            (vec![80, 80], true, None),
            (vec![10_000, 10_001, 10_002, 10_003], false, None),
        ] {
            let name = format!("{definitions:?} {require}");
            assert_eq!(wanted(&definitions, require).choose(&offered, &mut random), chosen, "{name}");
        }
        let mut all = wanted(&[10_000, 0, 0], false).choose(&offered, &mut random).unwrap();
        all.sort_unstable();
        assert_eq!(all, [80, 31_000, 31_001]);
        let mixed = wanted(&[0, 31_000, 0], true).choose(&offered, &mut random).unwrap();
        assert_eq!(mixed[1], 31_000);
        assert_eq!(BTreeSet::from([mixed[0], mixed[2]]), BTreeSet::from([80, 31_001]));
    }

    #[test]
    fn open_ports_follow_the_seed() {
        let offered: Ranges = [(31_000, 32_000)].into_iter().collect();
        let draw = |seed| wanted(&[0], false).choose(&offered, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
        assert_eq!(draw(7), draw(7));
        assert!((0..20).map(draw).collect::<BTreeSet<_>>().len() > 10, "hardly ever the same one");
    }

    proptest! {
        #[test]
        fn chosen_ports_are_offered_and_distinct(
            intervals in proptest::collection::vec((1..200u64, 0..9u64), 0..6),
            definitions in proptest::collection::vec(0..60u16, 0..6),
            require in any::<bool>(), seed in any::<u64>(),
        ) {
            let offered: Ranges = intervals.into_iter().map(|(first, length)| (first, first + length)).collect();
            let wanted = wanted(&definitions, require);
            let chosen = wanted.choose(&offered, &mut ChaCha8Rng::seed_from_u64(seed));
            prop_assert_eq!(chosen.is_some(), wanted.fits(&offered));
            if let Some(ports) = chosen {
                prop_assert_eq!(ports.len(), definitions.len());
                prop_assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len());
                for (port, definition) in ports.iter().zip(&definitions) {
                    prop_assert!(offered.contains(u64::from(*port)));
                    prop_assert!(!require || *definition == 0 || port == definition);
                }
            }
        }
    }
}

//! What is left of an offer while a round takes from it.

use std::sync::Arc;

use substrate_core::{
    protocol::offer::Offer,
    resources::{Kind, Quantity, Ranges, Resources, Scalar},
};

use crate::{queue::Reason, spec::Needs};

/// Scalars that an app can need, with the reason that is given when one is short. Order of the arrays in this module.
const SCALARS: [(&str, Reason); 3] =
    [("cpus", Reason::InsufficientCpus), ("mem", Reason::InsufficientMemory), ("disk", Reason::InsufficientDisk)];

/// What is left of an offer: the part of it that the role that it was made to may use.
#[derive(Clone, Debug)]
pub(super) struct Leftover {
    /// What is reserved first, then what is anybody's.
    parts: Vec<Part>,
    /// Sums of what is left in the parts.
    totals: [Scalar; SCALARS.len()],
    /// Ports that are left in any part.
    ports: Ranges,
    /// What each task took.
    taken: Vec<Resources>,
    gpus: bool,
}

#[derive(Clone, Debug)]
struct Part {
    role: Option<Arc<str>>,
    scalars: [Scalar; SCALARS.len()],
    /// All that the offer held in the beginning.
    ports: Ranges,
}

impl Leftover {
    pub(super) fn new(offer: &Offer) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for (kind, quantity) in offer.resources.usable_by(&offer.role).iter() {
            let part = match parts.iter_mut().find(|part| part.role == kind.role) {
                Some(part) => part,
                None => {
                    parts.push(Part {
                        role: kind.role.clone(),
                        scalars: [Scalar::ZERO; SCALARS.len()],
                        ports: Ranges::new(),
                    });
                    parts.last_mut().expect("just pushed")
                }
            };
            match quantity {
                Quantity::Scalar(amount) => {
                    if let Some(index) = SCALARS.iter().position(|(name, _)| *name == &*kind.name) {
                        part.scalars[index] = amount;
                    }
                }
                Quantity::Ranges(ranges) if &*kind.name == "ports" => part.ports = ranges,
                Quantity::Ranges(_) | Quantity::Set(_) => {}
            }
        }
        parts.sort_by_key(|part| part.role.is_none());
        let mut totals = [Scalar::ZERO; SCALARS.len()];
        let mut ports = Ranges::new();
        for part in &parts {
            for (total, amount) in totals.iter_mut().zip(part.scalars) {
                *total = total.saturating_add(amount);
            }
            ports = ports.union(&part.ports);
        }
        // Port 0 means "any" to everybody who binds it.
        let ports = ports.intersect(&[(1, u64::from(u16::MAX))].into_iter().collect());
        Self { parts, totals, ports, taken: Vec::new(), gpus: offer.resources.scalar("gpus") > Scalar::ZERO }
    }

    /// Whether the offer held nothing for its role from the beginning.
    pub(super) fn was_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether the offer holds GPUs, which are kept for those who want some (Marathon's `restricted` behaviour, its default).
    pub(super) fn holds_gpus(&self) -> bool {
        self.gpus
    }

    /// How many tasks took from it.
    pub(super) fn launches(&self) -> usize {
        self.taken.len()
    }

    /// Ports that are left.
    pub(super) fn ports(&self) -> &Ranges {
        &self.ports
    }

    /// The given offer, which this was made from, without what was taken.
    pub(super) fn of(&self, offer: &Offer) -> Offer {
        let mut left = offer.clone();
        for bundle in &self.taken {
            left.resources = left.resources.minus(bundle);
        }
        left
    }

    /// How many tasks with these needs would fit, ports aside. Only shrinks.
    pub(super) fn copies(&self, needs: &Needs) -> i64 {
        let mut copies = i64::MAX;
        for (need, total) in amounts(needs).into_iter().zip(self.totals) {
            if need > Scalar::ZERO {
                copies = copies.min(total.as_thousandths() / need.as_thousandths());
            }
        }
        copies
    }

    /// Every scalar of which there is too little.
    pub(super) fn shortages(&self, needs: &Needs) -> impl Iterator<Item = Reason> {
        let short = amounts(needs).into_iter().zip(self.totals).zip(SCALARS);
        short.filter(|((need, total), _)| need > total).map(|(_, (_, reason))| reason)
    }

    /// Takes what one task needs, from what is reserved first. The caller made sure that it is there.
    pub(super) fn take(&mut self, needs: &Needs, ports: &[u16]) -> Resources {
        let mut bundle = Resources::new();
        for (index, mut need) in amounts(needs).into_iter().enumerate() {
            self.totals[index] = self.totals[index].saturating_sub(need);
            assert!(self.totals[index] >= Scalar::ZERO, "more {} than is left", SCALARS[index].0);
            for part in &mut self.parts {
                let amount = need.min(part.scalars[index]);
                part.scalars[index] = part.scalars[index].saturating_sub(amount);
                need = need.saturating_sub(amount);
                bundle.insert(kind(SCALARS[index].0, &part.role), Quantity::Scalar(amount));
            }
        }
        let mut wanted = Ranges::from_values(ports.iter().copied().map(u64::from));
        self.ports = self.ports.subtract(&wanted);
        for part in &self.parts {
            let numbers = wanted.intersect(&part.ports);
            wanted = wanted.subtract(&numbers);
            bundle.insert(kind("ports", &part.role), Quantity::Ranges(numbers));
        }
        self.taken.push(bundle.clone());
        bundle
    }

    /// These were taken from another offer of the same agent.
    pub(super) fn without_ports(&mut self, ports: &[u16]) {
        self.ports = self.ports.subtract(&Ranges::from_values(ports.iter().copied().map(u64::from)));
    }
}

fn amounts(needs: &Needs) -> [Scalar; SCALARS.len()] {
    [needs.cpus, needs.mem, needs.disk]
}

fn kind(name: &str, role: &Option<Arc<str>>) -> Kind {
    Kind { name: name.into(), role: role.clone() }
}

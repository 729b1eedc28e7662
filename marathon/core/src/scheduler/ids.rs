//! New identifiers, from seeded generators: one per kind, so that one more draw of one kind does not change the others.

use marathon_time::Timestamp;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use uuid::{Builder, Uuid};

use crate::id::{DeploymentId, InstanceId, PathId};

/// Where new identifiers and choices come from. Different at every start, except in tests.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// Of instances.
    pub instances: u64,
    /// Of deployments.
    pub deployments: u64,
    /// Choice of ports, and of who is served first.
    pub ports: u64,
}

/// Milliseconds from the epoch of time-based UUIDs (15 October 1582) to the Unix epoch.
const GREGORIAN_MILLIS: i64 = 12_219_292_800_000;

#[derive(Clone, Debug)]
pub(super) struct Ids {
    instances: ChaCha8Rng,
    deployments: ChaCha8Rng,
    pub ports: ChaCha8Rng,
    /// Tells ids of one millisecond apart.
    tick: u16,
}

impl Ids {
    pub fn new(seeds: Seeds) -> Self {
        Self {
            instances: ChaCha8Rng::seed_from_u64(seeds.instances),
            deployments: ChaCha8Rng::seed_from_u64(seeds.deployments),
            ports: ChaCha8Rng::seed_from_u64(seeds.ports),
            tick: 0,
        }
    }

    pub fn deployment(&mut self) -> DeploymentId {
        let mut bytes = [0; 16];
        self.deployments.fill_bytes(&mut bytes);
        DeploymentId(Builder::from_random_bytes(bytes).into_uuid())
    }

    /// A time-based (version 1) UUID: the moment in units of 100 ns, a random clock sequence and a random node.
    pub fn instance(&mut self, spec: &PathId, now: Timestamp) -> InstanceId {
        self.tick = (self.tick + 1) % 10_000;
        let millis = now.as_millis().saturating_add(GREGORIAN_MILLIS);
        let time = millis.wrapping_mul(10_000).wrapping_add(i64::from(self.tick)) as u64;
        let mut rest = [0; 8];
        self.instances.fill_bytes(&mut rest);
        rest[0] = (rest[0] & 0x3f) | 0x80; // variant
        rest[2] |= 0x01; // a node that is no hardware address
        let high = (((time >> 48) & 0x0fff) | 0x1000) as u16;
        let uuid = Uuid::from_fields(time as u32, (time >> 32) as u16, high, &rest);
        InstanceId { spec: spec.clone(), uuid }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_ids_are_time_based_and_never_the_same() {
        let mut ids = Ids::new(Seeds { instances: 1, deployments: 2, ports: 3 });
        let spec: PathId = "/a".parse().unwrap();
        let now = Timestamp::from_millis(1_772_600_767_089);
        let made: Vec<_> = (0..10_001).map(|_| ids.instance(&spec, now)).collect();
        assert_eq!(made[0].uuid.get_version_num(), 1);
        let distinct: std::collections::BTreeSet<_> = made.iter().collect();
        assert_eq!(distinct.len(), made.len());
        assert_eq!(ids.deployment().0.get_version_num(), 4);
    }
}

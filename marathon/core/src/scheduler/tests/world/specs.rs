//! Definitions to play with.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use health_core::{Check, PortRef, Protocol};
use substrate_core::{protocol::task::Run, resources::Scalar};

use crate::{
    id::PathId,
    spec::{AppSpec, Backoff, KillSelection, Needs, PortDefinition, UnreachableStrategy, UpgradeStrategy},
};
pub(in crate::scheduler::tests) fn path(text: &str) -> PathId {
    text.parse().unwrap()
}

pub(in crate::scheduler::tests) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// `instances` of a small app with one port, one upgrade at a time allowed over, replaced as soon as they are out of reach.
pub(in crate::scheduler::tests) fn app(id: &str, instances: u32) -> AppSpec {
    AppSpec {
        id: path(id),
        run: Run::Shell("serve 1".into()),
        user: None,
        env: BTreeMap::new(),
        instances,
        resources: Needs { cpus: Scalar::from_f64(0.1), mem: Scalar::from_units(32), disk: Scalar::ZERO },
        constraints: Vec::new(),
        fetch: Vec::new(),
        ports: vec![PortDefinition { port: 0, protocol: "tcp".into(), name: None, labels: BTreeMap::new() }],
        require_ports: false,
        backoff: Backoff { initial: secs(1), factor: 1.15, max: secs(300) },
        kill_grace: None,
        dependencies: BTreeSet::new(),
        upgrade: UpgradeStrategy { minimum_health_capacity: 1.0, maximum_over_capacity: 1.0 },
        labels: BTreeMap::new(),
        health_checks: Vec::new(),
        unreachable: UnreachableStrategy::After { inactive: Duration::ZERO, expunge: Duration::ZERO },
        kill_selection: KillSelection::YoungestFirst,
    }
}

impl AppSpec {
    pub(in crate::scheduler::tests) fn depends_on(mut self, id: &str) -> Self {
        self.dependencies.insert(path(id));
        self
    }

    pub(in crate::scheduler::tests) fn runs(mut self, command: &str) -> Self {
        self.run = Run::Shell(command.into());
        self
    }

    pub(in crate::scheduler::tests) fn upgrades(mut self, min: f64, over: f64) -> Self {
        self.upgrade = UpgradeStrategy { minimum_health_capacity: min, maximum_over_capacity: over };
        self
    }

    pub(in crate::scheduler::tests) fn checked(mut self) -> Self {
        self.health_checks.push(http_check());
        self
    }

    pub(in crate::scheduler::tests) fn unreachable(mut self, inactive: u64, expunge: u64) -> Self {
        self.unreachable = UnreachableStrategy::After { inactive: secs(inactive), expunge: secs(expunge) };
        self
    }
}

pub(in crate::scheduler::tests) fn http_check() -> Check {
    Check {
        protocol: Protocol::Http { path: Some("/up".into()), port: PortRef::Index(0) },
        grace_period: secs(10),
        interval: secs(2),
        timeout: secs(1),
        delay: secs(15),
        max_consecutive_failures: 3,
        ignore_http_1xx: false,
    }
}

//! The instances of one run spec, counted by what they mean for its target, so that deciding what to do costs the number of versions
//! that are alive rather than the number of instances.

use std::collections::BTreeMap;

use marathon_time::Timestamp;

use super::{Condition, Goal, Instance};
use crate::spec::App;

/// What an instance means for the target of its spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Wants to be launched: never was, or ended.
    Waiting,
    /// Launched, not running yet.
    Starting,
    /// Runs, and is not healthy or about to be killed.
    Unready,
    /// Runs, and is healthy if it has health checks.
    Ready,
    /// Its agent cannot be reached; not replaced yet.
    Unreachable,
    /// The same, and replaced.
    Inactive,
    /// On its way out, and not gone yet.
    Ending,
}

impl Standing {
    const COUNT: usize = 7;

    /// What `instance` means; `checked`: its version has health checks.
    pub fn of(instance: &Instance, checked: bool) -> Self {
        if instance.goal != Goal::Running {
            return Self::Ending;
        }
        match instance.condition {
            Condition::Scheduled
            | Condition::Finished
            | Condition::Killed
            | Condition::Failed
            | Condition::Error
            | Condition::Gone
            | Condition::Dropped
            | Condition::Unknown => Self::Waiting,
            Condition::Provisioned | Condition::Staging | Condition::Starting => Self::Starting,
            Condition::Killing => Self::Unready,
            Condition::Running => {
                let doomed = instance.task.as_ref().is_some_and(|task| task.kill_requested_at.is_some());
                if doomed || (checked && instance.health() != Some(true)) { Self::Unready } else { Self::Ready }
            }
            Condition::Unreachable => Self::Unreachable,
            Condition::UnreachableInactive => Self::Inactive,
        }
    }
}

/// How many instances have which standing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u32; Standing::COUNT]);

impl Counts {
    /// Those of one standing.
    pub fn of(&self, standing: Standing) -> u32 {
        self.0[standing as usize]
    }

    /// All of them.
    pub fn all(&self) -> u32 {
        self.0.iter().sum()
    }

    /// Those that count towards the target: meant to run, and not given up.
    pub fn held(&self) -> u32 {
        self.all() - self.of(Standing::Inactive) - self.of(Standing::Ending)
    }

    /// Those that have a task that is believed to live, meant to run or not.
    #[cfg(test)]
    pub(crate) fn live(&self) -> u32 {
        [Standing::Starting, Standing::Unready, Standing::Ready, Standing::Ending]
            .iter()
            .map(|standing| self.of(*standing))
            .sum()
    }

    fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}

/// The instances of one run spec, counted.
#[derive(Clone, Debug, Default)]
pub struct Census {
    versions: BTreeMap<Timestamp, Edition>,
}

#[derive(Clone, Debug)]
struct Edition {
    /// `last_config_change_at` of the version.
    config: Timestamp,
    checked: bool,
    counts: Counts,
}

impl Census {
    /// Counts an instance. `app`: its version, if that is still known.
    pub fn add(&mut self, instance: &Instance, app: Option<&App>) {
        let edition = self.versions.entry(instance.version).or_insert_with(|| Edition {
            config: app.map_or(instance.version, |app| app.last_config_change_at),
            checked: app.is_some_and(|app| app.spec.has_health_checks()),
            counts: Counts::default(),
        });
        edition.counts.0[Standing::of(instance, edition.checked) as usize] += 1;
    }

    /// Takes back what [`Census::add`] counted for the same value.
    pub fn remove(&mut self, instance: &Instance) {
        let Some(edition) = self.versions.get_mut(&instance.version) else { return };
        let count = &mut edition.counts.0[Standing::of(instance, edition.checked) as usize];
        *count = count.checked_sub(1).expect("only what was counted is taken back");
        if edition.counts.all() == 0 {
            self.versions.remove(&instance.version);
        }
    }

    /// Whether nobody is left.
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// What a counted instance means.
    pub fn standing(&self, instance: &Instance) -> Standing {
        let checked = self.versions.get(&instance.version).is_some_and(|edition| edition.checked);
        Standing::of(instance, checked)
    }

    /// Whether a counted instance has this configuration.
    pub fn is_current(&self, instance: &Instance, config: Timestamp) -> bool {
        self.versions.get(&instance.version).is_some_and(|edition| edition.config == config)
    }

    /// Everybody.
    pub fn total(&self) -> Counts {
        self.sum(|_, _| true)
    }

    /// Those of one configuration, and all others.
    pub fn by_config(&self, config: Timestamp) -> (Counts, Counts) {
        (self.sum(|_, edition| edition.config == config), self.sum(|_, edition| edition.config != config))
    }

    /// Those of one version.
    pub fn of_version(&self, version: Timestamp) -> Counts {
        self.versions.get(&version).map(|edition| edition.counts).unwrap_or_default()
    }

    /// Versions that have instances, are not older than a configuration and yet have another one: it was given up for the earlier one.
    pub fn given_up_for(&self, config: Timestamp) -> impl Iterator<Item = Timestamp> {
        self.versions.range(config..).filter(move |(_, edition)| edition.config != config).map(|(version, _)| *version)
    }

    /// The versions that have instances, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = (Timestamp, &Counts)> {
        self.versions.iter().map(|(version, edition)| (*version, &edition.counts))
    }

    fn sum(&self, wanted: impl Fn(Timestamp, &Edition) -> bool) -> Counts {
        let mut sum = Counts::default();
        for (version, edition) in &self.versions {
            if wanted(*version, edition) {
                sum.add(&edition.counts);
            }
        }
        sum
    }
}

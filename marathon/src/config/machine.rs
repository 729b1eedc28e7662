//! What this machine has, as an agent offers it unless it is told otherwise.
//!
//! Source of the rules: Mesos agent, automatic resources (substrate reference, roles and resources).

use std::{fs, path::Path};

use substrate_core::resources::{Kind, Quantity, Ranges, Resources, Scalar};

/// Kept free for the machine itself, MiB of memory and of disk.
const MEM_RESERVE_MIB: u64 = 1024;
const DISK_RESERVE_MIB: u64 = 5 * 1024;
/// What is assumed where nothing can be found out, MiB.
const MEM_FALLBACK_MIB: u64 = 1024;
const DISK_FALLBACK_MIB: u64 = 10 * 1024;
/// Ports of an agent that has the machine for itself.
const ONE_AGENTS_PORTS: (u64, u64) = (31_000, 32_000);
/// Ports that local agents share: below those that Linux gives to outgoing connections (from 32768).
const SHARED_PORTS: (u64, u64) = (21_000, 31_999);
/// An agent among several gets no more.
const MOST_PORTS: u64 = 1_000;

/// Cores and sizes in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    cpus: u64,
    mem_mib: u64,
    disk_mib: u64,
}

impl Machine {
    /// Looks at the machine; `dir`, which exists, is on the disk that counts.
    pub fn discover(dir: &Path) -> Self {
        Self {
            cpus: std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64),
            mem_mib: total_memory_mib().map_or(MEM_FALLBACK_MIB, spare_memory),
            disk_mib: disk_size_mib(dir).map_or(DISK_FALLBACK_MIB, spare_disk),
        }
    }

    /// What an agent offers that has the machine for itself.
    pub fn whole(self) -> Resources {
        self.share(1).with_ports(ports(ONE_AGENTS_PORTS))
    }

    /// What each of `agents` offers, without ports: every core (they are shared), equal parts of memory and disk.
    fn share(self, agents: u64) -> Resources {
        let amount = |units: u64| Scalar::from_units(i64::try_from(units).unwrap_or(i64::MAX));
        Resources::new()
            .with_scalar("cpus", amount(self.cpus))
            .with_scalar("mem", amount(self.mem_mib / agents.max(1)))
            .with_scalar("disk", amount(self.disk_mib / agents.max(1)))
    }

    /// What local agent `number` of `agents`, counted from 1, offers. `given` replaces what it names; its ports are shared out.
    pub fn part(self, number: u64, agents: u64, given: &Resources) -> Resources {
        let mut ports_given = given.ports();
        if ports_given.is_empty() {
            ports_given = ports(shared_ports(number, agents));
        } else {
            ports_given = nth_part(&ports_given, number, agents);
        }
        overlay(self.share(agents).with_ports(ports_given), &without_ports(given))
    }
}

/// `found`, except for what `given` names.
pub fn overlay(found: Resources, given: &Resources) -> Resources {
    let named: Vec<&str> = given.names().collect();
    let kept = found.iter().filter(|(kind, _)| !named.contains(&&*kind.name));
    given.iter().chain(kept).fold(Resources::new(), |all, (kind, quantity)| all.with(kind, quantity))
}

fn without_ports(resources: &Resources) -> Resources {
    let others = resources.iter().filter(|(kind, _)| *kind != Kind::unreserved("ports"));
    others.fold(Resources::new(), |all, (kind, quantity): (Kind, Quantity)| all.with(kind, quantity))
}

fn ports((first, last): (u64, u64)) -> Ranges {
    [(first, last)].into_iter().collect()
}

/// The first agent gets the highest ports, as those are the usual ones.
fn shared_ports(number: u64, agents: u64) -> (u64, u64) {
    let (first, last) = SHARED_PORTS;
    let width = ((last - first + 1) / agents.max(1)).clamp(1, MOST_PORTS);
    let end = last.saturating_sub(width * number.saturating_sub(1));
    (end + 1 - width, end)
}

/// Every part has the same number of members; the last one also what is left over.
fn nth_part(all: &Ranges, number: u64, parts: u64) -> Ranges {
    let width = all.count() / parts.max(1);
    let skipped = width * number.saturating_sub(1);
    let taken = if number == parts { all.count() - skipped } else { width };
    let mut part = Vec::new();
    let (mut skip, mut take) = (skipped, taken);
    for (first, last) in all.intervals() {
        let size = last - first + 1;
        let passed = skip.min(size);
        skip -= passed;
        let used = take.min(size - passed);
        take -= used;
        if used > 0 {
            part.push((first + passed, first + passed + used - 1));
        }
    }
    part.into_iter().collect()
}

fn total_memory_mib() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

fn disk_size_mib(dir: &Path) -> Option<u64> {
    let found = nix::sys::statvfs::statvfs(dir).ok()?;
    Some(found.blocks().saturating_mul(found.fragment_size()) >> 20)
}

fn spare_memory(total_mib: u64) -> u64 {
    if total_mib >= 2 * MEM_RESERVE_MIB { total_mib - MEM_RESERVE_MIB } else { total_mib / 2 }
}

fn spare_disk(total_mib: u64) -> u64 {
    if total_mib >= 2 * DISK_RESERVE_MIB { total_mib - DISK_RESERVE_MIB } else { total_mib / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine { cpus: 2, mem_mib: 6_001, disk_mib: 90_000 };

    #[test]
    fn local_agents_share_memory_disk_and_ports_but_have_all_cores() {
        let parts: Vec<String> = (1..=3).map(|number| MACHINE.part(number, 3, &Resources::new()).to_string()).collect();
        for (part, ports) in parts.iter().zip(["[31000-31999]", "[30000-30999]", "[29000-29999]"]) {
            let expected: Resources = format!("cpus:2;mem:2000;disk:30000;ports:{ports}").parse().unwrap();
            assert_eq!(*part, expected.to_string());
        }
    }

    #[test]
    fn no_two_local_agents_have_a_port_in_common_however_many_there_are() {
        for agents in [1, 2, 11, 12, 200] {
            let mut seen = std::collections::BTreeSet::new();
            for number in 1..=agents {
                let ports = MACHINE.part(number, agents, &Resources::new()).ports();
                assert!(ports.count() >= 50, "{agents}");
                assert!(ports.iter().all(|port| seen.insert(port) && (21_000..32_768).contains(&port)), "{agents}");
            }
        }
    }

    #[test]
    fn given_resources_replace_what_was_found_and_given_ports_are_shared_out() {
        let given: Resources = "cpus:8;ports:[100-104,200-204];gpus:1".parse().unwrap();
        let parts: Vec<Resources> = (1..=3).map(|number| MACHINE.part(number, 3, &given)).collect();
        let ports: Vec<_> = parts.iter().map(|part| part.ports().intervals().to_vec()).collect();
        assert_eq!(ports, [vec![(100, 102)], vec![(103, 104), (200, 200)], vec![(201, 204)]]);
        for part in &parts {
            assert_eq!((part.scalar("cpus"), part.scalar("gpus")), (Scalar::from_units(8), Scalar::from_units(1)));
            assert_eq!(part.scalar("mem"), Scalar::from_units(2_000));
        }
    }

    #[test]
    fn a_lone_agent_offers_the_usual_ports_unless_it_is_told_which() {
        let whole = MACHINE.whole();
        assert_eq!(whole.ports().intervals(), [(31_000, 32_000)]);
        let told = overlay(whole, &"ports:[5-6]".parse().unwrap());
        assert_eq!((told.ports().intervals(), told.scalar("mem")), (&[(5, 6)][..], Scalar::from_units(6_001)));
    }

    #[test]
    fn some_memory_and_disk_stay_with_the_machine() {
        assert_eq!([1000, 2047, 2048, 8000].map(spare_memory), [500, 1023, 1024, 6976]);
        assert_eq!([8_000, 10_240, 100_000].map(spare_disk), [4_000, 5_120, 94_880]);
        let here = Machine::discover(Path::new("/"));
        assert!(here.cpus > 0 && here.mem_mib > 0 && here.disk_mib > 0, "{here:?}");
    }
}

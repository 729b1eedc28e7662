use proptest::prelude::*;

use super::*;

fn amounts(cpus: f64, mem: i64) -> Resources {
    Resources::new().with_scalar("cpus", Scalar::from_f64(cpus)).with_scalar("mem", Scalar::from_units(mem))
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// An allocator, and what it told, as `framework@agent` in the order of telling.
struct World {
    allocator: Allocator,
    now: i64,
    agents: u32,
}

impl World {
    fn new() -> Self {
        Self { allocator: Allocator::new(Settings::default()), now: 0, agents: 0 }
    }

    fn framework(&mut self, id: &str, role: &str) {
        let id = FrameworkId::new(id);
        self.allocator.set_framework(&id, &[role.to_owned()], &[]);
        self.allocator.set_framework_active(&id, true);
    }

    /// Adds the next agent: `a1`, `a2` …
    fn agent(&mut self, cpus: f64, mem: i64) {
        self.agents += 1;
        self.allocator.add_agent(&AgentId::new(format!("a{}", self.agents)), amounts(cpus, mem));
    }

    fn grants(&mut self) -> Vec<Grant> {
        self.allocator.allocate(at(self.now))
    }

    fn told(&mut self) -> String {
        let grants = self.grants();
        let told: Vec<String> =
            grants.iter().map(|grant| format!("{}@{}", grant.framework_id, grant.agent_id)).collect();
        told.join(" ")
    }

    fn give_back(&mut self, framework: &str, agent: &str, how: Return) {
        let (framework, agent) = (FrameworkId::new(framework), AgentId::new(agent));
        let roles: Vec<_> =
            self.allocator.agents[&agent].held.keys().filter(|key| key.0 == framework).cloned().collect();
        for (framework, role) in roles {
            let held = self.allocator.held(&agent, &framework, &role);
            self.allocator.recover(at(self.now), &agent, &framework, &role, &held, how);
        }
    }
}

const LONG: Return = Return::Refused(Duration::from_secs(1000));

#[test]
fn each_agent_goes_to_the_role_and_framework_with_the_lesser_share() {
    let mut world = World::new();
    world.framework("f1", "role1");
    world.agent(2.0, 1024);
    assert_eq!(world.told(), "f1@a1");
    world.framework("f2", "role2");
    world.agent(1.0, 512);
    assert_eq!(world.told(), "f2@a2");
    world.agent(3.0, 2048);
    assert_eq!(world.told(), "f2@a3");
    world.framework("f3", "role1");
    world.agent(4.0, 4096);
    assert_eq!(world.told(), "f3@a4");
    world.framework("f4", "role1");
    world.agent(1.0, 512);
    assert_eq!(world.told(), "f2@a5");
}

#[test]
fn nested_roles_share_what_their_parent_gets() {
    let mut world = World::new();
    world.framework("f1", "a/b");
    world.agent(2.0, 1024);
    assert_eq!(world.told(), "f1@a1");
    world.framework("f2", "a/c");
    world.framework("f3", "d/e");
    world.agent(1.0, 512);
    assert_eq!(world.told(), "f3@a2");
    world.framework("f4", "d/f");
    world.agent(2.0, 1024);
    assert_eq!(world.told(), "f4@a3");
}

#[test]
fn two_equals_that_decline_everything_are_offered_it_in_turns() {
    let mut world = World::new();
    world.framework("f1", "role");
    world.framework("f2", "role");
    world.agent(1.0, 512);
    let mut story = Vec::new();
    for _ in 0..10 {
        let grants = world.grants();
        assert_eq!(grants.len(), 1);
        let framework = grants[0].framework_id.to_string();
        world.give_back(&framework, "a1", Return::Refused(Duration::ZERO));
        assert_eq!(world.told(), "", "not before the pause is over");
        world.now = world.allocator.next_wakeup().unwrap().as_millis();
        story.push(framework);
    }
    assert_eq!(world.now, 10_000);
    assert_eq!(story.join(" "), "f1 f2 f1 f2 f1 f2 f1 f2 f1 f2");
}

#[test]
fn agents_are_divided_by_weight() {
    for (weights, agents) in
        [(vec![1.0, 1.0], vec![3, 3]), (vec![1.0, 2.0], vec![2, 4]), (vec![1.0, 2.0, 3.0], vec![1, 2, 3])]
    {
        let mut world = World::new();
        for (index, weight) in weights.iter().enumerate() {
            world.framework(&format!("f{index}"), &format!("role{index}"));
            world.allocator.set_weight(&format!("role{index}"), *weight);
        }
        for _ in 0..6 {
            world.agent(2.0, 1024);
        }
        let told = world.told();
        let counts: Vec<usize> = (0..weights.len()).map(|index| told.matches(&format!("f{index}@")).count()).collect();
        assert_eq!(counts, agents, "{weights:?}");
    }
}

#[test]
fn a_refused_agent_is_offered_to_others_and_again_only_when_it_has_more() {
    let mut world = World::new();
    world.framework("f1", "role1");
    world.agent(1.0, 512);
    assert_eq!(world.told(), "f1@a1");
    world.give_back("f1", "a1", LONG);
    assert_eq!(world.told(), "");
    world.framework("f2", "role2");
    assert_eq!(world.told(), "f2@a1");
    world.give_back("f2", "a1", LONG);
    assert_eq!(world.told(), "");
    world.allocator.add_agent(&AgentId::new("a1"), amounts(2.0, 512));
    assert_eq!(world.told(), "f1@a1", "refusals are dropped when the agent changes");
}

#[test]
fn a_refusal_blocks_what_it_contains_and_no_more() {
    let mut world = World::new();
    world.framework("f1", "role1");
    world.agent(4.0, 4096);
    let granted = world.grants().remove(0).resources;
    let (agent, framework) = (AgentId::new("a1"), FrameworkId::new("f1"));
    let task = amounts(1.0, 1024);
    let rest = granted.minus(&task);
    world.allocator.recover(at(0), &agent, &framework, "role1", &rest, LONG);
    assert_eq!(world.told(), "", "the rest was refused");
    world.allocator.recover(at(0), &agent, &framework, "role1", &task, Return::Freed);
    assert_eq!(world.grants()[0].resources, granted, "with what the task used it is more than was refused");
}

#[test]
fn refused_resources_are_offered_again_when_the_refusal_ends_which_is_never_at_once() {
    for (refuse_ms, ends) in [(5_000, 5_000), (50, 1_000), (u64::MAX, LONGEST_REFUSAL.as_millis() as i64)] {
        let mut world = World::new();
        world.framework("f1", "role1");
        world.agent(1.0, 512);
        assert_eq!(world.told(), "f1@a1");
        world.give_back("f1", "a1", Return::Refused(Duration::from_millis(refuse_ms)));
        assert_eq!(world.allocator.next_wakeup(), Some(at(ends)));
        world.now = ends - 1;
        assert_eq!(world.told(), "");
        world.now = ends;
        assert_eq!(world.told(), "f1@a1");
        assert_eq!(world.allocator.next_wakeup(), None);
    }
}

#[test]
fn reviving_forgets_refusals_and_suppression() {
    let mut world = World::new();
    world.framework("f1", "role1");
    world.agent(1.0, 512);
    assert_eq!(world.told(), "f1@a1");
    world.give_back("f1", "a1", LONG);
    let framework = FrameworkId::new("f1");
    world.allocator.suppress(&framework, &[]);
    world.agent(1.0, 512);
    assert_eq!(world.told(), "");
    world.allocator.revive(&framework, &["other".into()]);
    assert_eq!(world.told(), "");
    world.allocator.revive(&framework, &["role1".into()]);
    assert_eq!(world.told(), "f1@a1 f1@a2");
}

#[test]
fn a_framework_that_went_away_comes_back_without_its_refusals_but_with_what_it_holds() {
    let mut world = World::new();
    world.framework("f1", "role1");
    world.agent(1.0, 512);
    world.agent(1.0, 512);
    assert_eq!(world.told(), "f1@a1 f1@a2");
    world.give_back("f1", "a1", LONG);
    let framework = FrameworkId::new("f1");
    world.allocator.set_framework_active(&framework, false);
    assert_eq!(world.told(), "");
    world.allocator.set_framework_active(&framework, true);
    assert_eq!(world.told(), "f1@a1");
    assert_eq!(world.allocator.held(&AgentId::new("a2"), &framework, "role1"), amounts(1.0, 512));
}

#[test]
fn too_little_is_not_offered() {
    for (cpus, mem, offered) in [(0.009, 31, ""), (0.01, 0, "f1@a1"), (0.0, 32, "f1@a1"), (4.0, 1, "f1@a1")] {
        let mut world = World::new();
        world.framework("f1", "role1");
        world.agent(cpus, mem);
        assert_eq!(world.told(), offered, "{cpus} {mem}");
    }
}

#[test]
fn an_inactive_agent_is_not_offered() {
    let mut world = World::new();
    world.framework("f1", "role1");
    world.agent(1.0, 512);
    let agent = AgentId::new("a1");
    world.allocator.set_agent_active(&agent, false);
    assert_eq!(world.told(), "");
    world.allocator.set_agent_active(&agent, true);
    assert_eq!(world.told(), "f1@a1");
    world.allocator.remove_agent(&agent);
    assert!(world.allocator.free(&agent).is_empty());
    assert_eq!(world.told(), "");
}

#[test]
fn reserved_resources_go_to_their_role_only_and_the_rest_to_the_lesser_share() {
    let mut world = World::new();
    world.framework("f1", "eng/web");
    world.framework("f2", "sales");
    let total: Resources = "cpus:1;mem:100;cpus(eng):2;mem(eng):200;cpus(ops):4".parse().unwrap();
    world.allocator.add_agent(&AgentId::new("a1"), total);
    let grants = world.grants();
    assert_eq!(grants.len(), 1);
    assert_eq!(grants[0].resources.to_string(), "cpus:1;cpus(eng):2;mem:100;mem(eng):200");
    world.allocator.recover(at(0), &AgentId::new("a1"), &FrameworkId::new("f1"), "eng/web", &amounts(1.0, 100), LONG);
    let grants = world.grants();
    assert_eq!((grants[0].framework_id.as_str(), grants[0].resources.clone()), ("f2", amounts(1.0, 100)));
}

#[test]
fn what_was_held_before_counts_and_frees_the_agent_when_given_back() {
    let mut world = World::new();
    let (agent, old) = (AgentId::new("a1"), FrameworkId::new("old"));
    world.agent(2.0, 1024);
    world.allocator.hold(&agent, &old, "role1", &amounts(1.5, 1000));
    world.framework("f1", "role1");
    assert_eq!(world.grants()[0].resources, amounts(0.5, 24));
    world.allocator.recover(at(0), &agent, &old, "role1", &amounts(1.5, 1000), Return::Freed);
    assert_eq!(world.grants()[0].resources, amounts(1.5, 1000));
    assert!(!world.allocator.by_role["role1"].contains("old"), "it left the role with the last that it held");
}

#[test]
fn a_removed_framework_leaves_nothing_behind() {
    let mut world = World::new();
    world.framework("f1", "role1");
    world.agent(1.0, 512);
    assert_eq!(world.told(), "f1@a1");
    world.allocator.remove_framework(&FrameworkId::new("f1"));
    assert!(world.allocator.by_role.is_empty() && world.allocator.roles.is_empty());
    world.framework("f2", "role2");
    assert_eq!(world.told(), "f2@a1");
}

#[test]
fn agents_that_did_not_change_are_not_looked_at() {
    let mut world = World::new();
    world.framework("f1", "role1");
    for _ in 0..100 {
        world.agent(1.0, 512);
    }
    assert_eq!(world.grants().len(), 100);
    for agent in 1..=100 {
        world.give_back("f1", &format!("a{agent}"), LONG);
    }
    assert_eq!(world.allocator.candidates.len(), 100);
    assert_eq!(world.grants().len(), 0);
    world.allocator.add_agent(&AgentId::new("a7"), amounts(2.0, 512));
    assert_eq!(world.allocator.candidates.len(), 1);
    assert_eq!(world.told(), "f1@a7");
}

#[derive(Clone, Debug)]
enum Step {
    Agent(u8, i64),
    AgentActive(u8, bool),
    AgentGone(u8),
    Framework(u8, u8),
    Active(u8, bool),
    Gone(u8),
    Suppress(u8),
    Revive(u8),
    Back(u8, u8, u64),
    Free(u8, u8, i64),
    Hold(u8, u8, i64),
    Wait(i64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let (agent, framework) = (0..4u8, 0..4u8);
    prop_oneof![
        (agent.clone(), 0..4000i64).prop_map(|(a, cpus)| Step::Agent(a, cpus)),
        (agent.clone(), any::<bool>()).prop_map(|(a, active)| Step::AgentActive(a, active)),
        agent.clone().prop_map(Step::AgentGone),
        (framework.clone(), 0..8u8).prop_map(|(f, roles)| Step::Framework(f, roles)),
        (framework.clone(), any::<bool>()).prop_map(|(f, active)| Step::Active(f, active)),
        framework.clone().prop_map(Step::Gone),
        framework.clone().prop_map(Step::Suppress),
        framework.clone().prop_map(Step::Revive),
        (agent.clone(), framework.clone(), 0..3000u64).prop_map(|(a, f, ms)| Step::Back(a, f, ms)),
        (agent.clone(), framework.clone(), 0..3000i64).prop_map(|(a, f, cpus)| Step::Free(a, f, cpus)),
        (agent, framework, 1..500i64).prop_map(|(a, f, cpus)| Step::Hold(a, f, cpus)),
        (0..2500i64).prop_map(Step::Wait),
    ]
}

const ROLES: [&str; 3] = ["a", "a/b", "c"];

fn take(world: &mut World, step: &Step) {
    let cpus = |thousandths: i64| Resources::new().with_scalar("cpus", Scalar::from_thousandths(thousandths));
    let agent = |a: &u8| AgentId::new(format!("a{a}"));
    let framework = |f: &u8| FrameworkId::new(format!("f{f}"));
    let now = at(world.now);
    let allocator = &mut world.allocator;
    match step {
        Step::Agent(a, total) => allocator.add_agent(&agent(a), cpus(*total)),
        Step::AgentActive(a, active) => allocator.set_agent_active(&agent(a), *active),
        Step::AgentGone(a) => allocator.remove_agent(&agent(a)),
        Step::Framework(f, mask) => {
            let roles: Vec<String> =
                (0..3).filter(|bit| mask & (1 << bit) != 0).map(|bit| ROLES[bit].to_owned()).collect();
            allocator.set_framework(&framework(f), &roles, &[]);
            allocator.set_framework_active(&framework(f), true);
        }
        Step::Active(f, active) => allocator.set_framework_active(&framework(f), *active),
        Step::Gone(f) => allocator.remove_framework(&framework(f)),
        Step::Suppress(f) => allocator.suppress(&framework(f), &[]),
        Step::Revive(f) => allocator.revive(&framework(f), &[]),
        Step::Back(a, f, ms) => {
            for role in ROLES {
                let held = allocator.held(&agent(a), &framework(f), role);
                let how = Return::Refused(Duration::from_millis(*ms));
                allocator.recover(now, &agent(a), &framework(f), role, &held, how);
            }
        }
        Step::Free(a, f, part) => {
            allocator.recover(now, &agent(a), &framework(f), "a", &cpus(*part), Return::Freed);
        }
        Step::Hold(a, f, part) => allocator.hold(&agent(a), &framework(f), "a", &cpus(*part)),
        Step::Wait(millis) => world.now += millis,
    }
}

/// What every framework holds by the agents is what the sorters count.
fn assert_books_agree(allocator: &Allocator) {
    let mut by_client: BTreeMap<(Arc<str>, FrameworkId), Scalar> = BTreeMap::new();
    let mut by_role: BTreeMap<Arc<str>, Scalar> = BTreeMap::new();
    for agent in allocator.agents.values() {
        for ((framework, role), held) in &agent.held {
            for sum in [
                by_client.entry((role.clone(), framework.clone())).or_default(),
                by_role.entry(role.clone()).or_default(),
            ] {
                *sum = sum.saturating_add(held.scalar("cpus"));
            }
        }
    }
    for ((role, framework), sum) in &by_client {
        assert_eq!(allocator.by_role[role].held(framework.as_str()).get("cpus").copied().unwrap_or_default(), *sum);
    }
    for role in allocator.by_role.keys() {
        let sum = by_role.get(role).copied().unwrap_or_default();
        assert_eq!(allocator.roles.held(role).get("cpus").copied().unwrap_or_default(), sum, "{role}");
        assert_eq!(allocator.roles.is_active(role), allocator.by_role[role].active() > 0, "{role}");
    }
}

proptest! {
    #[test]
    fn no_grant_exceeds_what_is_free_and_the_books_always_agree(steps in proptest::collection::vec(any_step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            take(&mut world, step);
            let free: BTreeMap<AgentId, Resources> =
                world.allocator.agents.keys().map(|id| (id.clone(), world.allocator.free(id))).collect();
            let mut granted: BTreeMap<AgentId, Resources> = BTreeMap::new();
            for grant in world.grants() {
                granted.entry(grant.agent_id.clone()).or_default().add(&grant.resources);
                prop_assert!(world.allocator.agents[&grant.agent_id].active);
                prop_assert!(world.allocator.frameworks[&grant.framework_id].active);
            }
            for (agent, resources) in &granted {
                prop_assert!(free[agent].contains(resources));
            }
            assert_books_agree(&world.allocator);
            prop_assert_eq!(world.grants(), vec![], "asking twice grants nothing more");
        }
    }

    #[test]
    fn whatever_is_free_and_refused_by_nobody_is_granted(steps in proptest::collection::vec(any_step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            take(&mut world, step);
            world.grants();
        }
        for _ in 0..10 {
            let Some(next) = world.allocator.next_wakeup() else { break };
            world.now = next.as_millis();
            world.grants();
        }
        prop_assert_eq!(world.allocator.next_wakeup(), None);
        if world.allocator.roles.active() > 0 {
            prop_assert_eq!(world.allocator.open.len(), 0);
        }
    }
}

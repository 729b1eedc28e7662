//! Who comes first: dominant-resource shares in a tree.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

use crate::resources::{Resources, Scalar};

/// The leaf that stands for a client among its own children; no valid role component.
const SELF: &str = ".";

/// Scalars by name, whatever they are reserved for: all that shares are made of.
pub type Quantities = BTreeMap<Arc<str>, Scalar>;

/// What shares are shares of.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    totals: Quantities,
    excluded: BTreeSet<String>,
    version: u64,
}

impl Pool {
    /// An empty pool; resources of the `excluded` names count towards nobody's share.
    pub fn new(excluded: BTreeSet<String>) -> Self {
        Self { totals: Quantities::new(), excluded, version: 1 }
    }

    /// An agent came.
    pub fn grow(&mut self, by: &Resources) {
        add(&mut self.totals, by);
        self.version += 1;
    }

    /// An agent went.
    pub fn shrink(&mut self, by: &Resources) {
        subtract(&mut self.totals, by);
        self.version += 1;
    }

    /// The largest part that `allocation` is of any resource: 0 to 1, more when agents are overcommitted.
    pub fn share(&self, allocation: &Quantities) -> f64 {
        let mut largest = 0.0_f64;
        for (name, amount) in allocation {
            let total = self.totals.get(name).copied().unwrap_or_default();
            if total > Scalar::ZERO && !self.excluded.contains(&**name) {
                largest = largest.max(amount.as_thousandths() as f64 / total.as_thousandths() as f64);
            }
        }
        largest
    }
}

fn add(to: &mut Quantities, resources: &Resources) {
    for (kind, amount) in resources.scalars() {
        let sum = to.entry(kind.name.clone()).or_default();
        *sum = sum.saturating_add(amount);
    }
}

fn subtract(from: &mut Quantities, resources: &Resources) {
    let mut quantities = Quantities::new();
    add(&mut quantities, resources);
    take(from, &quantities);
}

fn take(from: &mut Quantities, quantities: &Quantities) {
    for (name, amount) in quantities {
        if let Some(had) = from.get_mut(name) {
            *had = had.saturating_sub(*amount);
            if *had <= Scalar::ZERO {
                from.remove(name);
            }
        }
    }
}

/// Clients in the order of their shares; the cost of a change is that of its path, not of all clients.
///
/// Clients of a tree are paths like `a/b`. A node holds what its subtree holds. Among siblings the lesser share divided by
/// weight comes first, then who was given something less often, then the name; all clients below the first sibling come before
/// those below the second. A client with children competes with them as a sibling of theirs.
///
/// Source of the rules: Mesos `DRFSorter`.
#[derive(Clone, Debug)]
pub struct Sorter {
    root: Node,
    tree: bool,
    weights: BTreeMap<String, f64>,
    /// Version of the pool that the order was made for.
    version: u64,
}

#[derive(Clone, Debug)]
struct Node {
    allocation: Quantities,
    /// How often somebody in the subtree was given something.
    grants: u64,
    weight: f64,
    /// Present exactly on leaves: the full name of the client.
    client: Option<Arc<str>>,
    /// Active clients in the subtree, itself included.
    active: usize,
    children: BTreeMap<Arc<str>, Node>,
    /// Children with active clients.
    order: BTreeSet<Rank>,
    /// Where it stands in the order of its parent.
    rank: Option<Rank>,
}

#[derive(Clone, Debug)]
struct Rank {
    /// Share divided by weight.
    share: f64,
    grants: u64,
    name: Arc<str>,
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let share = self.share.total_cmp(&other.share);
        share.then(self.grants.cmp(&other.grants)).then_with(|| self.name.cmp(&other.name))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Rank {}

impl Sorter {
    /// Of clients whose names are paths.
    pub fn tree() -> Self {
        Self { root: Node::new(1.0), tree: true, weights: BTreeMap::new(), version: 0 }
    }

    /// Of clients whose names are names.
    pub fn flat() -> Self {
        Self { tree: false, ..Self::tree() }
    }

    /// Whether there is such a client.
    pub fn contains(&self, client: &str) -> bool {
        self.leaf(client).is_some()
    }

    /// Whether the client takes part.
    pub fn is_active(&self, client: &str) -> bool {
        self.leaf(client).is_some_and(|leaf| leaf.active > 0)
    }

    /// Number of clients that take part.
    pub fn active(&self) -> usize {
        self.root.active
    }

    /// Whether there are no clients.
    pub fn is_empty(&self) -> bool {
        self.root.children.is_empty()
    }

    /// Adds a client that does not take part yet; one that is there already stays as it is.
    pub fn add(&mut self, client: &str) {
        if self.contains(client) {
            return;
        }
        let mut node = &mut self.root;
        let mut path = String::new();
        for component in components(client, self.tree) {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(component);
            let weight = self.weights.get(&path).copied().unwrap_or(1.0);
            node = node.children.entry(component.into()).or_insert_with(|| Node::new(weight));
        }
        node.client = Some(client.into());
    }

    /// Removes a client and what it holds.
    pub fn remove(&mut self, client: &str, pool: &Pool) {
        let Some(leaf) = self.leaf(client) else { return };
        let (held, active) = (leaf.allocation.clone(), leaf.active);
        self.change(client, pool, |node, _| {
            node.active -= active;
            take(&mut node.allocation, &held);
        });
        self.root.prune(&components(client, self.tree));
    }

    /// Lets a client take part. Its grants count from zero again.
    pub fn activate(&mut self, client: &str, pool: &Pool) {
        if self.contains(client) && !self.is_active(client) {
            self.change(client, pool, |node, is_leaf| {
                node.active += 1;
                if is_leaf {
                    node.grants = 0;
                }
            });
        }
    }

    /// Leaves a client out; what it holds still counts for the nodes above.
    pub fn deactivate(&mut self, client: &str, pool: &Pool) {
        if self.is_active(client) {
            self.change(client, pool, |node, _| node.active -= 1);
        }
    }

    /// The client was given something. Unknown ones are ignored.
    pub fn allocated(&mut self, client: &str, resources: &Resources, pool: &Pool) {
        if self.contains(client) {
            self.change(client, pool, |node, _| {
                add(&mut node.allocation, resources);
                node.grants += 1;
            });
        }
    }

    /// The client gave something back. Unknown ones are ignored.
    pub fn unallocated(&mut self, client: &str, resources: &Resources, pool: &Pool) {
        if self.contains(client) {
            self.change(client, pool, |node, _| subtract(&mut node.allocation, resources));
        }
    }

    /// What a client holds.
    pub fn held(&self, client: &str) -> Quantities {
        self.leaf(client).map(|leaf| leaf.allocation.clone()).unwrap_or_default()
    }

    /// The client gave back what clients of its own held. Unknown ones are ignored.
    pub fn give_back(&mut self, client: &str, quantities: &Quantities, pool: &Pool) {
        if self.contains(client) {
            self.change(client, pool, |node, _| take(&mut node.allocation, quantities));
        }
    }

    /// Sets the weight of a path; it must be positive and finite. Whoever has none has 1.
    pub fn set_weight(&mut self, path: &str, weight: f64) {
        self.weights.insert(path.to_owned(), weight);
        let mut node = Some(&mut self.root);
        for component in path.split('/') {
            node = node.and_then(|node| node.children.get_mut(component));
        }
        if let Some(node) = node {
            node.weight = weight;
            self.version = 0; // makes the order anew when it is next asked for
        }
    }

    /// Hands the active clients to `visitor` in their order, until it breaks off.
    pub fn visit(&mut self, pool: &Pool, mut visitor: impl FnMut(&Arc<str>) -> ControlFlow<()>) {
        if self.version != pool.version {
            self.root.reorder(pool);
            self.version = pool.version;
        }
        let _ = self.root.visit(&mut visitor);
    }

    fn leaf(&self, client: &str) -> Option<&Node> {
        let mut node = &self.root;
        for component in components(client, self.tree) {
            node = node.children.get(component)?;
        }
        node.client.is_some().then_some(node)
    }

    fn change(&mut self, client: &str, pool: &Pool, mut change: impl FnMut(&mut Node, bool)) {
        self.root.change(&components(client, self.tree), pool, &mut change);
    }
}

fn components(client: &str, tree: bool) -> Vec<&str> {
    if tree { client.split('/').chain([SELF]).collect() } else { vec![client] }
}

impl Node {
    fn new(weight: f64) -> Self {
        Self {
            allocation: Quantities::new(),
            grants: 0,
            weight,
            client: None,
            active: 0,
            children: BTreeMap::new(),
            order: BTreeSet::new(),
            rank: None,
        }
    }

    /// Changes every node from here to the leaf at `path`, and their places among their siblings.
    fn change(&mut self, path: &[&str], pool: &Pool, change: &mut impl FnMut(&mut Self, bool)) {
        change(self, path.is_empty());
        if let Some((first, rest)) = path.split_first()
            && let Some(child) = self.children.get_mut(*first)
        {
            child.change(rest, pool, change);
            self.place(first, pool);
        }
    }

    fn place(&mut self, name: &str, pool: &Pool) {
        let Some(child) = self.children.get_mut(name) else {
            return;
        };
        let rank = (child.active > 0).then(|| Rank {
            share: pool.share(&child.allocation) / child.weight,
            grants: child.grants,
            name: name.into(),
        });
        if let Some(before) = std::mem::replace(&mut child.rank, rank.clone()) {
            self.order.remove(&before);
        }
        self.order.extend(rank);
    }

    fn reorder(&mut self, pool: &Pool) {
        let names: Vec<Arc<str>> = self.children.keys().cloned().collect();
        for name in names {
            if let Some(child) = self.children.get_mut(&name) {
                child.reorder(pool);
            }
            self.place(&name, pool);
        }
    }

    fn prune(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let Some(child) = self.children.get_mut(*first) else {
            return;
        };
        child.prune(rest);
        if child.children.is_empty() && (rest.is_empty() || child.client.is_none()) {
            self.children.remove(*first);
        }
    }

    fn visit(&self, visitor: &mut impl FnMut(&Arc<str>) -> ControlFlow<()>) -> ControlFlow<()> {
        for rank in &self.order {
            let Some(child) = self.children.get(&rank.name) else {
                continue;
            };
            match &child.client {
                Some(client) => visitor(client)?,
                None => child.visit(visitor)?,
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(cpus: i64, mem: i64) -> Resources {
        Resources::new().with_scalar("cpus", Scalar::from_units(cpus)).with_scalar("mem", Scalar::from_units(mem))
    }

    fn pool(cpus: i64, mem: i64) -> Pool {
        let mut pool = Pool::new(BTreeSet::new());
        pool.grow(&amounts(cpus, mem));
        pool
    }

    fn join(sorter: &mut Sorter, pool: &Pool, client: &str, cpus: i64, mem: i64) {
        sorter.add(client);
        sorter.activate(client, pool);
        if cpus + mem > 0 {
            sorter.allocated(client, &amounts(cpus, mem), pool);
        }
    }

    fn order(sorter: &mut Sorter, pool: &Pool) -> String {
        let mut names = Vec::new();
        sorter.visit(pool, |client| {
            names.push(client.to_string());
            ControlFlow::Continue(())
        });
        names.join(" ")
    }

    #[test]
    fn the_lowest_dominant_share_is_served_first_until_nothing_fits() {
        // Weight of A, and how A and B are served. With weight 2 both stand at 1/3 after ABAA, and B was given less often.
        for (weight, served) in [(1.0, "ABABA"), (2.0, "ABAAB"), (3.0, "ABAAA")] {
            let pool = pool(9, 18);
            let mut sorter = Sorter::tree();
            sorter.set_weight("A", weight);
            join(&mut sorter, &pool, "A", 0, 0);
            join(&mut sorter, &pool, "B", 0, 0);
            let mut free = amounts(9, 18);
            let mut story = String::new();
            loop {
                let first = order(&mut sorter, &pool).split(' ').next().unwrap().to_owned();
                let task = if first == "A" { amounts(1, 4) } else { amounts(3, 1) };
                let Ok(left) = free.try_subtract(&task) else { break };
                free = left;
                sorter.allocated(&first, &task, &pool);
                story.push_str(&first);
            }
            assert_eq!(story, served);
        }
    }

    #[test]
    fn clients_are_sorted_by_dominant_share() {
        let mut total = pool(100, 100);
        let mut sorter = Sorter::tree();
        join(&mut sorter, &total, "a", 5, 5);
        join(&mut sorter, &total, "b", 6, 6);
        assert_eq!(order(&mut sorter, &total), "a b");
        join(&mut sorter, &total, "c", 1, 1);
        join(&mut sorter, &total, "d", 3, 1);
        assert_eq!(order(&mut sorter, &total), "c d a b");
        sorter.remove("a", &total);
        sorter.unallocated("b", &amounts(4, 4), &total);
        assert_eq!(order(&mut sorter, &total), "c b d");
        join(&mut sorter, &total, "e", 1, 5);
        total.shrink(&amounts(50, 0));
        assert_eq!(order(&mut sorter, &total), "c b e d");
        total.grow(&amounts(0, 100));
        join(&mut sorter, &total, "f", 5, 1);
        sorter.allocated("c", &amounts(0, 15), &total);
        assert_eq!(order(&mut sorter, &total), "e b d c f");
    }

    #[test]
    fn a_share_is_divided_by_the_weight() {
        let total = pool(100, 100);
        let mut sorter = Sorter::tree();
        for (client, weight) in [("b", 2.0), ("c", 2.0), ("d", 10.0), ("e", 0.1)] {
            sorter.set_weight(client, weight);
        }
        join(&mut sorter, &total, "a", 5, 5);
        join(&mut sorter, &total, "b", 6, 6);
        assert_eq!(order(&mut sorter, &total), "b a");
        join(&mut sorter, &total, "c", 4, 4);
        sorter.set_weight("c", 1.0);
        sorter.set_weight("b", 2.0);
        assert_eq!(order(&mut sorter, &total), "b c a");
        join(&mut sorter, &total, "d", 10, 20);
        assert_eq!(order(&mut sorter, &total), "d b c a");
        sorter.remove("b", &total);
        sorter.allocated("d", &amounts(10, 25), &total);
        assert_eq!(order(&mut sorter, &total), "c d a");
        join(&mut sorter, &total, "e", 1, 1);
        assert_eq!(order(&mut sorter, &total), "c d a e");
    }

    #[test]
    fn equal_shares_are_ordered_by_grants_and_then_by_name() {
        let total = pool(100, 100);
        let mut sorter = Sorter::flat();
        for client in ["c", "b", "a"] {
            join(&mut sorter, &total, client, 0, 0);
        }
        assert_eq!(order(&mut sorter, &total), "a b c");
        sorter.allocated("a", &amounts(3, 3), &total);
        sorter.unallocated("a", &amounts(3, 3), &total);
        assert_eq!(order(&mut sorter, &total), "b c a");
        sorter.deactivate("a", &total);
        assert_eq!(order(&mut sorter, &total), "b c");
        sorter.activate("a", &total);
        assert_eq!(order(&mut sorter, &total), "a b c");
    }

    #[test]
    fn a_subtree_competes_with_what_all_of_it_holds() {
        let total = pool(100, 100);
        let mut sorter = Sorter::tree();
        join(&mut sorter, &total, "a", 6, 6);
        join(&mut sorter, &total, "b/c", 4, 4);
        join(&mut sorter, &total, "b/d", 3, 3);
        assert_eq!(order(&mut sorter, &total), "a b/d b/c");
        sorter.allocated("a", &amounts(2, 2), &total);
        assert_eq!(order(&mut sorter, &total), "b/d b/c a");
        join(&mut sorter, &total, "b/e/f", 0, 0);
        assert_eq!(order(&mut sorter, &total), "b/e/f b/d b/c a");
        sorter.deactivate("b/d", &total);
        assert_eq!(order(&mut sorter, &total), "b/e/f b/c a");
        sorter.remove("b/d", &total);
        sorter.remove("b/e/f", &total);
        assert_eq!(order(&mut sorter, &total), "b/c a");
    }

    #[test]
    fn a_parent_that_is_a_client_too_competes_with_its_children() {
        let total = pool(100, 100);
        let mut sorter = Sorter::tree();
        join(&mut sorter, &total, "a", 4, 4);
        join(&mut sorter, &total, "a/b", 2, 2);
        join(&mut sorter, &total, "a/c", 6, 6);
        join(&mut sorter, &total, "z", 13, 13);
        assert_eq!(order(&mut sorter, &total), "a/b a a/c z");
        sorter.remove("a/b", &total);
        sorter.remove("a/c", &total);
        assert_eq!(order(&mut sorter, &total), "a z");
        assert!(!sorter.is_empty());
        sorter.remove("a", &total);
        sorter.remove("z", &total);
        assert!(sorter.is_empty());
    }

    #[test]
    fn an_excluded_resource_counts_towards_no_share() {
        let gpus = |units| Resources::new().with_scalar("gpus", Scalar::from_units(units));
        let mut total = Pool::new(["gpus".to_owned()].into());
        total.grow(&amounts(10, 10).plus(&gpus(2)));
        let mut sorter = Sorter::flat();
        join(&mut sorter, &total, "a", 1, 1);
        join(&mut sorter, &total, "b", 2, 2);
        sorter.allocated("a", &gpus(2), &total);
        assert_eq!(order(&mut sorter, &total), "a b");
    }
}

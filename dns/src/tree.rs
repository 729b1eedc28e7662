//! All names of the zone, with those that have no records but names below them.

use imbl::OrdMap;

use crate::{
    name::Name,
    records::{Data, Records},
};

/// One record under one name.
pub(crate) type Entry = (Name, Data);

/// Name → records. A name exists if it has records or names below it; the apex always does. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    apex: Name,
    nodes: OrdMap<Name, Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    records: Records,
    /// Existing names directly below this one.
    below: u32,
}

impl Node {
    fn is_needed(&self) -> bool {
        self.below > 0 || !self.records.is_empty()
    }
}

impl Tree {
    pub(crate) fn new(apex: Name) -> Self {
        Self { nodes: OrdMap::unit(apex.clone(), Node::default()), apex }
    }

    /// The records of a name in lower case; none if there is no such name.
    pub(crate) fn get(&self, name: &str) -> Option<&Records> {
        self.nodes.get(name).map(|node| &node.records)
    }

    /// Every name that has records, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &Records)> {
        self.nodes.iter().map(|(name, node)| (name, &node.records)).filter(|(_, records)| !records.is_empty())
    }

    /// Adds a record. A name outside the apex is left out: nobody could ask for it.
    pub(crate) fn add(&mut self, (name, data): &Entry) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.records.add(data);
        } else if name.is_within(&self.apex) {
            let mut node = Node::default();
            node.records.add(data);
            self.nodes.insert(name.clone(), node);
            self.hang(name);
        }
    }

    /// Takes back one `add` of the same.
    pub(crate) fn remove(&mut self, (name, data): &Entry) {
        let Some(node) = self.nodes.get_mut(name) else { return };
        node.records.remove(data);
        if !node.is_needed() && *name != self.apex {
            self.nodes.remove(name);
            self.unhang(name);
        }
    }

    /// Tells the names above a new one.
    fn hang(&mut self, name: &Name) {
        let mut above = name.parent();
        while let Some(name) = above {
            if let Some(node) = self.nodes.get_mut(&name) {
                node.below += 1;
                return;
            }
            above = name.parent();
            self.nodes.insert(name, Node { records: Records::default(), below: 1 });
        }
    }

    /// Tells the names above that one is gone.
    fn unhang(&mut self, name: &Name) {
        let mut above = name.parent();
        while let Some(name) = above {
            let Some(node) = self.nodes.get_mut(&name) else { return };
            node.below = node.below.saturating_sub(1);
            if node.is_needed() || name == self.apex {
                return;
            }
            self.nodes.remove(&name);
            above = name.parent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, last: u8) -> Entry {
        (Name::new(name).unwrap(), Data::Address([10, 0, 0, last].into()))
    }

    #[test]
    fn names_exist_while_something_is_at_or_below_them() {
        let mut tree = Tree::new(Name::new("mesos").unwrap());
        let there = |tree: &Tree, names: &[&str]| {
            for name in ["mesos", "marathon.mesos", "_tcp.marathon.mesos", "_a._tcp.marathon.mesos", "b.marathon.mesos"]
            {
                assert_eq!(tree.get(name).is_some(), names.contains(&name), "{name}");
            }
        };
        there(&tree, &["mesos"]);
        tree.add(&entry("_a._tcp.marathon.mesos", 1));
        tree.add(&entry("_a._tcp.marathon.mesos", 1));
        tree.add(&entry("b.marathon.mesos", 1));
        there(&tree, &["mesos", "marathon.mesos", "_tcp.marathon.mesos", "_a._tcp.marathon.mesos", "b.marathon.mesos"]);
        tree.remove(&entry("_a._tcp.marathon.mesos", 1));
        tree.remove(&entry("_a._tcp.marathon.mesos", 7));
        tree.remove(&entry("c.marathon.mesos", 7));
        there(&tree, &["mesos", "marathon.mesos", "_tcp.marathon.mesos", "_a._tcp.marathon.mesos", "b.marathon.mesos"]);
        tree.remove(&entry("_a._tcp.marathon.mesos", 1));
        there(&tree, &["mesos", "marathon.mesos", "b.marathon.mesos"]);
        tree.remove(&entry("b.marathon.mesos", 1));
        there(&tree, &["mesos"]);
        tree.add(&entry("www.example.com", 1));
        assert!(tree.get("www.example.com").is_none());
    }
}

//! Who must be up before whom (Marathon behaviour reference, "Dependencies").
//!
//! An edge leads from an app to an app that must be up before it. It is declared by an app, naming an app or a group (every app
//! anywhere below), or by a group, naming a group: then from every app below the one to every app below the other. Ids that do
//! not exist mean nothing, and neither does an app that is named by a group.
//!
//! Only what can be reached from the apps asked about is looked at, never the whole tree. Two kinds of helper vertices keep the
//! number of edges linear where groups depend on groups; they do not count as steps on a path.

use std::collections::{BTreeMap, BTreeSet};

use crate::{id::PathId, state::Root};

/// Apps that must be up before `app`, as declared by itself and by the groups around it. Not those that these depend on in turn.
#[cfg(test)]
pub(crate) fn dependencies_of(root: &Root, app: &PathId) -> BTreeSet<PathId> {
    let mut found = BTreeSet::new();
    let mut open = successors(root, &Node::App(app.clone()));
    while let Some(node) = open.pop() {
        match node {
            Node::App(id) => {
                found.insert(id);
            }
            Node::Members(_) | Node::Above(_) => open.extend(successors(root, &node)),
        }
    }
    found
}

/// Whether any of `apps` is on, or leads to, a cycle. An app that must be up before itself is a cycle, too.
pub fn leads_to_cycle<'a>(root: &Root, apps: impl IntoIterator<Item = &'a PathId>) -> bool {
    Explored::from(root, apps).cyclic
}

/// For each of `apps` the number of apps on the longest path that starts there: 1 without dependencies. Unaffected apps on the
/// path count. Edges that close a cycle are taken for absent.
pub fn levels<'a>(root: &Root, apps: impl IntoIterator<Item = &'a PathId>) -> BTreeMap<PathId, u32> {
    let explored = Explored::from(root, apps);
    let mut longest = vec![0; explored.vertices.len()];
    for &index in &explored.finished {
        let vertex = &explored.vertices[index];
        let behind = vertex.next.iter().map(|&next| longest[next]).max().unwrap_or(0);
        longest[index] = behind + u32::from(vertex.node.app().is_some());
    }
    let levels = explored.vertices.iter().zip(longest);
    levels.filter_map(|(vertex, level)| Some((vertex.node.app()?.clone(), level))).collect()
}

/// `apps` in waves, such that each comes after all others of them that depend on it, directly or not, and no later than needed:
/// the order in which they can be stopped.
pub fn dependents_first(root: &Root, apps: &BTreeSet<PathId>) -> Vec<Vec<PathId>> {
    let explored = Explored::from(root, apps);
    let counts = |index: usize| explored.vertices[index].node.app().is_some_and(|app| apps.contains(app));
    let mut wave = vec![0; explored.vertices.len()];
    for &index in explored.finished.iter().rev() {
        let after = wave[index] + usize::from(counts(index));
        for &next in &explored.vertices[index].next {
            wave[next] = wave[next].max(after);
        }
    }
    let mut waves: BTreeMap<usize, BTreeSet<PathId>> = BTreeMap::new();
    for (index, vertex) in explored.vertices.iter().enumerate().filter(|(index, _)| counts(*index)) {
        waves.entry(wave[index]).or_default().extend(vertex.node.app().cloned());
    }
    waves.into_values().map(|apps| apps.into_iter().collect()).collect()
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    /// An app: leads to what it names, and to what the groups around it name.
    App(PathId),
    /// All apps anywhere below a group: leads to each of them.
    Members(PathId),
    /// What a group and the groups around it name.
    Above(PathId),
}

impl Node {
    fn app(&self) -> Option<&PathId> {
        match self {
            Self::App(id) => Some(id),
            Self::Members(_) | Self::Above(_) => None,
        }
    }
}

fn successors(root: &Root, node: &Node) -> Vec<Node> {
    let members = |id: &PathId| root.groups.contains_key(id).then(|| Node::Members(id.clone()));
    match node {
        Node::App(id) => {
            let named = root.apps.get(id).into_iter().flat_map(|app| &app.spec.dependencies);
            let resolve = |id: &PathId| {
                if root.apps.contains_key(id) { Some(Node::App(id.clone())) } else { members(id) }
            };
            named.filter_map(resolve).chain(id.parent().map(Node::Above)).collect()
        }
        Node::Members(group) => root.apps_within(group).map(|(id, _)| Node::App(id.clone())).collect(),
        Node::Above(group) => {
            let named = root.groups.get(group).into_iter().flat_map(|group| &group.dependencies);
            named.filter_map(members).chain(group.parent().map(Node::Above)).collect()
        }
    }
}

/// Everything that can be reached from some apps.
#[derive(Default)]
struct Explored {
    vertices: Vec<Vertex>,
    /// Indices, each after all that it leads to (cycles aside).
    finished: Vec<usize>,
    cyclic: bool,
}

struct Vertex {
    node: Node,
    next: Vec<usize>,
    finished: bool,
}

impl Explored {
    fn from<'a>(root: &Root, apps: impl IntoIterator<Item = &'a PathId>) -> Self {
        let mut explored = Self::default();
        let mut known = BTreeMap::new();
        for app in apps.into_iter().filter(|app| root.apps.contains_key(*app)) {
            explored.explore(root, &mut known, Node::App(app.clone()));
        }
        explored
    }

    /// Depth first, with a stack of its own: chains may be longer than a thread's stack is deep.
    fn explore(&mut self, root: &Root, known: &mut BTreeMap<Node, usize>, start: Node) {
        if known.contains_key(&start) {
            return;
        }
        let mut path = vec![self.enter(root, known, start)];
        while let Some((index, open)) = path.last_mut() {
            let index = *index;
            let Some(node) = open.next() else {
                self.vertices[index].finished = true;
                self.finished.push(index);
                path.pop();
                continue;
            };
            let next = match known.get(&node) {
                Some(&next) => {
                    // Whatever is neither new nor finished is on the path that leads here.
                    self.cyclic |= !self.vertices[next].finished;
                    next
                }
                None => {
                    path.push(self.enter(root, known, node));
                    self.vertices.len() - 1
                }
            };
            self.vertices[index].next.push(next);
        }
    }

    fn enter(
        &mut self,
        root: &Root,
        known: &mut BTreeMap<Node, usize>,
        node: Node,
    ) -> (usize, std::vec::IntoIter<Node>) {
        let index = self.vertices.len();
        let open = successors(root, &node).into_iter();
        known.insert(node.clone(), index);
        self.vertices.push(Vertex { node, next: Vec::new(), finished: false });
        (index, open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::testing::{path, paths, root};

    fn level(tree: &str, app: &str) -> u32 {
        levels(&root(tree), [&path(app)])[&path(app)]
    }

    #[test]
    fn a_group_stands_for_every_app_below_it() {
        let tree = root("/g/ <- /h /lone\n/g/a <- /x\n/g/in/b\n/h/c\n/h/in/d\n/x\n/lone\n/y <- /g /nowhere");
        for (app, expected) in [
            ("/g/a", "/h/c /h/in/d /x"), // a group cannot depend on the app /lone
            ("/g/in/b", "/h/c /h/in/d"),
            ("/y", "/g/a /g/in/b"), // what does not exist is ignored
            ("/h/c", ""),
            ("/nowhere", ""),
        ] {
            assert_eq!(dependencies_of(&tree, &path(app)), paths(expected), "{app}");
        }
    }

    #[test]
    fn the_level_is_the_length_of_the_longest_path() {
        for (tree, app, expected) in [
            ("/a", "/a", 1),
            ("/a <- /nowhere", "/a", 1),
            ("/a <- /b\n/b", "/a", 2),
            ("/a <- /b /c\n/b <- /c\n/c", "/a", 3),
            ("/a <- /g\n/g/b <- /c\n/g/d\n/c", "/a", 3),
            ("/g/ <- /h\n/g/a\n/h/ <- /i\n/h/b\n/i/c", "/g/a", 3),
            ("/g/ <- /h\n/g/in/a\n/h/b", "/g/in/a", 2),
        ] {
            assert_eq!(level(tree, app), expected, "{tree}");
        }
    }

    #[test]
    fn cycles_are_seen_through_apps_and_groups() {
        for (tree, cyclic) in [
            ("/a <- /a", true),
            ("/a <- /b\n/b <- /a", true),
            ("/a <- /b\n/b <- /c\n/c <- /b", true),
            ("/a <- /b /c\n/b <- /d\n/c <- /d\n/d", false),
            ("/g/a <- /g", true), // one of the apps of its own group is itself
            ("/g/ <- /g\n/g/a", true),
            ("/g/ <- /h\n/g/a\n/h/ <- /g\n/h/b", true),
            ("/g/ <- /h\n/g/a\n/h/ <- /g", false), // nothing is in /h
            ("/g/ <- /h\n/g/a\n/h/b <- /g/a", true),
            ("/g/ <- /h\n/g/a <- /g/b\n/g/b\n/h/c", false),
            ("/g/in/ <- /g\n/g/in/a", true),
        ] {
            let tree_root = root(tree);
            assert_eq!(leads_to_cycle(&tree_root, tree_root.apps.keys()), cyclic, "{tree}");
        }
    }

    #[test]
    fn a_cycle_elsewhere_does_not_disturb_levels() {
        assert_eq!(level("/a <- /b\n/b <- /c\n/c <- /b", "/a"), 3);
    }

    #[test]
    fn a_chain_longer_than_any_stack_is_walked() {
        let chain: Vec<String> = (0..20_000).map(|n| format!("/a{n} <- /a{}", n + 1)).collect();
        assert_eq!(level(&chain.join("\n"), "/a0"), 20_000);
    }

    #[test]
    fn dependents_are_stopped_first_and_nothing_waits_without_need() {
        for (tree, gone, expected) in [
            ("/a\n/b", "/a /b", vec!["/a /b"]),
            ("/a <- /b\n/b", "/a /b", vec!["/a", "/b"]),
            ("/a <- /b\n/b <- /c\n/c\n/d", "/a /b /c /d", vec!["/a /d", "/b", "/c"]),
            ("/a <- /b\n/b <- /c\n/c", "/a /c", vec!["/a", "/c"]), // by way of one that stays
            ("/a <- /b\n/b\n/c", "/a /c", vec!["/a /c"]),
            ("/a <- /d\n/b <- /c\n/c <- /d\n/d", "/a /b /c /d", vec!["/a /b", "/c", "/d"]),
            ("/g/ <- /h\n/g/a\n/g/b\n/h/c", "/g/a /g/b /h/c", vec!["/g/a /g/b", "/h/c"]),
        ] {
            let waves = dependents_first(&root(tree), &paths(gone));
            let texts: Vec<String> =
                waves.iter().map(|apps| apps.iter().map(PathId::as_str).collect::<Vec<_>>().join(" ")).collect();
            assert_eq!(texts, expected, "{tree}");
        }
    }
}

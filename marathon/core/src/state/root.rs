//! Looking around in a group tree. Everything costs what it finds, not what exists.

use std::{ops::Bound, sync::Arc};

use imbl::OrdMap;

use super::{Group, Root};
use crate::{id::PathId, spec::App};

impl Root {
    /// Every app anywhere below `group`, by id.
    pub fn apps_within<'a>(&'a self, group: &PathId) -> impl Iterator<Item = (&'a PathId, &'a Arc<App>)> + use<'a> {
        below(&self.apps, group)
    }

    /// `group` itself, if it exists, and every group anywhere below it, by id.
    pub fn groups_within<'a>(&'a self, group: &PathId) -> impl Iterator<Item = (&'a PathId, &'a Arc<Group>)> + use<'a> {
        self.groups.get_key_value(group).into_iter().chain(below(&self.groups, group))
    }

    /// The apps directly in `group`, by id.
    pub fn child_apps<'a>(&'a self, group: &PathId) -> impl Iterator<Item = (&'a PathId, &'a Arc<App>)> + use<'a> {
        children(&self.apps, group)
    }

    /// The groups directly in `group`, by id.
    pub fn child_groups<'a>(&'a self, group: &PathId) -> impl Iterator<Item = (&'a PathId, &'a Arc<Group>)> + use<'a> {
        children(&self.groups, group)
    }

    /// Whether neither an app nor a group is in `group`.
    pub fn is_empty_group(&self, group: &PathId) -> bool {
        below(&self.apps, group).next().is_none() && below(&self.groups, group).next().is_none()
    }
}

/// The first text of everything below `group`: its own with a slash at its end.
fn lowest(group: &PathId) -> String {
    if group.is_root() { "/".to_owned() } else { format!("{group}/") }
}

/// The first text after everything below `group`: `0` follows `/`.
fn beyond(group: &str) -> String {
    if group == "/" { "0".to_owned() } else { format!("{group}0") }
}

fn below<'a, V>(map: &'a OrdMap<PathId, V>, group: &PathId) -> impl Iterator<Item = (&'a PathId, &'a V)> + use<'a, V> {
    let (after, before) = (lowest(group), beyond(group.as_str()));
    map.range::<_, str>((Bound::Excluded(after.as_str()), Bound::Excluded(before.as_str())))
}

/// Walks the ids below `group`, leaping over everything that is deeper than one segment.
fn children<'a, V>(
    map: &'a OrdMap<PathId, V>,
    group: &PathId,
) -> impl Iterator<Item = (&'a PathId, &'a V)> + use<'a, V> {
    let prefix = lowest(group);
    let end = beyond(group.as_str());
    let mut found = map.range::<_, str>((Bound::Excluded(prefix.as_str()), Bound::Excluded(end.as_str())));
    std::iter::from_fn(move || {
        loop {
            let (id, value) = found.next()?;
            let Some(slash) = id.as_str()[prefix.len()..].find('/') else { return Some((id, value)) };
            let after_child = beyond(&id.as_str()[..prefix.len() + slash]);
            found = map.range::<_, str>((Bound::Included(after_child.as_str()), Bound::Excluded(end.as_str())));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> PathId {
        text.parse().unwrap()
    }

    fn root(ids: &[&str]) -> Root {
        let mut root = Root::default();
        for id in ids {
            root.groups.insert(path(id), Arc::default());
        }
        root
    }

    fn texts<'a, V: 'a>(found: impl Iterator<Item = (&'a PathId, V)>) -> Vec<&'a str> {
        found.map(|(id, _)| id.as_str()).collect()
    }

    #[test]
    fn neighbours_whose_names_sort_between_are_not_taken_for_children() {
        // '-' and '.' sort before '/', digits and letters after it
        let root = root(&["/a", "/a-b", "/a-b/x", "/a.b", "/a/b", "/a/b-c/d", "/a/b-c", "/a/b/c", "/a0", "/ab", "/b"]);
        assert_eq!(texts(root.groups_within(&path("/a"))), ["/a", "/a/b", "/a/b-c", "/a/b-c/d", "/a/b/c"]);
        assert_eq!(texts(root.child_groups(&path("/a"))), ["/a/b", "/a/b-c"]);
        assert_eq!(texts(root.child_groups(&PathId::root())), ["/a", "/a-b", "/a.b", "/a0", "/ab", "/b"]);
        assert_eq!(texts(root.groups_within(&path("/nowhere"))), [""; 0]);
        assert_eq!(root.groups_within(&PathId::root()).count(), 12, "the root group, too");
    }

    #[test]
    fn a_child_is_found_behind_deeper_entries_of_another_without_walking_them() {
        let mut ids: Vec<String> = (0..100).map(|number| format!("/a/x{number}")).collect();
        ids.push("/b".into());
        let root = root(&ids.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(texts(root.child_groups(&PathId::root())), ["/b"], "/a itself was not entered");
    }

    #[test]
    fn a_group_is_empty_until_something_is_in_it() {
        let root = root(&["/a", "/a/b"]);
        assert!(!root.is_empty_group(&path("/a")) && root.is_empty_group(&path("/a/b")));
    }
}

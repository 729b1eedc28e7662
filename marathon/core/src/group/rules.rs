//! What must hold for a tree as a whole (Marathon REST reference, "Whole tree").
//!
//! Only what was touched is looked at, and what it leads to: a tree that was valid before cannot be broken elsewhere.

use std::{collections::BTreeSet, sync::Arc};

use super::{draft::Draft, graph};
use crate::{
    id::PathId,
    scheduler::Violation,
    state::{Group, Root},
};

/// Every broken rule of a settled draft, sorted.
pub(super) fn violations(draft: &Draft<'_>) -> Vec<Violation> {
    let shared_ids = draft.apps.union(&draft.groups).filter(|id| is_app_and_group(&draft.root, id));
    let mut violations: BTreeSet<Violation> = shared_ids
        .map(|id| Violation {
            path: path_to(&draft.root, &id.parent().unwrap_or_else(PathId::root)),
            message: "Groups and Applications may not have the same identifier.".into(),
        })
        .collect();
    if graph::leads_to_cycle(&draft.root, &with_new_edges(draft)) {
        let message = "Dependency graph has cyclic dependencies.".into();
        violations.insert(Violation { path: "/".into(), message });
    }
    violations.into_iter().collect()
}

fn is_app_and_group(root: &Root, id: &PathId) -> bool {
    root.apps.contains_key(id) && root.groups.contains_key(id)
}

/// Apps such that every edge that was not there before begins or ends at one of them: a new cycle leads through one.
fn with_new_edges(draft: &Draft<'_>) -> BTreeSet<PathId> {
    let mut found = BTreeSet::new();
    for id in &draft.apps {
        let Some(app) = draft.root.apps.get(id) else { continue };
        let before = draft.base.apps.get(id).map(|before| &before.spec.dependencies);
        if before != Some(&app.spec.dependencies) {
            found.insert(id.clone());
        }
    }
    let dependencies = |group: Option<&Arc<Group>>| group.map(|group| group.dependencies.clone()).unwrap_or_default();
    for id in &draft.groups {
        if dependencies(draft.base.groups.get(id)) != dependencies(draft.root.groups.get(id)) {
            found.extend(draft.root.apps_within(id).map(|(id, _)| id.clone()));
        }
    }
    found
}

/// `/` for the root group, `/groups(i)` for a group directly below, `/groups(i)/groups(j)` one deeper: positions by id.
fn path_to(root: &Root, group: &PathId) -> String {
    let mut way: Vec<PathId> = std::iter::once(group.clone()).chain(group.ancestors()).collect();
    way.reverse();
    let position = |pair: &[PathId]| root.child_groups(&pair[0]).position(|(id, _)| *id == pair[1]).unwrap_or(0);
    let path: String = way.windows(2).map(|pair| format!("/groups({})", position(pair))).collect();
    if path.is_empty() { "/".into() } else { path }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::group::testing::{at, path, paths, root, spec};

    const APPS: [&str; 5] = ["/a", "/g/a", "/g/in/a", "/h/a", "/h/b"];
    const GROUPS: [&str; 3] = ["/g", "/g/in", "/h"];

    fn names() -> impl Strategy<Value = String> {
        let any = prop_oneof![prop::sample::select(&APPS[..]), prop::sample::select(&GROUPS[..])];
        prop::collection::vec(any, 0..3).prop_map(|ids| ids.join(" "))
    }

    fn line() -> impl Strategy<Value = String> {
        let app = prop::sample::select(&APPS[..]).prop_map(str::to_owned);
        let group = prop::sample::select(&GROUPS[..]).prop_map(|id| format!("{id}/"));
        (prop_oneof![app, group], names()).prop_map(|(id, names)| format!("{id} <- {names}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn looking_at_what_was_touched_finds_every_new_cycle(
            before in prop::collection::vec(line(), 0..5),
            after in prop::collection::vec(line(), 1..4),
            gone in prop::option::of(prop::sample::select(&APPS[..])),
        ) {
            let base = root(&before.join("\n"));
            prop_assume!(!graph::leads_to_cycle(&base, base.apps.keys()));
            let mut draft = Draft::new(&base, at(2));
            gone.into_iter().for_each(|id| draft.remove_app(&path(id)));
            for line in &after {
                let (id, names) = line.split_once(" <- ").unwrap();
                match id.strip_suffix('/') {
                    Some(group) => {
                        draft.ensure_group(&path(group));
                        draft.set_dependencies(&path(group), paths(names));
                    }
                    None => draft.put_app(spec(line)),
                }
            }
            draft.settle();
            let expected = graph::leads_to_cycle(&draft.root, draft.root.apps.keys());
            prop_assert_eq!(!violations(&draft).is_empty(), expected);
        }
    }
}

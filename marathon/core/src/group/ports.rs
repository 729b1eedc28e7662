//! Service ports: every port 0 of a new or changed app gets a number before it is stored.

use std::{collections::BTreeSet, sync::Arc};

use super::draft::Draft;
use crate::{
    id::PathId,
    scheduler::Rejection,
    spec::{App, AppSpec},
};

/// Replaces each port 0 of the touched apps: by ports that the app had before and no longer names, in their order, then by the
/// lowest number of `range` (inclusive) that no app had before or has now. Numbers that users chose may be shared, and lie
/// outside the range.
///
/// Walks all apps once, and only if a number is wanted that the app did not have before.
///
/// # Errors
/// [`Rejection::NoServicePortLeft`].
pub(super) fn assign(draft: &mut Draft<'_>, range: (u16, u16)) -> Result<(), Rejection> {
    let wanting: Vec<PathId> = draft.apps.iter().filter(|id| wants_port(draft, id)).cloned().collect();
    let mut free = None;
    for id in wanting {
        let app = App::clone(&draft.root.apps[&id]);
        let mut spec = AppSpec::clone(&app.spec);
        let previous = draft.base.apps.get(&id).map_or_else(Vec::new, |before| reusable(before, &spec, range));
        let mut previous = previous.into_iter();
        for definition in spec.ports.iter_mut().filter(|definition| definition.port == 0) {
            definition.port = match previous.next() {
                Some(port) => port,
                None => free
                    .get_or_insert_with(|| Free::new(draft, range))
                    .take()
                    .ok_or(Rejection::NoServicePortLeft(range.0, range.1))?,
            };
        }
        draft.root.apps.insert(id, Arc::new(App { spec: Arc::new(spec), ..app }));
    }
    Ok(())
}

fn wants_port(draft: &Draft<'_>, id: &PathId) -> bool {
    draft.root.apps.get(id).is_some_and(|app| app.spec.ports.iter().any(|definition| definition.port == 0))
}

fn reusable(before: &App, spec: &AppSpec, (lowest, highest): (u16, u16)) -> Vec<u16> {
    let named: BTreeSet<u16> = spec.ports.iter().map(|definition| definition.port).collect();
    let mut reusable: Vec<u16> = Vec::new();
    for port in before.spec.ports.iter().map(|definition| definition.port) {
        if (lowest..=highest).contains(&port) && port != 0 && !named.contains(&port) && !reusable.contains(&port) {
            reusable.push(port);
        }
    }
    reusable
}

/// Ports that no app uses, in ascending order.
struct Free {
    used: Vec<bool>,
    rest: std::ops::RangeInclusive<u16>,
}

impl Free {
    fn new(draft: &Draft<'_>, (lowest, highest): (u16, u16)) -> Self {
        let mut used = vec![false; usize::from(u16::MAX) + 1];
        used[0] = true; // means "none yet"
        let touched = draft.apps.iter().filter_map(|id| draft.root.apps.get(id));
        for app in draft.base.apps.values().chain(touched) {
            for definition in &app.spec.ports {
                used[usize::from(definition.port)] = true;
            }
        }
        Self { used, rest: lowest..=highest }
    }

    fn take(&mut self) -> Option<u16> {
        let used = &self.used;
        self.rest.find(|port| !used[usize::from(*port)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::testing::{at, path, root, spec};

    fn assigned(base: &str, put: &[&str], range: (u16, u16)) -> Result<String, Rejection> {
        let base = root(base);
        let mut draft = Draft::new(&base, at(7));
        for line in put {
            draft.put_app(spec(line));
        }
        assign(&mut draft, range)?;
        let ports = |id: &PathId| -> Vec<String> {
            draft.root.apps[id].spec.ports.iter().map(|definition| definition.port.to_string()).collect()
        };
        Ok(draft.apps.iter().map(|id| format!("{id}:{}", ports(id).join(","))).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn zero_ports_get_numbers() {
        for (base, put, expected) in [
            ("", &["/a :0"][..], "/a:10"),
            ("", &["/a :0,0"], "/a:10,11"),
            ("/x :10", &["/a :0"], "/a:11"),
            ("/a :12", &["/a :0"], "/a:12"),                 // its own
            ("/a :13,12", &["/a :0,0"], "/a:13,12"),         // in their order
            ("/a :12,13", &["/a :12,0"], "/a:12,13"),        // the one that is not named
            ("/a :12", &["/a :0,0"], "/a:12,10"),            // more than before
            ("/a :99", &["/a :0"], "/a:10"),                 // its own lies outside
            ("/a :10", &["/a :11", "/b :0"], "/a:11 /b:12"), // what /a had before is not free yet
            ("", &["/a :0", "/b :10"], "/a:11 /b:10"),       // chosen in the same change
            ("/x :10", &["/a :10"], "/a:10"),                // chosen by hand: may be shared
            ("", &["/a :0", "/b :0,0"], "/a:10 /b:11,12"),
            ("", &["/a"], "/a:"),
        ] {
            assert_eq!(assigned(base, put, (10, 14)).as_deref(), Ok(expected), "{base:?} {put:?}");
        }
    }

    #[test]
    fn a_change_is_refused_when_no_port_is_left() {
        assert_eq!(assigned("/x :10", &["/a :0"], (10, 11)).as_deref(), Ok("/a:11"));
        assert_eq!(assigned("/x :10", &["/a :0,0"], (10, 11)), Err(Rejection::NoServicePortLeft(10, 11)));
        assert_eq!(assigned("", &["/a :0"], (12, 11)), Err(Rejection::NoServicePortLeft(12, 11)));
    }

    #[test]
    fn an_app_that_is_not_touched_keeps_its_ports() {
        let base = root("/a :10\n/b :11");
        let mut draft = Draft::new(&base, at(7));
        draft.restart_app(&path("/a"));
        assign(&mut draft, (10, 20)).unwrap();
        assert!(Arc::ptr_eq(&draft.root.apps[&path("/a")], &base.apps[&path("/a")]));
    }
}

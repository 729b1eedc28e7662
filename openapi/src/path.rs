//! Path ids of apps and groups: `/shop/backend/api`.
//!
//! A path id is segments of lowercase letters, digits and inner hyphens; a segment may be several such labels joined by dots.
//! On input ids may be relative, climb with `..`, and have superfluous slashes; what is stored and printed is the canonical
//! absolute form.

use crate::error::Violations;

/// Last segments that mean something else in a URL.
pub const RESERVED: [&str; 5] = ["restart", "tasks", "versions", ".", ".."];

/// Longest canonical id, in characters.
///
/// Task ids are the id plus up to 62 characters, and a task id must be usable as the name of a file (255 bytes).
pub const MAX_LENGTH: usize = 190;

const SEGMENT_PATTERN: &str =
    r"^(([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])\.)*([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])|(\.|\.\.)$";

/// Whether `id`, absolute or relative, consists of nothing but valid segments, `..` and slashes.
pub fn is_well_formed(id: &str) -> bool {
    id.split('/').all(|segment| segment.is_empty() || segment == ".." || is_segment(segment))
}

fn is_segment(segment: &str) -> bool {
    segment.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.as_bytes().iter().all(inner)
}

/// The canonical absolute form of `id`; a relative one is taken from `base`, which must be absolute.
///
/// Empty segments and `.` mean nothing, `..` climbs and stays at the root when there is nothing above.
pub fn resolve(id: &str, base: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let from_base = if id.starts_with('/') { "" } else { base };
    for segment in from_base.split('/').chain(id.split('/')) {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    format!("/{}", segments.join("/"))
}

/// The canonical absolute form of an id out of a URL, where slashes at the front, at the end and in a row mean nothing.
///
/// # Errors
/// What is wrong with the id, at the path `/id`.
pub fn from_url(id: &str) -> Result<String, Violations> {
    let mut violations = Violations::new();
    if !is_well_formed(id) {
        violations.add("/id", format!("must fully match regular expression '{SEGMENT_PATTERN}'"));
        return Err(violations);
    }
    Ok(resolve(id, "/"))
}

/// The group that directly contains `id`; the root contains itself.
pub fn parent(id: &str) -> &str {
    match id.rfind('/') {
        None | Some(0) => "/",
        Some(end) => &id[..end],
    }
}

/// Whether `id` is directly below `group` (both canonical).
pub fn is_child(id: &str, group: &str) -> bool {
    id != "/" && parent(id) == group
}

/// Why a canonical id may not be the id of an app, if so.
pub fn problem(id: &str) -> Option<String> {
    if id == "/" {
        return Some("Path must contain at least one path element".to_owned());
    }
    group_problem(id)
}

/// Why a canonical id may not be the id of a group, if so. Unlike an app's it may be the root.
pub fn group_problem(id: &str) -> Option<String> {
    let last = id.rsplit('/').next().unwrap_or_default();
    if RESERVED.contains(&last) {
        return Some(format!("must not end with any of the following reserved keywords: {}", RESERVED.join(", ")));
    }
    if id.len() > MAX_LENGTH {
        return Some(format!("must not be longer than {MAX_LENGTH} characters"));
    }
    if !is_well_formed(id) {
        return Some(format!("must fully match regular expression '{SEGMENT_PATTERN}'"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_resolve_to_their_canonical_form() {
        for (id, base, canonical) in [
            ("web", "/", "/web"),
            ("/web", "/shop", "/web"),
            ("api", "/shop/backend", "/shop/backend/api"),
            ("../db/pg", "/shop/backend", "/shop/db/pg"),
            ("../../../x", "/shop", "/x"),
            ("//shop///web//", "/", "/shop/web"),
            ("shop/./web/", "/", "/shop/web"),
            ("", "/shop", "/shop"),
            ("..", "/shop", "/"),
            ("/", "/shop", "/"),
        ] {
            assert_eq!(resolve(id, base), canonical, "{id} from {base}");
        }
    }

    #[test]
    fn segments_are_lowercase_labels_joined_by_dots() {
        for id in ["a", "/a/b", "a-b", "1", "a.b.c", "../a", "a//b", "/", "", "v1.2-x/y"] {
            assert!(is_well_formed(id), "{id}");
        }
        for id in ["A", "a_b", "-a", "a-", "a..b", ".a", "a.", "a b", "/a/b*", "ä", ".", "...", "a/-/b"] {
            assert!(!is_well_formed(id), "{id}");
        }
    }

    #[test]
    fn an_app_id_is_not_the_root_not_reserved_and_not_too_long() {
        assert_eq!(problem("/a/tasks-2"), None);
        assert_eq!(problem("/restart/a"), None);
        for id in ["/", "/a/restart", "/tasks", "/a/versions"] {
            assert!(problem(id).is_some(), "{id}");
        }
        assert_eq!(problem(&format!("/{}", "a".repeat(MAX_LENGTH - 1))), None);
        assert!(problem(&format!("/{}", "a".repeat(MAX_LENGTH))).is_some());
    }

    #[test]
    fn parents_and_children_are_told_apart() {
        for (id, group) in [("/a/b/c", "/a/b"), ("/a", "/"), ("/", "/")] {
            assert_eq!(parent(id), group);
        }
        assert!(is_child("/a/b", "/a") && is_child("/a", "/"));
        assert!(!is_child("/a/b/c", "/a") && !is_child("/", "/") && !is_child("/ab", "/a"));
    }

    #[test]
    fn an_id_in_a_url_may_have_superfluous_slashes() {
        assert_eq!(from_url("/prod//web/").as_deref(), Ok("/prod/web"));
        assert!(from_url("Prod").is_err());
    }
}

//! Groups: the tree that apps live in.

use std::collections::BTreeMap;

use marathon_time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::{App, AppInfo, AppUpdate, read_app},
    error::Refusal,
    path,
    read::{Node, document},
};

/// A group with what is in it. Which of the lists are filled is a matter of `embed`; they are always there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "/prod", "apps": [], "pods": [], "groups": [], "dependencies": [],
    "version": "2020-03-01T12:00:00.000Z"
}))]
pub struct GroupInfo {
    /// Absolute path of the group.
    pub id: String,
    /// Apps directly in the group.
    pub apps: Vec<AppInfo>,
    /// Pods directly in the group: none.
    #[schema(value_type = Vec<Object>)]
    pub pods: Vec<serde_json::Value>,
    /// Groups directly in the group.
    #[schema(no_recursion)]
    pub groups: Vec<GroupInfo>,
    /// Groups that must be up before anything in this one is started.
    pub dependencies: Vec<String>,
    /// When anything in the tree changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    pub version: Option<Timestamp>,
    /// Whether everything in the group has the group's name as its role; absent means no. Top-level groups only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub enforce_role: Option<bool>,
}

/// What a POST or PUT of a group asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupChange {
    /// Make the group, or what is in it, like this.
    Update(GroupUpdate),
    /// Multiply the instances of every app in the subtree, rounding up. Finite and not negative.
    ScaleBy(f64),
    /// Go back to that version of the subtree.
    Rollback(Timestamp),
}

/// What a group should be. A list that is there is complete: what it does not name goes. A list that is absent stays.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupUpdate {
    /// Canonical id.
    pub id: String,
    /// Apps directly in the group, canonical and checked, with distinct ids.
    pub apps: Option<Vec<App>>,
    /// Groups directly in the group, with distinct ids.
    pub groups: Option<Vec<GroupUpdate>>,
    /// Canonical ids.
    pub dependencies: Option<Vec<String>>,
    /// Never true: roles are not supported.
    pub enforce_role: Option<bool>,
}

/// Body of POST and PUT of groups, as it may be written.
///
/// For documentation only: bodies are read by [`parse_update`].
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "/shop", "dependencies": ["/infra"],
    "groups": [{ "id": "backend", "apps": [{ "id": "api", "cmd": "./api", "instances": 2, "dependencies": ["../db/pg"] }] }]
}))]
pub struct GroupBody {
    /// Path of the group, absolute or relative to the enclosing one; may be left out where the URL says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<String>,
    /// All apps that should be directly in the group, as in `POST /v2/apps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<AppUpdate>)]
    pub apps: Option<Vec<serde_json::Value>>,
    /// All groups that should be directly in the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion, nullable = false)]
    pub groups: Option<Vec<GroupBody>>,
    /// Groups that must be up before anything in this one is started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub dependencies: Option<Vec<String>>,
    /// By what the instances of every app below are multiplied. Alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub scale_by: Option<f64>,
    /// Version to go back to. Alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    pub version: Option<Timestamp>,
    /// Must not be true.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub enforce_role: Option<bool>,
}

/// What `body` asks for, sent to the group with the canonical id `base` (that of the URL, `/` if it names none).
///
/// # Errors
/// 400 or 422 with everything that is wrong, in apps and groups at any depth.
pub fn parse_update(body: &[u8], base: &str) -> Result<GroupChange, Refusal> {
    document(body, |node| {
        if !node.is_object() {
            return None;
        }
        let version = node.member("version").timestamp();
        let scale_by = node.member("scaleBy").number(0.0..=f64::MAX);
        refuse_company(node);
        if let Some(version) = version {
            return Some(GroupChange::Rollback(version));
        }
        if let Some(factor) = scale_by {
            return Some(GroupChange::ScaleBy(factor));
        }
        let id = node.member("id").path_id();
        let id = id.map_or_else(|| base.to_owned(), |id| path::resolve(&id, base));
        if let Some(message) = path::group_problem(&id) {
            node.member("id").nonsense(message);
        }
        Some(GroupChange::Update(read_group(node, id)))
    })
}

/// The `enforceRole` of a PATCH, if it says anything about it.
///
/// # Errors
/// 400 or 422 with everything that is wrong.
pub fn parse_patch(body: &[u8]) -> Result<Option<bool>, Refusal> {
    document(body, |node| {
        let enforce_role = node.is_object().then(|| node.member("enforceRole").boolean());
        node.member("enforceRole").unsupported(|value| value == false);
        enforce_role
    })
}

/// `version` and `scaleBy` stand alone.
fn refuse_company(node: &Node<'_>) {
    const MEMBERS: [&str; 7] = ["id", "apps", "groups", "dependencies", "enforceRole", "version", "scaleBy"];
    let given = MEMBERS.iter().filter(|name| node.member(name).is_present()).count();
    for name in ["version", "scaleBy"] {
        if given > 1 && node.member(name).is_present() {
            node.member(name).nonsense("not allowed in conjunction with other properties.");
        }
    }
}

fn read_group(node: &Node<'_>, id: String) -> GroupUpdate {
    let apps = node.member("apps").list(|item| read_app_in(item, &id));
    let groups = node.member("groups").list(|item| read_group_in(item, &id));
    let dependencies = node.member("dependencies").list(|item| {
        let dependency = path::resolve(&item.path_id()?, &id);
        if let Some(message) = path::group_problem(&dependency) {
            item.nonsense(message);
        }
        Some(dependency)
    });
    // Marathon overlooks pods here, as they have endpoints of their own. What was sent would be stored by halves.
    node.member("pods").unsupported(|pods| pods.as_array().is_some_and(Vec::is_empty));
    let enforce_role = node.member("enforceRole").boolean();
    if enforce_role == Some(true) {
        let message = if id != "/" && path::is_child(&id, "/") {
            "enforceRole is not supported by this server".to_owned()
        } else {
            format!("enforceRole can only be set for top-level groups, and {id} is not top-level")
        };
        node.member("enforceRole").nonsense(message);
    }
    GroupUpdate {
        apps: apps.map(|apps| distinct(&node.member("apps"), apps, |app| &app.id)),
        groups: groups.map(|groups| distinct(&node.member("groups"), groups, |group| &group.id)),
        dependencies: dependencies.map(crate::app::unique),
        enforce_role,
        id,
    }
}

fn read_app_in(node: &Node<'_>, group: &str) -> Option<App> {
    let update = read_app(node);
    let id = path::resolve(update.id.as_deref()?, group);
    require_child(node, &id, group);
    update.complete(&id).map_err(|violations| node.all_nonsense(violations)).ok()
}

fn read_group_in(node: &Node<'_>, group: &str) -> Option<GroupUpdate> {
    if !node.is_object() {
        return None;
    }
    let id = path::resolve(&node.required("id").path_id()?, group);
    require_child(node, &id, group);
    if let Some(message) = path::group_problem(&id) {
        node.member("id").nonsense(message);
    }
    for name in ["version", "scaleBy"] {
        if node.member(name).is_present() {
            node.member(name).nonsense(format!("{name} is only allowed in the outermost group, and alone"));
        }
    }
    Some(read_group(node, id))
}

fn require_child(node: &Node<'_>, id: &str, group: &str) {
    if !path::is_child(id, group) {
        node.member("id").nonsense(format!("Identifier is not child of '{group}'"));
    }
}

/// The items of a set: equal ones collapse, different ones must not have one id.
fn distinct<T: PartialEq>(list: &Node<'_>, items: Vec<T>, id: impl Fn(&T) -> &String) -> Vec<T> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept: Vec<T> = Vec::with_capacity(items.len());
    for item in items {
        match seen.get(id(&item)) {
            Some(earlier) if kept[*earlier] == item => {}
            Some(_) => list.nonsense(format!("{} is given more than once", id(&item))),
            None => {
                seen.insert(id(&item).clone(), kept.len());
                kept.push(item);
            }
        }
    }
    kept
}

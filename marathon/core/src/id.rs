//! Identifiers of what users ask for and of what runs for it.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use substrate_core::protocol::TaskId;
use uuid::Uuid;

/// Absolute, normalized path of an app or a group: `/shop/cart`; the root group is `/`. Holding one means it was checked.
///
/// Segments are labels of lower-case letters, digits and inner dashes, joined with dots (Marathon REST reference, path ids).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathId(Arc<str>);

/// The text is not an absolute, normalized path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an absolute path of lower-case labels such as '/shop/cart'")]
pub struct InvalidPath(pub String);

impl PathId {
    /// The root group.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// The text, with its leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root group.
    pub fn is_root(&self) -> bool {
        &*self.0 == "/"
    }

    /// The segments from the root down; none for the root.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0[1..].split('/').filter(|segment| !segment.is_empty())
    }

    /// The enclosing group; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        match self.0.rfind('/') {
            Some(0) | None => Some(Self::root()),
            Some(slash) => Some(Self(self.0[..slash].into())),
        }
    }

    /// Every enclosing group from the parent up to the root.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Whether this is `group` itself or lies anywhere below it.
    pub fn is_within(&self, group: &Self) -> bool {
        group.is_root() || self.0.strip_prefix(&*group.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Segments joined with `_`: `/a/b` → `a_b`. Reversible, because segments have no `_`.
    pub fn safe(&self) -> String {
        self.0[1..].replace('/', "_")
    }

    /// Segments in reverse order joined with dots: `/a/b` → `b.a`. The name in discovery.
    pub fn host_name(&self) -> String {
        self.segments().rev().collect::<Vec<_>>().join(".")
    }
}

/// Ordered as its text, so that maps by path can be asked for ranges of text.
impl Borrow<str> for PathId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PathId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PathId {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidPath(text.to_owned());
        let rest = text.strip_prefix('/').ok_or_else(invalid)?;
        if !rest.is_empty() && !rest.split('/').all(is_segment) {
            return Err(invalid());
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for PathId {
    type Error = InvalidPath;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PathId> for String {
    fn from(id: PathId) -> Self {
        id.0.as_ref().to_owned()
    }
}

fn is_segment(segment: &str) -> bool {
    segment.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    })
}

/// One slot of a run spec; keeps its id when its task is replaced: `shop_cart.instance-<uuid>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceId {
    /// Whose slot.
    pub spec: PathId,
    /// Time-based (version 1) UUID.
    pub uuid: Uuid,
}

/// The text is not an instance or task id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid task id '{0}'.")]
pub struct InvalidTaskId(pub String);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.instance-{}", self.spec.safe(), self.uuid)
    }
}

impl FromStr for InstanceId {
    type Err = InvalidTaskId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidTaskId(text.to_owned());
        let (safe, uuid) =
            text.rsplit_once(".instance-").or_else(|| text.rsplit_once(".marathon-")).ok_or_else(invalid)?;
        let spec = format!("/{}", safe.replace('_', "/")).parse().map_err(|_| invalid())?;
        Ok(Self { spec, uuid: Uuid::try_parse(uuid).map_err(|_| invalid())? })
    }
}

impl TryFrom<String> for InstanceId {
    type Error = InvalidTaskId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<InstanceId> for String {
    fn from(id: InstanceId) -> Self {
        id.to_string()
    }
}

/// What a task id of ours says: `<instance id>._app.<incarnation>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskName {
    /// The slot that it runs for.
    pub instance: InstanceId,
    /// Counts the launches of the instance, from 1. Zero for the old form without incarnation.
    pub incarnation: u32,
}

impl TaskName {
    /// The id under which the substrate knows it.
    pub fn task_id(&self) -> TaskId {
        TaskId::new(format!("{}._app.{}", self.instance, self.incarnation))
    }
}

impl FromStr for TaskName {
    type Err = InvalidTaskId;

    /// Understands `<instance id>._app.<n>`, `<instance id>.<container>.<n>`, `<instance id>.<container>` and a bare instance id.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidTaskId(text.to_owned());
        let marker = text.rfind(".instance-").or_else(|| text.rfind(".marathon-")).ok_or_else(invalid)?;
        let uuid_start = marker + ".instance-".len();
        let rest = text.get(uuid_start..).ok_or_else(invalid)?;
        let (uuid, tail) = rest.split_once('.').map_or((rest, None), |(uuid, tail)| (uuid, Some(tail)));
        let instance = text[..uuid_start + uuid.len()].parse().map_err(|_| invalid())?;
        let incarnation = match tail.and_then(|tail| tail.rsplit_once('.')) {
            Some((_, number)) => number.parse().map_err(|_| invalid())?,
            None => 0,
        };
        Ok(Self { instance, incarnation })
    }
}

/// A deployment: a random (version 4) UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeploymentId(pub Uuid);

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_know_their_relatives() {
        let cart: PathId = "/shop/eu/cart".parse().unwrap();
        assert_eq!(cart.parent().unwrap().as_str(), "/shop/eu");
        assert_eq!(cart.ancestors().map(String::from).collect::<Vec<_>>(), ["/shop/eu", "/shop", "/"]);
        assert!(cart.is_within(&"/shop".parse().unwrap()) && cart.is_within(&PathId::root()) && cart.is_within(&cart));
        assert!(!cart.is_within(&"/sho".parse().unwrap()));
        assert_eq!((cart.safe().as_str(), cart.host_name().as_str()), ("shop_eu_cart", "cart.eu.shop"));
    }

    #[test]
    fn what_is_no_absolute_path_is_refused() {
        for text in
            ["", "shop", "/Shop", "/shop/", "//shop", "/shop//cart", "/a_b", "/-a", "/a-", "/a..b", "/.", "/..", "/é"]
        {
            assert_eq!(text.parse::<PathId>(), Err(InvalidPath(text.to_owned())), "{text}");
        }
        for text in ["/", "/a", "/a.b-c/d2"] {
            assert_eq!(text.parse::<PathId>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn task_ids_name_their_instance_and_incarnation() {
        let text = "shop_my.cart.instance-7c2a1e60-0f6d-11ea-8f5e-70b3d5800001._app.3";
        let name: TaskName = text.parse().unwrap();
        assert_eq!((name.instance.spec.as_str(), name.incarnation), ("/shop/my.cart", 3));
        assert_eq!(name.task_id().as_str(), text);
        for text in ["", "x", "a.instance-", "a.instance-7c2a1e60-0f6d-11ea-8f5e-70b3d5800001._app.x", "é.instance-é"]
        {
            assert_eq!(text.parse::<TaskName>(), Err(InvalidTaskId(text.to_owned())), "{text}");
        }
    }
}

//! Names as the zone keeps them.

use std::{borrow::Borrow, fmt, sync::Arc};

use crate::label::MAX_LABEL;

/// A domain name: lower case, without the dot at the end, each label of 1 to 63 printable ASCII characters, at most 253 in all.
///
/// Holding one means that DNS can carry it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Longest name in this form: 255 bytes on the wire.
    const MAX: usize = 253;

    /// The name spelled `text`, in any case; none if DNS cannot carry it.
    pub fn new(text: &str) -> Option<Self> {
        let label_fits =
            |label: &str| (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_graphic());
        (text.len() <= Self::MAX && text.split('.').all(label_fits)).then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// The text, without the dot at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name above: this one without its first label. None above a single label.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, parent)| Self(parent.into()))
    }

    /// Whether this is `domain` or below it.
    pub fn is_within(&self, domain: &Self) -> bool {
        is_within(&self.0, domain.as_str())
    }
}

/// Whether `name` is `domain` or below it; both in lower case.
pub(crate) fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// With the dot at the end, as Mesos-DNS prints names.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.", self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_dns_can_carry_is_a_name() {
        let label = "x".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "x".repeat(61));
        for text in ["mesos", "api.web.prod", "_http._api._tcp.marathon.mesos", "a%b", &label, &longest] {
            assert_eq!(Name::new(text).unwrap().as_str(), text);
        }
        for text in ["", ".", "a.", ".a", "a..b", "a b", "ä", &format!("x{label}"), &format!("{longest}x")] {
            assert_eq!(Name::new(text), None, "{text}");
        }
        assert_eq!(Name::new("API.Mesos").unwrap().to_string(), "api.mesos.");
    }

    #[test]
    fn a_domain_contains_itself_and_what_is_below() {
        let domain = Name::new("mesos").unwrap();
        for (text, within) in [("mesos", true), ("a.b.mesos", true), ("xmesos", false), ("mesos.com", false)] {
            assert_eq!(Name::new(text).unwrap().is_within(&domain), within, "{text}");
        }
        assert_eq!(Name::new("a.b.mesos").unwrap().parent(), Name::new("b.mesos"));
        assert_eq!(domain.parent(), None);
    }
}

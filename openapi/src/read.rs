//! Reading JSON so that every fault is found, each with its path.
//!
//! A [`Node`] is a place in the document. Asking it for a type gives the value, or notes what is wrong and gives nothing;
//! asking an absent or `null` place gives nothing silently, as `null` means absent everywhere in this API.
//! Types and bounds are *syntax* and are reported first; what the members mean together is *sense*.

use std::{cell::RefCell, collections::BTreeMap, fmt::Write, ops::RangeInclusive};

use marathon_time::Timestamp;
use serde_json::Value;

use crate::error::{Refusal, Violations};

/// No amount of anything in a request may be greater, so that sums in thousandths stay exact.
pub(crate) const MAX_AMOUNT: f64 = 1e12;

/// How much of an object is repeated in the message that it lacks a member, in characters.
const MAX_EXCERPT: usize = 1000;

/// Reads `body` with `read`.
///
/// # Errors
/// 400 when it is not JSON, 422 with all faults of syntax, or, if there are none, 422 with all faults of sense.
pub(crate) fn document<T>(body: &[u8], read: impl FnOnce(&Node<'_>) -> Option<T>) -> Result<T, Refusal> {
    let value: Value = serde_json::from_slice(body).map_err(|error| Refusal::malformed(body, error.to_string()))?;
    let findings = Findings::default();
    let root = Node { value: &value, must_be: true, step: Step::Root, parent: None, findings: &findings };
    let result = read(&root);
    let (syntax, sense) = (findings.syntax.into_inner(), findings.sense.into_inner());
    if !syntax.is_empty() {
        return Err(Refusal::invalid_json(syntax));
    }
    if !sense.is_empty() {
        return Err(Refusal::not_valid(sense));
    }
    result.ok_or_else(|| Refusal::unprocessable("the request is incomplete"))
}

#[derive(Default)]
struct Findings {
    syntax: RefCell<Violations>,
    sense: RefCell<Violations>,
}

/// One place in the document, with the way to it.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    value: &'a Value,
    /// `null` is a fault here rather than absence: the root, and the items of lists.
    must_be: bool,
    step: Step<'a>,
    parent: Option<&'a Node<'a>>,
    findings: &'a Findings,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Member(&'a str),
    Item(usize),
}

impl<'a> Node<'a> {
    /// The member `name`; absent when this is not an object or has none.
    pub fn member<'b>(&'b self, name: &'b str) -> Node<'b> {
        let value = self.value.get(name).unwrap_or(&Value::Null);
        Node { value, must_be: false, step: Step::Member(name), parent: Some(self), findings: self.findings }
    }

    /// The member `name`, whose absence is a fault.
    pub fn required<'b>(&'b self, name: &'b str) -> Node<'b> {
        let member = self.member(name);
        if !member.is_present() {
            let mut excerpt = self.value.to_string();
            if let Some((end, _)) = excerpt.char_indices().nth(MAX_EXCERPT) {
                excerpt.truncate(end);
                excerpt.push('…');
            }
            member.fault(format!("'{name}' is undefined on object: {excerpt}"));
        }
        member
    }

    /// Whether there is a value other than `null`.
    pub fn is_present(&self) -> bool {
        !self.value.is_null()
    }

    /// The value as it is.
    pub fn raw(&self) -> &'a Value {
        self.value
    }

    /// Notes a fault of syntax here.
    pub fn fault(&self, token: impl Into<String>) {
        self.findings.syntax.borrow_mut().add(self.path(), token);
    }

    /// Notes a fault of sense here.
    pub fn nonsense(&self, message: impl Into<String>) {
        let path = self.path();
        let path = if path.is_empty() { "/".to_owned() } else { path };
        self.findings.sense.borrow_mut().add(path, message);
    }

    /// Notes the faults of sense that a later look at this object found.
    pub fn all_nonsense(&self, violations: Violations) {
        self.findings.sense.borrow_mut().absorb(&self.path(), violations);
    }

    /// Notes that a member is known but not supported, unless it is absent or `harmless` says that it asks for nothing.
    pub fn unsupported(&self, harmless: impl FnOnce(&Value) -> bool) {
        if let Step::Member(name) = self.step
            && self.is_present()
            && !harmless(self.value)
        {
            self.nonsense(format!("{name} is not supported by this server"));
        }
    }

    /// Whether this is an object; anything else but absence is a fault.
    pub fn is_object(&self) -> bool {
        if !self.value.is_object() {
            self.wrong::<()>("error.expected.jsobject");
        }
        self.value.is_object()
    }

    /// Any text.
    pub fn text(&self) -> Option<String> {
        match self.value.as_str() {
            Some(text) => Some(text.to_owned()),
            None => self.wrong("error.expected.jsstring"),
        }
    }

    /// A text whose number of characters is within `length`.
    pub fn text_of(&self, length: RangeInclusive<usize>) -> Option<String> {
        let text = self.text()?;
        let count = text.chars().count();
        if count < *length.start() {
            self.fault("error.minLength");
        } else if count > *length.end() {
            self.fault("error.maxLength");
        }
        Some(text)
    }

    /// A path id, absolute or relative.
    pub fn path_id(&self) -> Option<String> {
        let text = self.text_of(1..=usize::MAX)?;
        if !crate::path::is_well_formed(&text) {
            self.fault("error.pattern");
        }
        Some(text)
    }

    /// A date-time.
    pub fn timestamp(&self) -> Option<Timestamp> {
        let text = self.text()?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.fault("error.expected.date.isoformat");
        }
        parsed
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        let value = self.value.as_bool();
        if value.is_none() {
            return self.wrong("error.expected.jsboolean");
        }
        value
    }

    /// A number within `range`. Never more than [`MAX_AMOUNT`].
    pub fn number(&self, range: RangeInclusive<f64>) -> Option<f64> {
        let Value::Number(number) = self.value else {
            return self.wrong("error.expected.jsnumber");
        };
        let value = number.as_f64()? + 0.0; // so that -0.0 becomes 0.0
        if value < *range.start() {
            self.fault("error.min");
        } else if value > range.end().min(MAX_AMOUNT) {
            self.fault("error.max");
        }
        Some(value)
    }

    /// A whole number of 32 bits, not negative.
    pub fn natural(&self) -> Option<u32> {
        let value = self.integer("error.expected.int", i64::from(i32::MIN)..=i64::from(i32::MAX))?;
        self.at_least_zero(value).and_then(|value| u32::try_from(value).ok())
    }

    /// A whole number of 64 bits, not negative.
    pub fn long(&self) -> Option<u64> {
        let value = self.integer("error.expected.long", i64::MIN..=i64::MAX)?;
        self.at_least_zero(value).and_then(|value| u64::try_from(value).ok())
    }

    /// A port number, or 0.
    pub fn port(&self) -> Option<u16> {
        let value = self.natural()?;
        let port = u16::try_from(value).ok();
        if port.is_none() {
            self.fault("error.max");
        }
        port
    }

    fn integer(&self, token: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let Value::Number(number) = self.value else {
            return self.wrong("error.expected.jsnumber");
        };
        let whole = |value: f64| (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64);
        let value = number.as_i64().or_else(|| number.as_f64().and_then(whole));
        let value = value.filter(|value| range.contains(value));
        if value.is_none() {
            self.fault(token);
        }
        value
    }

    fn at_least_zero(&self, value: i64) -> Option<i64> {
        if value < 0 {
            self.fault("error.min");
            return None;
        }
        Some(value)
    }

    /// One of the names in `table`, in whatever case.
    pub fn one_of<E: Copy>(&self, table: &[(&str, E)]) -> Option<E> {
        let text = self.text()?;
        let found = table.iter().find(|(name, _)| name.eq_ignore_ascii_case(&text)).map(|(_, value)| *value);
        if found.is_none() {
            self.fault("error.unknown.enum.literal");
        }
        found
    }

    /// A list; `read` is asked for every item.
    pub fn list<T>(&self, read: impl Fn(&Node<'_>) -> Option<T>) -> Option<Vec<T>> {
        let Value::Array(items) = self.value else {
            return self.wrong("error.expected.jsarray");
        };
        let item = |(index, value)| {
            read(&Node { value, must_be: true, step: Step::Item(index), parent: Some(self), findings: self.findings })
        };
        Some(items.iter().enumerate().filter_map(item).collect())
    }

    /// A map; `read` is asked for every value that is not `null`.
    pub fn map<T>(&self, read: impl Fn(&Node<'_>) -> Option<T>) -> Option<BTreeMap<String, T>> {
        let Value::Object(members) = self.value else {
            return self.wrong("error.expected.jsobject");
        };
        let mut map = BTreeMap::new();
        for name in members.keys() {
            if let Some(value) = read(&self.member(name)) {
                map.insert(name.clone(), value);
            }
        }
        Some(map)
    }

    /// Notes that the value is of the wrong type, unless it is merely absent.
    fn wrong<T>(&self, token: &'static str) -> Option<T> {
        if self.is_present() || self.must_be {
            self.fault(token);
        }
        None
    }

    /// The way here: `/fetch(1)/uri`; empty for the document itself.
    fn path(&self) -> String {
        let mut steps = vec![self.step];
        let mut place = self.parent;
        while let Some(node) = place {
            steps.push(node.step);
            place = node.parent;
        }
        let mut path = String::new();
        for step in steps.into_iter().rev() {
            match step {
                Step::Root => {}
                Step::Member(name) => {
                    path.push('/');
                    path.push_str(name);
                }
                Step::Item(index) => write!(path, "({index})").expect("writing to a string cannot fail"),
            }
        }
        path
    }
}

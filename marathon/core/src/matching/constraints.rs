//! Constraints: where instances may go.
//!
//! [`Rules`] are the constraints of one app, prepared for one round: expressions compiled, instances counted per value. Placements made in
//! the round are added with [`Rules::add`], so that nothing is counted twice.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
};

use regex::Regex;
use substrate_core::{
    protocol::offer::{Attribute, AttributeValue, Domain, Offer},
    resources::Scalar,
};

use crate::{
    instance::Task,
    spec::{Constraint, Operator},
};

/// What constraints compare: an agent as it is offered, or as it was when a task was placed there.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    host: &'a str,
    domain: Option<&'a Domain>,
    attributes: &'a [Attribute],
}

impl<'a> From<&'a Offer> for Site<'a> {
    fn from(offer: &'a Offer) -> Self {
        Self { host: &offer.hostname, domain: offer.domain.as_ref(), attributes: &offer.attributes }
    }
}

impl<'a> From<&'a Task> for Site<'a> {
    fn from(task: &'a Task) -> Self {
        Self { host: &task.host, domain: task.domain.as_ref(), attributes: &task.attributes }
    }
}

impl<'a> Site<'a> {
    /// The value that a constraint on `field` sees here; `None`: there is none.
    ///
    /// `hostname`, `@hostname`, `@region`, `@zone`; anything else is the first attribute of that name.
    pub fn value(self, field: &str) -> Option<Cow<'a, str>> {
        match field {
            "hostname" | "@hostname" => Some(self.host.into()),
            "@region" => self.domain.map(|domain| domain.region.as_str().into()),
            "@zone" => self.domain.map(|domain| domain.zone.as_str().into()),
            name => {
                let attribute = self.attributes.iter().find(|attribute| attribute.name == name)?;
                Some(attribute_text(&attribute.value))
            }
        }
    }
}

/// Attributes as constraints compare them: scalars without needless zeros, ranges and sets sorted.
fn attribute_text(value: &AttributeValue) -> Cow<'_, str> {
    match value {
        AttributeValue::Text(text) => text.into(),
        AttributeValue::Scalar(scalar) => scalar.to_string().into(),
        AttributeValue::Ranges(ranges) => {
            let mut ranges = ranges.clone();
            ranges.sort_unstable();
            let texts: Vec<String> = ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect();
            format!("[{}]", texts.join(",")).into()
        }
        AttributeValue::Set(items) => {
            let mut items: Vec<&str> = items.iter().map(String::as_str).collect();
            items.sort_unstable();
            format!("{{{}}}", items.join(",")).into()
        }
    }
}

/// Whether some constraint is about the fault domain, so that the app may leave the region of the master.
pub fn mention_fault_domain(constraints: &[Constraint]) -> bool {
    constraints.iter().any(|constraint| matches!(constraint.field.as_str(), "@region" | "@zone"))
}

/// Expressions compiled so far, by their text; kept for a round.
#[derive(Debug, Default)]
pub struct Expressions(BTreeMap<String, Option<Regex>>);

impl Expressions {
    /// Matches whole texts only. `None`: it is no valid expression, which validation should have refused.
    fn get(&mut self, text: &str) -> Option<Regex> {
        match self.0.entry(text.to_owned()) {
            Entry::Occupied(entry) => entry.get().clone(),
            Entry::Vacant(entry) => entry.insert(whole(text)).clone(),
        }
    }
}

fn whole(text: &str) -> Option<Regex> {
    // The line feed ends a comment in an expression that begins with `(?x)`, the only place where it is not taken literally.
    Regex::new(&format!(r"\A(?:{text})\z")).or_else(|_| Regex::new(&format!("\\A(?:{text}\n)\\z"))).ok()
}

/// The constraints of one app, and how its instances that count lie.
#[derive(Clone, Debug)]
pub struct Rules {
    fixed: Vec<Fixed>,
    tallies: Vec<Tally>,
    instances: u32,
}

/// A rule that looks at nothing but the site.
#[derive(Clone, Debug)]
struct Fixed {
    field: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Like(Option<Regex>),
    Unlike(Option<Regex>),
    Is { given: String, normalized: String },
}

/// A rule that depends on where others are.
#[derive(Clone, Debug)]
struct Tally {
    field: String,
    rule: Counting,
    /// Every value seen so far, numbered in the order in which it was seen.
    values: BTreeMap<String, usize>,
    /// Instances per value, by number.
    counts: Vec<u32>,
    /// Number of the value of the first instance that has one.
    first: Option<usize>,
    /// Values with instances.
    groups: u32,
}

#[derive(Clone, Copy, Debug)]
enum Counting {
    Unique,
    Cluster,
    MaxPer(u32),
    /// Never zero.
    GroupBy(u32),
    GroupByAll,
}

impl Counting {
    fn is_group_by(self) -> bool {
        match self {
            Self::GroupBy(_) | Self::GroupByAll => true,
            Self::Unique | Self::Cluster | Self::MaxPer(_) => false,
        }
    }
}

/// A site as the counting rules of one [`Rules`] see it: the number of its value for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position(Vec<usize>);

impl Rules {
    /// Prepares `constraints` of an app with so many `instances` as target, whose instances that count lie on these sites, oldest first.
    pub fn new<'a>(
        constraints: &[Constraint],
        instances: u32,
        placed: impl IntoIterator<Item = Site<'a>>,
        expressions: &mut Expressions,
    ) -> Self {
        let mut rules = Self { fixed: Vec::new(), tallies: Vec::new(), instances };
        for constraint in constraints {
            rules.push(constraint, expressions);
        }
        if !rules.tallies.is_empty() {
            for site in placed {
                rules.add(site);
            }
        }
        rules
    }

    fn push(&mut self, constraint: &Constraint, expressions: &mut Expressions) {
        let test = match &constraint.operator {
            Operator::Like(text) => Test::Like(expressions.get(text)),
            Operator::Unlike(text) => Test::Unlike(expressions.get(text)),
            Operator::Is(text) => is(text),
            // One value for all, given beforehand: the same as IS, but taken literally.
            Operator::Cluster(Some(text)) if !text.is_empty() => {
                Test::Is { given: text.clone(), normalized: text.clone() }
            }
            Operator::Cluster(_) => return self.count(constraint, Counting::Cluster),
            Operator::Unique => return self.count(constraint, Counting::Unique),
            Operator::MaxPer(most) => return self.count(constraint, Counting::MaxPer(*most)),
            Operator::GroupBy(None | Some(0)) => return self.count(constraint, Counting::GroupByAll),
            Operator::GroupBy(Some(groups)) => return self.count(constraint, Counting::GroupBy(*groups)),
        };
        self.fixed.push(Fixed { field: constraint.field.clone(), test });
    }

    fn count(&mut self, constraint: &Constraint, rule: Counting) {
        self.tallies.push(Tally {
            field: constraint.field.clone(),
            rule,
            values: BTreeMap::new(),
            counts: Vec::new(),
            first: None,
            groups: 0,
        });
    }

    /// Where a site stands, if it satisfies all that does not depend on other instances; `None`: it never will.
    pub fn locate(&mut self, site: Site<'_>) -> Option<Position> {
        if !self.fixed.iter().all(|fixed| fixed.accepts(site)) {
            return None;
        }
        let numbers = self.tallies.iter_mut().map(|tally| Some(tally.number(site.value(&tally.field)?)));
        numbers.collect::<Option<_>>().map(Position)
    }

    /// Whether another instance may go there, as things are.
    pub fn accept(&self, position: &Position) -> bool {
        self.tallies.iter().zip(&position.0).all(|(tally, value)| tally.accepts(*value, self.instances))
    }

    /// Whether [`Rules::accept`] may become true again after it was false: `GROUP_BY` allows that when others fill up, or when an instance
    /// of another version, with other constraints, opens a group.
    pub fn may_accept_later(&self) -> bool {
        self.tallies.iter().any(|tally| tally.rule.is_group_by())
    }

    /// How full the fullest `GROUP_BY` group of the position is; 0 without such constraints. Only grows.
    pub fn crowding(&self, position: &Position) -> u32 {
        let groups = self.tallies.iter().zip(&position.0).filter(|(tally, _)| tally.rule.is_group_by());
        groups.map(|(tally, value)| tally.counts[*value]).max().unwrap_or(0)
    }

    /// An instance that counts is there now.
    pub fn add(&mut self, site: Site<'_>) {
        for tally in &mut self.tallies {
            if let Some(value) = site.value(&tally.field) {
                tally.add(value);
            }
        }
    }
}

impl Fixed {
    fn accepts(&self, site: Site<'_>) -> bool {
        let value = site.value(&self.field);
        match &self.test {
            Test::Like(expression) => {
                value.zip(expression.as_ref()).is_some_and(|(value, expression)| expression.is_match(&value))
            }
            Test::Unlike(expression) => match (value, expression) {
                (None, _) => true,
                (Some(value), Some(expression)) => !expression.is_match(&value),
                (Some(_), None) => false,
            },
            Test::Is { given, normalized } => value.is_some_and(|value| value == *given || value == *normalized),
        }
    }
}

impl Tally {
    fn number(&mut self, value: Cow<'_, str>) -> usize {
        if let Some(number) = self.values.get(&*value) {
            return *number;
        }
        let number = self.counts.len();
        self.values.insert(value.into_owned(), number);
        self.counts.push(0);
        number
    }

    fn add(&mut self, value: Cow<'_, str>) {
        let number = self.number(value);
        self.first.get_or_insert(number);
        if self.counts[number] == 0 {
            self.groups += 1;
        }
        self.counts[number] += 1;
    }

    fn accepts(&self, value: usize, instances: u32) -> bool {
        let count = self.counts[value];
        match self.rule {
            Counting::Unique => count == 0,
            Counting::Cluster => self.first.is_none_or(|first| first == value),
            Counting::MaxPer(most) => count < most,
            Counting::GroupBy(groups) if count == 0 => self.groups < groups,
            Counting::GroupBy(groups) => {
                let per_group = instances / groups;
                let over = |count: u32| u64::from(count.saturating_sub(per_group));
                let used: u64 = self.counts.iter().map(|count| over(*count)).sum();
                count < per_group || (count == per_group && used < u64::from(instances % groups))
            }
            Counting::GroupByAll => {
                count == 0 || self.counts.iter().filter(|other| **other > 0).all(|other| *other >= count)
            }
        }
    }
}

/// `IS`: what looks like a non-negative decimal number is also compared as the scalar that it is.
fn is(text: &str) -> Test {
    Test::Is { given: text.to_owned(), normalized: normalized(text).unwrap_or_else(|| text.to_owned()) }
}

/// `1.0` → `1`: rounded half-even to three decimals, without needless zeros. `None`: no decimal number, or far too large for a scalar.
fn normalized(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !fraction.is_none_or(digits) {
        return None;
    }
    let fraction = fraction.unwrap_or("");
    let (kept, cut) = fraction.split_at(fraction.len().min(3));
    let mut thousandths =
        whole.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(format!("{kept:0<3}").parse().ok()?)?;
    let half = cut.starts_with('5') && cut[1..].bytes().all(|digit| digit == b'0');
    let up = if half { thousandths % 2 == 1 } else { cut.as_bytes().first().is_some_and(|digit| *digit >= b'5') };
    if up {
        thousandths = thousandths.checked_add(1)?;
    }
    Some(Scalar::from_thousandths(thousandths).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(name: &str, value: AttributeValue) -> Attribute {
        Attribute { name: name.into(), value }
    }

    fn text(name: &str, value: &str) -> Attribute {
        attribute(name, AttributeValue::Text(value.into()))
    }

    fn site(attributes: &[Attribute]) -> Site<'_> {
        Site { host: "node-1", domain: None, attributes }
    }

    /// Whether an instance may go to `rack` = `offered` when others are on the racks `placed` (`-`: no such attribute).
    fn accepts(operator: Operator, instances: u32, placed: &[&str], offered: &str) -> bool {
        let racks: Vec<Vec<Attribute>> = placed.iter().map(|rack| rack_of(rack)).collect();
        let constraint = Constraint { field: "rack".into(), operator };
        let placed = racks.iter().map(|attributes| site(attributes));
        let mut rules = Rules::new(&[constraint], instances, placed, &mut Expressions::default());
        let position = rules.locate(site(&rack_of(offered)));
        position.is_some_and(|position| rules.accept(&position))
    }

    fn rack_of(rack: &str) -> Vec<Attribute> {
        if rack == "-" { vec![] } else { vec![text("other", "x"), text("rack", rack), text("rack", "second")] }
    }

    #[test]
    fn operators_that_count_look_at_where_the_others_are() {
        use Operator::{Cluster, GroupBy, MaxPer, Unique};
        // operator, placed on racks, offered => accepted
        for (operator, placed, offered, accepted) in [
            (Unique, vec![], "a", true),
            (Unique, vec!["b", "-"], "a", true),
            (Unique, vec!["a"], "a", false),
            (Unique, vec![], "-", false),
            (Cluster(None), vec![], "a", true),
            (Cluster(None), vec!["a", "b"], "a", true),
            (Cluster(None), vec!["a", "b"], "b", false),
            (Cluster(None), vec!["-", "b"], "b", true),
            (Cluster(None), vec![], "-", false),
            (Cluster(Some(String::new())), vec!["a"], "b", false),
            (Cluster(Some(String::new())), vec!["a"], "a", true),
            (Cluster(Some("a".into())), vec![], "a", true),
            (Cluster(Some("a".into())), vec!["b"], "a", true),
            (Cluster(Some("a".into())), vec![], "b", false),
            (Cluster(Some("a".into())), vec![], "-", false),
            (MaxPer(2), vec!["a"], "a", true),
            (MaxPer(2), vec!["a", "b", "a"], "a", false),
            (MaxPer(2), vec!["a", "b", "a"], "b", true),
            (MaxPer(0), vec![], "a", false),
            (MaxPer(2), vec![], "-", false),
            (GroupBy(None), vec![], "a", true),
            (GroupBy(None), vec!["a"], "a", true),
            (GroupBy(None), vec!["a", "b"], "a", true),
            (GroupBy(None), vec!["a", "a", "b"], "a", false),
            (GroupBy(None), vec!["a", "a", "b"], "b", true),
            (GroupBy(None), vec!["a", "a", "b", "b"], "c", true),
            (GroupBy(None), vec![], "-", false),
            (GroupBy(Some(0)), vec!["a", "a", "b"], "a", false),
            (GroupBy(Some(3)), vec![], "-", false),
        ] {
            let name = format!("{operator:?} {placed:?} {offered}");
            assert_eq!(accepts(operator, 9, &placed, offered), accepted, "{name}");
        }
    }

    #[test]
    fn group_by_with_a_number_fills_that_many_groups_evenly() {
        // instances, groups, racks that are offered in turn until nothing is taken => instances per rack
        for (instances, groups, racks, expected) in [
            (9, 3, vec!["a", "b", "c"], vec![3, 3, 3]),
            (10, 3, vec!["a", "b", "c"], vec![4, 3, 3]),
            (11, 3, vec!["a", "b", "c"], vec![4, 4, 3]),
            (9, 2, vec!["a", "b", "c"], vec![5, 4, 0]),
            (9, 4, vec!["a", "b", "c"], vec![3, 2, 2]),
            (2, 3, vec!["a", "b", "c", "d"], vec![1, 1, 0, 0]),
        ] {
            let mut placed: Vec<&str> = vec![];
            let mut refused = 0;
            for rack in racks.iter().cycle() {
                if placed.len() == instances as usize || refused == racks.len() {
                    break;
                }
                if accepts(Operator::GroupBy(Some(groups)), instances, &placed, rack) {
                    placed.push(rack);
                    refused = 0;
                } else {
                    refused += 1;
                }
            }
            let counts: Vec<usize> =
                racks.iter().map(|rack| placed.iter().filter(|other| *other == rack).count()).collect();
            assert_eq!(counts, expected, "{instances} over {groups}");
        }
    }

    #[test]
    fn operators_that_compare_look_at_the_value_alone() {
        use Operator::{Is, Like, Unlike};
        let like = |text: &str| Like(text.into());
        let unlike = |text: &str| Unlike(text.into());
        let is = |text: &str| Is(text.into());
        // operator, offered => accepted
        for (operator, offered, accepted) in [
            (like("rack-[1-3]"), "rack-2", true),
            (like("rack-[1-3]"), "rack-22", false),
            (like("rack-[1-3]"), "my-rack-2", false),
            (like("a|ab"), "ab", true),
            (like("a|b"), "ab", false),
            (like(""), "", true),
            (like("(?x) a # or so"), "a", true),
            (like(".*"), "-", false),
            (like("("), "(", false),
            (unlike("rack-[1-3]"), "rack-2", false),
            (unlike("rack-[1-3]"), "rack-22", true),
            (unlike("rack-[1-3]"), "-", true),
            (unlike("("), "a", false),
            (is("a"), "a", true),
            (is("a"), "b", false),
            (is("a"), "-", false),
            (is(""), "", true),
            (is("1.0"), "1", true),
            (is("1.0"), "1.0", true),
            (is("1"), "1.0", false),
        ] {
            let name = format!("{operator:?} {offered}");
            assert_eq!(accepts(operator, 1, &[], offered), accepted, "{name}");
        }
    }

    #[test]
    fn attributes_compare_as_texts() {
        let scalar = |thousandths| AttributeValue::Scalar(Scalar::from_thousandths(thousandths));
        for (value, text) in [
            (AttributeValue::Text(" As Is ".into()), " As Is "),
            (scalar(50_000), "50"),
            (scalar(1_500), "1.5"),
            (scalar(125), "0.125"),
            (AttributeValue::Ranges(vec![(7, 9), (1, 3)]), "[1-3,7-9]"),
            (AttributeValue::Ranges(vec![]), "[]"),
            (AttributeValue::Set(vec!["b".into(), "a".into()]), "{a,b}"),
        ] {
            let attributes = [attribute("x", value)];
            assert_eq!(site(&attributes).value("x").as_deref(), Some(text));
        }
    }

    #[test]
    fn fields_name_the_host_the_fault_domain_or_an_attribute() {
        let domain = Domain { region: "eu".into(), zone: "eu-1".into() };
        let attributes = [text("hostname", "fake"), text("@zone", "fake"), text("rack", "a"), text("rack", "b")];
        let with = Site { domain: Some(&domain), ..site(&attributes) };
        for (field, value) in [
            ("hostname", Some("node-1")),
            ("@hostname", Some("node-1")),
            ("@region", Some("eu")),
            ("@zone", Some("eu-1")),
            ("rack", Some("a")),
            ("Rack", None),
        ] {
            assert_eq!(with.value(field).as_deref(), value, "{field}");
        }
        assert_eq!(site(&attributes).value("@zone"), None);
    }

    #[test]
    fn numbers_are_normalized_to_three_decimals() {
        for (text, expected) in [
            ("1", Some("1")),
            ("1.0", Some("1")),
            ("007.50", Some("7.5")),
            ("0.0005", Some("0")),
            ("0.0015", Some("0.002")),
            ("0.00251", Some("0.003")),
            ("0.9996", Some("1")),
            ("", None),
            (".5", None),
            ("1.", None),
            ("-1", None),
            ("1.2.3", None),
            ("1e3", None),
            ("99999999999999999999", None),
            ("9223372036854775807", None),
        ] {
            assert_eq!(normalized(text).as_deref(), expected, "{text}");
        }
    }
}

//! Placement constraints: `["hostname", "UNIQUE"]`.

use serde::{Deserialize, Serialize};

/// One checked placement constraint. On the wire it is an array of two or three texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub struct Constraint {
    /// `hostname`, `@hostname`, `@region`, `@zone`, or the name of an agent attribute. Not empty.
    pub field: String,
    /// How the field's values are compared.
    pub operator: Operator,
    /// What with. A regular expression that compiles for LIKE and UNLIKE, a number for MAX_PER and (if there) GROUP_BY.
    pub value: Option<String>,
}

/// How a constraint compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// At most one instance per value of the field.
    Unique,
    /// All instances on one value of the field.
    Cluster,
    /// Instances evenly over the values of the field.
    GroupBy,
    /// The field's value matches a regular expression.
    Like,
    /// The field's value does not match a regular expression.
    Unlike,
    /// At most so many instances per value of the field.
    MaxPer,
    /// The field has that value.
    Is,
}

impl Operator {
    const TABLE: [(&'static str, Self); 7] = [
        ("UNIQUE", Self::Unique),
        ("CLUSTER", Self::Cluster),
        ("GROUP_BY", Self::GroupBy),
        ("LIKE", Self::Like),
        ("UNLIKE", Self::Unlike),
        ("MAX_PER", Self::MaxPer),
        ("IS", Self::Is),
    ];

    /// The operator of that name, which must be in upper case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::TABLE.iter().find(|(known, _)| *known == name).map(|(_, operator)| *operator)
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unique => "UNIQUE",
            Self::Cluster => "CLUSTER",
            Self::GroupBy => "GROUP_BY",
            Self::Like => "LIKE",
            Self::Unlike => "UNLIKE",
            Self::MaxPer => "MAX_PER",
            Self::Is => "IS",
        }
    }

    /// What is wrong with a value for this operator, if anything.
    fn fault_of(self, value: Option<&str>) -> Option<&'static str> {
        let is_count = |text: &str| text.parse::<i32>().is_ok_and(|count| count >= 0);
        match self {
            Self::Unique => value.map(|_| "UNIQUE does not accept a value"),
            Self::Cluster => None,
            Self::GroupBy => {
                (!value.is_none_or(is_count)).then_some("GROUP BY must define an integer value or else no value at all")
            }
            Self::MaxPer => (!value.is_some_and(is_count)).then_some("MAX_PER requires an integer value"),
            Self::Like | Self::Unlike => match value {
                None | Some("") => Some("LIKE and UNLIKE require a non-empty, regular expression value"),
                Some(pattern) => (!is_pattern(pattern)).then_some("is not a valid regular expression"),
            },
            Self::Is => (!value.is_none_or(is_attribute_text))
                .then_some("IS only supports Mesos text and float values (letters, digits, '_', '/', '.' and '-')"),
        }
    }
}

fn is_pattern(pattern: &str) -> bool {
    regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().is_ok()
}

fn is_attribute_text(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "_/.-".contains(c))
}

impl TryFrom<Vec<String>> for Constraint {
    /// The message for the user.
    type Error = &'static str;

    fn try_from(parts: Vec<String>) -> Result<Self, Self::Error> {
        let mut parts = parts.into_iter();
        let (Some(field), Some(operator), value, None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("Each constraint must have either 2 or 3 fields");
        };
        if field.is_empty() {
            return Err("illegal constraint specification");
        }
        let Some(operator) = Operator::from_name(&operator) else {
            return Err("operator must be one of the following UNIQUE, CLUSTER, GROUP_BY, LIKE, MAX_PER, UNLIKE or IS");
        };
        match operator.fault_of(value.as_deref()) {
            Some(fault) => Err(fault),
            None => Ok(Self { field, operator, value }),
        }
    }
}

impl From<Constraint> for Vec<String> {
    fn from(constraint: Constraint) -> Self {
        let mut parts = vec![constraint.field, constraint.operator.name().to_owned()];
        parts.extend(constraint.value);
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_has_its_rule_for_the_value() {
        for (parts, is_right) in [
            (&["hostname", "UNIQUE"][..], true),
            (&["hostname", "UNIQUE", ""], false),
            (&["rack", "CLUSTER"], true),
            (&["rack", "CLUSTER", "r1"], true),
            (&["rack", "GROUP_BY"], true),
            (&["rack", "GROUP_BY", "3"], true),
            (&["rack", "GROUP_BY", "three"], false),
            (&["rack", "LIKE", "r[1-3]"], true),
            (&["rack", "LIKE"], false),
            (&["rack", "LIKE", ""], false),
            (&["rack", "LIKE", "r["], false),
            (&["rack", "LIKE", "((a{1000}){1000}){1000}"], false),
            (&["rack", "UNLIKE", ".*"], true),
            (&["rack", "UNLIKE", "*"], false),
            (&["rack", "MAX_PER", "2"], true),
            (&["rack", "MAX_PER"], false),
            (&["rack", "MAX_PER", "-1"], false),
            (&["rack", "MAX_PER", "2.5"], false),
            (&["rack", "IS"], true),
            (&["rack", "IS", "a/b-c_d.1"], true),
            (&["rack", "IS", "a b"], false),
            (&["rack", "unique"], false),
            (&["rack", "NEAR"], false),
            (&["", "UNIQUE"], false),
            (&["rack"], false),
            (&["rack", "IS", "a", "b"], false),
        ] {
            let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            let constraint = Constraint::try_from(parts.clone());
            assert_eq!(constraint.is_ok(), is_right, "{parts:?}");
            if let Ok(constraint) = constraint {
                assert_eq!(Vec::from(constraint), parts);
            }
        }
    }
}

//! The texts that agents are configured with: `cpus:4;mem:8192;ports:[31000-32000]`, `rack:a;zone:b`.

use std::{collections::BTreeSet, str::FromStr};

use super::{Kind, Quantity, Ranges, Resources, Scalar};
use crate::protocol::offer::{Attribute, AttributeValue};

/// Why a text is no description of resources or attributes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// An item has no name or no value.
    #[error("'{item}' is not of the form name:value")]
    NotNamed {
        /// The item.
        item: String,
    },
    /// The role in the parentheses after a name is missing or malformed.
    #[error("the role of '{item}' is malformed")]
    BadRole {
        /// The item.
        item: String,
    },
    /// The value is none of the forms for amounts.
    #[error(
        "'{name}' has the value '{value}', which is neither a number, nor ranges like [1-3,7-7], nor a set like {{a,b}}"
    )]
    NoAmount {
        /// The resource.
        name: String,
        /// The text after the colon.
        value: String,
    },
    /// A scalar below zero or above [`Scalar::LARGEST`].
    #[error("'{name}' has the value '{value}', which is not between 0 and 1000000000000")]
    OutOfRange {
        /// The resource.
        name: String,
        /// The text after the colon.
        value: String,
    },
    /// A range is malformed.
    #[error("'{name}' has the range '{range}', which is not of the form first-last with first at most last")]
    BadRange {
        /// The resource or attribute.
        name: String,
        /// The range.
        range: String,
    },
    /// A well-known resource has an amount of the wrong type.
    #[error("'{name}' must be {expected}, but its value is '{value}'")]
    WrongType {
        /// The resource.
        name: String,
        /// What it must be.
        expected: &'static str,
        /// The text after the colon.
        value: String,
    },
}

impl FromStr for Resources {
    type Err = ParseError;

    /// Items `name:amount` or `name(role):amount`, separated by semicolons; the role `*` is nobody's. Repeated ones add up.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut resources = Self::new();
        for item in items(text) {
            let (name, value) = named(item)?;
            let kind = parse_kind(name, item)?;
            let quantity = parse_quantity(&kind.name, value)?;
            resources.insert(kind, quantity);
        }
        Ok(resources)
    }
}

/// Attributes of an agent: items `name:value` separated by semicolons, in their order. A value is a decimal number, ranges in
/// brackets, a set in braces, or any other text, which may contain colons.
///
/// # Errors
/// An item without a name or a value; malformed ranges.
pub fn parse_attributes(text: &str) -> Result<Vec<Attribute>, ParseError> {
    let mut attributes = Vec::new();
    for item in items(text) {
        let (name, value) = named(item)?;
        let value = if let Some(inner) = enclosed(value, '[', ']') {
            AttributeValue::Ranges(parse_ranges(name, inner)?.into())
        } else if let Some(inner) = enclosed(value, '{', '}') {
            AttributeValue::Set(members(inner).map(str::to_owned).collect())
        } else if let Some(number) = decimal(value) {
            AttributeValue::Scalar(Scalar::from_f64(number))
        } else {
            AttributeValue::Text(value.to_owned())
        };
        attributes.push(Attribute { name: name.to_owned(), value });
    }
    Ok(attributes)
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split([';', '\n']).map(str::trim).filter(|item| !item.is_empty())
}

fn members(inner: &str) -> impl Iterator<Item = &str> {
    inner.split(',').map(str::trim).filter(|member| !member.is_empty())
}

fn named(item: &str) -> Result<(&str, &str), ParseError> {
    match item.split_once(':').map(|(name, value)| (name.trim(), value.trim())) {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name, value)),
        Some(_) | None => Err(ParseError::NotNamed { item: item.to_owned() }),
    }
}

fn parse_kind(name: &str, item: &str) -> Result<Kind, ParseError> {
    let Some((name, role)) = name.split_once('(') else {
        return Ok(Kind::unreserved(name));
    };
    let bad = || ParseError::BadRole { item: item.to_owned() };
    let role = role.strip_suffix(')').map(str::trim).ok_or_else(bad)?;
    match role {
        "*" => Ok(Kind::unreserved(name.trim())),
        "" => Err(bad()),
        role if role.contains(['(', ')', ' ']) || name.trim().is_empty() => Err(bad()),
        role => Ok(Kind::reserved(name.trim(), role)),
    }
}

fn parse_quantity(name: &str, value: &str) -> Result<Quantity, ParseError> {
    let quantity = if let Some(inner) = enclosed(value, '[', ']') {
        Quantity::Ranges(parse_ranges(name, inner)?)
    } else if let Some(inner) = enclosed(value, '{', '}') {
        Quantity::Set(members(inner).map(str::to_owned).collect::<BTreeSet<_>>())
    } else {
        Quantity::Scalar(parse_scalar(name, value)?)
    };
    let expected = match (name, &quantity) {
        ("cpus" | "mem" | "disk" | "gpus", Quantity::Ranges(_) | Quantity::Set(_)) => "a number",
        ("ports", Quantity::Scalar(_) | Quantity::Set(_)) => "ranges",
        (_, Quantity::Scalar(_) | Quantity::Ranges(_) | Quantity::Set(_)) => return Ok(quantity),
    };
    Err(ParseError::WrongType { name: name.to_owned(), expected, value: value.to_owned() })
}

fn parse_scalar(name: &str, value: &str) -> Result<Scalar, ParseError> {
    let number =
        decimal(value).ok_or_else(|| ParseError::NoAmount { name: name.to_owned(), value: value.to_owned() })?;
    let scalar = Scalar::from_f64(number);
    if (Scalar::ZERO..=Scalar::LARGEST).contains(&scalar) {
        return Ok(scalar);
    }
    Err(ParseError::OutOfRange { name: name.to_owned(), value: value.to_owned() })
}

fn parse_ranges(name: &str, inner: &str) -> Result<Ranges, ParseError> {
    let mut intervals = Vec::new();
    for range in members(inner) {
        let bounds = range.split_once('-').map(|(first, last)| (first.trim().parse(), last.trim().parse()));
        match bounds {
            Some((Ok(first), Ok(last))) if first <= last => intervals.push((first, last)),
            Some(_) | None => {
                return Err(ParseError::BadRange { name: name.to_owned(), range: range.to_owned() });
            }
        }
    }
    Ok(intervals.into_iter().collect())
}

fn enclosed(value: &str, open: char, close: char) -> Option<&str> {
    value.strip_prefix(open)?.strip_suffix(close)
}

/// Digits with an optional sign and point; not the exponents, infinities and other forms that floating-point texts may have.
fn decimal(value: &str) -> Option<f64> {
    let plain = value.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    plain.then(|| value.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::bundle::tests::any_resources, *};

    #[test]
    fn the_text_form_is_read_and_printed() {
        let resources: Resources =
            " cpus:4; mem:8192;disk:10240;ports:[31000-31999, 32000-32000];cpus(dev):0.5;nics:{b,a} ".parse().unwrap();
        assert_eq!(resources.scalar("cpus"), Scalar::from_f64(4.5));
        assert_eq!(resources.scalar("mem"), Scalar::from_units(8192));
        assert_eq!(resources.ports().intervals(), [(31000, 32000)]);
        assert_eq!(resources.to_string(), "cpus:4;cpus(dev):0.5;disk:10240;mem:8192;ports:[31000-32000];nics:{a,b}");
        assert_eq!("".parse::<Resources>(), Ok(Resources::new()));
        assert_eq!("cpus:1;cpus(*):1".parse::<Resources>().unwrap().to_string(), "cpus:2");
    }

    #[test]
    fn a_text_that_is_no_description_says_what_is_wrong_with_it() {
        for (text, error) in [
            ("cpus", "'cpus' is not of the form name:value"),
            (":4", "':4' is not of the form name:value"),
            ("cpus:;mem:1", "'cpus:' is not of the form name:value"),
            (
                "cpus:many",
                "'cpus' has the value 'many', which is neither a number, nor ranges like [1-3,7-7], nor a set like {a,b}",
            ),
            (
                "cpus:nan",
                "'cpus' has the value 'nan', which is neither a number, nor ranges like [1-3,7-7], nor a set like {a,b}",
            ),
            ("cpus:-1", "'cpus' has the value '-1', which is not between 0 and 1000000000000"),
            ("cpus:1000000000001", "'cpus' has the value '1000000000001', which is not between 0 and 1000000000000"),
            ("cpus():1", "the role of 'cpus():1' is malformed"),
            ("cpus(dev:1", "the role of 'cpus(dev:1' is malformed"),
            ("(dev):1", "the role of '(dev):1' is malformed"),
            ("ports:[5-3]", "'ports' has the range '5-3', which is not of the form first-last with first at most last"),
            ("ports:[5]", "'ports' has the range '5', which is not of the form first-last with first at most last"),
            ("ports:31000", "'ports' must be ranges, but its value is '31000'"),
            ("mem:[1-2]", "'mem' must be a number, but its value is '[1-2]'"),
        ] {
            assert_eq!(text.parse::<Resources>().unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn attributes_keep_their_order_and_types() {
        let attributes =
            parse_attributes("rack:a;zone:b;slots:1.5;ids:[1-2,7-7];kinds:{ssd,gpu};url:http://x:80;sha:12e4;rack:c");
        let text = |value: &str| AttributeValue::Text(value.into());
        let expected = [
            ("rack", text("a")),
            ("zone", text("b")),
            ("slots", AttributeValue::Scalar(Scalar::from_thousandths(1500))),
            ("ids", AttributeValue::Ranges(vec![(1, 2), (7, 7)])),
            ("kinds", AttributeValue::Set(vec!["ssd".into(), "gpu".into()])),
            ("url", text("http://x:80")),
            ("sha", text("12e4")),
            ("rack", text("c")),
        ];
        let expected = expected.map(|(name, value)| Attribute { name: name.into(), value });
        assert_eq!(attributes.unwrap(), expected);
        assert_eq!(parse_attributes("rack"), Err(ParseError::NotNamed { item: "rack".into() }));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(resources in any_resources()) {
            prop_assert_eq!(resources.to_string().parse::<Resources>().unwrap(), resources);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<Resources>();
            let _ = parse_attributes(&text);
        }
    }
}

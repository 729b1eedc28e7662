//! Label selectors: `tier==web, env in (prod, staging)`.

use std::{collections::BTreeMap, iter::Peekable, str::CharIndices};

/// A parsed label selector: all of its terms must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    key: String,
    test: Test,
}

/// What must hold for the value of a label that exists. A label that does not exist fails every test, also the negative ones.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Equals(String),
    Differs(String),
    In(Vec<String>),
    NotIn(Vec<String>),
}

/// The text is not a label selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Can not parse label selector '{selector}': expected {expected} at character {position}")]
pub struct InvalidSelector {
    /// The whole text.
    pub selector: String,
    /// What should have stood there.
    pub expected: &'static str,
    /// Where, counted from 1.
    pub position: usize,
}

impl LabelSelector {
    /// Parses `text`: terms joined by commas, each `key`, `key==value`, `key!=value`, `key in (a, b)` or `key notin (a, b)`.
    ///
    /// Keys and values consist of letters, digits, `-`, `_` and `.`; anything else must have a backslash before it.
    ///
    /// # Errors
    /// What was expected, and where.
    pub fn parse(text: &str) -> Result<Self, InvalidSelector> {
        let mut parser = Parser { text, rest: text.char_indices().peekable() };
        let mut terms = vec![parser.term()?];
        while parser.eat(',') {
            terms.push(parser.term()?);
        }
        parser.skip_space();
        if parser.rest.peek().is_some() {
            return Err(parser.expected("',' or the end"));
        }
        Ok(Self { terms })
    }

    /// Whether all terms hold for these labels.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.terms.iter().all(|term| labels.get(&term.key).is_some_and(|value| term.test.holds(value)))
    }
}

impl Test {
    fn holds(&self, value: &String) -> bool {
        match self {
            Test::Exists => true,
            Test::Equals(wanted) => value == wanted,
            Test::Differs(unwanted) => value != unwanted,
            Test::In(wanted) => wanted.contains(value),
            Test::NotIn(unwanted) => !unwanted.contains(value),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
}

impl Parser<'_> {
    fn term(&mut self) -> Result<Term, InvalidSelector> {
        let key = self.word("a label name")?;
        let test = match self.next_char() {
            None | Some(',') => Test::Exists,
            Some('=') => {
                self.operator('=')?;
                Test::Equals(self.word("a value")?)
            }
            Some('!') => {
                self.operator('!')?;
                Test::Differs(self.word("a value")?)
            }
            Some(_) => self.set_test()?,
        };
        Ok(Term { key, test })
    }

    /// `==` or `!=`, the first character being known.
    fn operator(&mut self, first: char) -> Result<(), InvalidSelector> {
        self.eat(first);
        match self.rest.next_if(|(_, next)| *next == '=') {
            Some(_) => Ok(()),
            None => Err(self.expected("'='")),
        }
    }

    fn set_test(&mut self) -> Result<Test, InvalidSelector> {
        const OPERATORS: &str = "'==', '!=', 'in', 'notin' or ','";
        let before = self.expected(OPERATORS);
        let operator = self.word(OPERATORS)?;
        match operator.as_str() {
            "in" => Ok(Test::In(self.set()?)),
            "notin" => Ok(Test::NotIn(self.set()?)),
            _ => Err(before),
        }
    }

    fn set(&mut self) -> Result<Vec<String>, InvalidSelector> {
        if !self.eat('(') {
            return Err(self.expected("'('"));
        }
        let mut values = vec![self.word("a value")?];
        while self.eat(',') {
            values.push(self.word("a value")?);
        }
        if !self.eat(')') {
            return Err(self.expected("',' or ')'"));
        }
        Ok(values)
    }

    fn word(&mut self, what: &'static str) -> Result<String, InvalidSelector> {
        self.skip_space();
        let mut word = String::new();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        while let Some((_, next)) = self.rest.next_if(|(_, next)| *next == '\\' || plain(*next)) {
            if next != '\\' {
                word.push(next);
                continue;
            }
            match self.rest.next() {
                Some((_, escaped)) => word.push(escaped),
                None => return Err(self.expected("a character after the backslash")),
            }
        }
        if word.is_empty() { Err(self.expected(what)) } else { Ok(word) }
    }

    fn next_char(&mut self) -> Option<char> {
        self.skip_space();
        self.rest.peek().map(|(_, next)| *next)
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.skip_space();
        self.rest.next_if(|(_, next)| *next == wanted).is_some()
    }

    fn skip_space(&mut self) {
        while self.rest.next_if(|(_, next)| next.is_whitespace()).is_some() {}
    }

    fn expected(&mut self, expected: &'static str) -> InvalidSelector {
        self.skip_space();
        let offset = self.rest.peek().map_or(self.text.len(), |(offset, _)| *offset);
        let position = self.text[..offset].chars().count() + 1;
        InvalidSelector { selector: self.text.to_owned(), expected, position }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_selector_holds_when_all_its_terms_hold() {
        let labels = labels(&[("tier", "web"), ("env", "prod"), ("a b", "x=y"), ("in", "1")]);
        for (selector, holds) in [
            ("tier", true),
            ("none", false),
            ("tier==web", true),
            ("tier == db", false),
            ("tier!=db", true),
            ("tier != web", false),
            ("none!=db", false), // the label must exist
            ("env in (prod, staging)", true),
            ("env in(staging)", false),
            ("env notin (staging)", true),
            ("env notin ( prod ,staging )", false),
            ("none notin (prod)", false),
            ("tier==web, env==prod", true),
            ("tier==web,env==staging", false),
            (r"a\ b==x\=y", true),
            ("in", true),
            ("in in (1)", true),
        ] {
            let parsed = LabelSelector::parse(selector).unwrap();
            assert_eq!(parsed.matches(&labels), holds, "{selector}");
        }
    }

    #[test]
    fn a_text_that_is_no_selector_is_refused_where_it_goes_wrong() {
        for (selector, position, expected) in [
            ("", 1, "a label name"),
            ("  ", 3, "a label name"),
            ("a==", 4, "a value"),
            ("a=b", 3, "'='"),
            ("a!b", 3, "'='"),
            ("a in b", 6, "'('"),
            ("a in (b", 8, "',' or ')'"),
            ("a in ()", 7, "a value"),
            ("a within (b)", 3, "'==', '!=', 'in', 'notin' or ','"),
            ("a,", 3, "a label name"),
            ("a==b c", 6, "',' or the end"),
            ("a\\", 3, "a character after the backslash"),
            ("ä", 1, "a label name"),
        ] {
            let error = LabelSelector::parse(selector).unwrap_err();
            assert_eq!((error.position, error.expected), (position, expected), "{selector}");
            assert!(error.to_string().starts_with("Can not parse label selector"));
        }
    }
}

//! Error bodies, and the collector of everything that is wrong with a request body.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of every answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "message": "Invalid JSON",
    "details": [{ "path": "/instances", "errors": ["error.min"] }]
}))]
pub struct ErrorBody {
    /// What went wrong, in one sentence.
    pub message: String,
    /// The faults field by field, or the parser's own words when the text was not JSON at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub details: Option<ErrorDetails>,
    /// The running deployments that lock what the request wanted to change (409 only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub deployments: Option<Vec<DeploymentRef>>,
}

impl ErrorBody {
    /// A body that has nothing but a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), details: None, deployments: None }
    }
}

/// Either where the faults are, or a plain text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ErrorDetails {
    /// The parser's words about text that is not JSON.
    Text(String),
    /// One entry per field, in the order of their paths.
    Fields(Vec<FieldErrors>),
}

/// All that is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldErrors {
    /// Where: `/healthChecks(0)/portIndex`; `/` or the empty string is the object itself.
    pub path: String,
    /// Tokens such as `error.min`, or sentences. Never empty.
    pub errors: Vec<String>,
}

/// A deployment, named by its id alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct DeploymentRef {
    /// Deployment id, a UUID.
    #[schema(example = "9c9b2c0e-2b7e-4a44-9d55-000000000001")]
    pub id: String,
}

/// A request that was not accepted: the status to answer with, and the body that says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", body.message)]
pub struct Refusal {
    /// HTTP status, 400 (the text is not JSON) or 422 (it is, but not what was asked for).
    pub status: u16,
    /// What to answer.
    pub body: ErrorBody,
}

impl Refusal {
    /// 400 with the parser's words. An empty body gets a message of its own.
    pub fn malformed(body: &[u8], parser_text: String) -> Self {
        let message = if body.trim_ascii().is_empty() { "Please specify data in JSON format" } else { "Invalid JSON" };
        let details = Some(ErrorDetails::Text(parser_text));
        Self { status: 400, body: ErrorBody { message: message.to_owned(), details, deployments: None } }
    }

    /// 422 for well-formed JSON whose types or bounds are wrong.
    pub fn invalid_json(violations: Violations) -> Self {
        Self::with_details("Invalid JSON", violations)
    }

    /// 422 for well-typed JSON that makes no sense, or asks for what this server cannot do.
    pub fn not_valid(violations: Violations) -> Self {
        Self::with_details("Object is not valid", violations.rooted())
    }

    /// 422 with a sentence and no details.
    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self { status: 422, body: ErrorBody::new(message) }
    }

    fn with_details(message: &str, violations: Violations) -> Self {
        let details = Some(ErrorDetails::Fields(violations.into_fields()));
        Self { status: 422, body: ErrorBody { message: message.to_owned(), details, deployments: None } }
    }
}

/// Everything found wrong with one object: messages by path.
///
/// One message is kept once per path. At most [`Violations::MAX`] messages are kept; how many more there were is told in
/// one last message at the object itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    by_path: BTreeMap<String, Vec<String>>,
    kept: usize,
    dropped: usize,
}

impl Violations {
    /// How many messages are kept.
    pub const MAX: usize = 200;

    /// Nothing wrong yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.by_path.is_empty()
    }

    /// Adds one message at `path`.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.kept >= Self::MAX {
            self.dropped += 1;
            return;
        }
        let message = message.into();
        let messages = self.by_path.entry(path.into()).or_default();
        if !messages.contains(&message) {
            messages.push(message);
            self.kept += 1;
        }
    }

    /// Takes over what was found in a part of this object, the part being at `prefix`.
    pub fn absorb(&mut self, prefix: &str, part: Violations) {
        self.dropped += part.dropped;
        for (path, messages) in part.by_path {
            let path = if path == "/" && !prefix.is_empty() { prefix.to_owned() } else { format!("{prefix}{path}") };
            for message in messages {
                self.add(path.clone(), message);
            }
        }
    }

    /// Every path with its messages, in the order of the paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.by_path.iter().map(|(path, messages)| (path.as_str(), messages.as_slice()))
    }

    /// The same with every path written from the root on, as semantic violations are.
    fn rooted(self) -> Self {
        let mut result = Self { dropped: self.dropped, ..Self::default() };
        for (path, messages) in self.by_path {
            let path = if path.starts_with('/') { path } else { format!("/{path}") };
            for message in messages {
                result.add(path.clone(), message);
            }
        }
        result
    }

    /// The `details` of an error body.
    pub fn into_fields(mut self) -> Vec<FieldErrors> {
        if self.dropped > 0 {
            let more = format!("and {} more", self.dropped);
            self.by_path.entry("/".to_owned()).or_default().push(more);
        }
        self.by_path.into_iter().map(|(path, errors)| FieldErrors { path, errors }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_kept_once_per_path() {
        let mut violations = Violations::new();
        violations.add("/cmd", "error.minLength");
        violations.add("/cmd", "error.minLength");
        violations.add("/args", "error.expected.jsarray");
        let fields = violations.into_fields();
        assert_eq!(fields.len(), 2);
        assert_eq!(fields[0].path, "/args");
        assert_eq!(fields[1].errors, ["error.minLength"]);
    }

    #[test]
    fn the_number_of_messages_is_bounded_and_the_rest_is_counted() {
        let mut violations = Violations::new();
        for index in 0..Violations::MAX + 7 {
            violations.add(format!("/args({index})"), "error.expected.jsstring");
        }
        let fields = violations.into_fields();
        assert_eq!(fields.len(), Violations::MAX + 1);
        assert_eq!(fields[0], FieldErrors { path: "/".to_owned(), errors: vec!["and 7 more".to_owned()] });
    }

    #[test]
    fn the_violations_of_a_part_get_its_path() {
        let (mut whole, mut part) = (Violations::new(), Violations::new());
        part.add("/", "must not be root");
        part.add("/id", "bad");
        whole.absorb("/apps(1)", part);
        let paths: Vec<_> = whole.iter().map(|(path, _)| path.to_owned()).collect();
        assert_eq!(paths, ["/apps(1)", "/apps(1)/id"]);
    }

    #[test]
    fn an_error_body_omits_what_it_has_not() {
        let text = serde_json::to_string(&ErrorBody::new("App '/a' does not exist")).unwrap();
        assert_eq!(text, r#"{"message":"App '/a' does not exist"}"#);
        let refusal = Refusal::malformed(b"  ", "EOF".to_owned());
        let text = serde_json::to_string(&refusal.body).unwrap();
        assert_eq!(text, r#"{"message":"Please specify data in JSON format","details":"EOF"}"#);
    }
}

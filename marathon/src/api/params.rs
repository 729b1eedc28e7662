//! Query parameters as clients write them: repeated, unknown ones beside, booleans in any case.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Query};

use super::error::ApiError;

/// The query of a request.
pub struct Params(Vec<(String, String)>);

impl Params {
    /// A boolean: `true` in any case (or the bare name) is true, other texts are false, absent is `default`.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.first(name).map_or(default, |text| text.is_empty() || text.eq_ignore_ascii_case("true"))
    }

    /// The first value of a parameter.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a parameter.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let parse = |text: &str| {
            text.parse().map_err(|_| ApiError::unprocessable(format!("{name} must be a whole number, got '{text}'")))
        };
        self.first(name).map(parse).transpose()
    }
}

impl FromRequest for Params {
    type Error = ApiError;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string());
        let params = pairs.map(|pairs| Self(pairs.into_inner()));
        ready(params.map_err(|error| ApiError::bad_request(format!("The query cannot be read: {error}"))))
    }
}

/// What is embedded in the answer on request. Unknown values are ignored, as they always were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Embed {
    /// Tasks.
    pub tasks: bool,
    /// Counts of tasks.
    pub counts: bool,
    /// Ids of deployments.
    pub deployments: bool,
    /// Results of readiness checks.
    pub readiness: bool,
    /// The last failure.
    pub last_task_failure: bool,
    /// Figures.
    pub task_stats: bool,
}

impl Embed {
    /// What lists of apps always hold.
    pub const LIST: Self = Self {
        tasks: false,
        counts: true,
        deployments: true,
        readiness: false,
        last_task_failure: false,
        task_stats: false,
    };
    /// What single apps always hold.
    pub const SINGLE: Self = Self {
        tasks: true,
        counts: true,
        deployments: true,
        readiness: false,
        last_task_failure: true,
        task_stats: false,
    };

    /// These, and what `values` name after one of `prefixes`.
    pub fn with<'a>(mut self, values: impl Iterator<Item = &'a str>, prefixes: &[&str]) -> Self {
        for value in values {
            let Some(name) = prefixes.iter().find_map(|prefix| value.strip_prefix(prefix)) else { continue };
            match name {
                "tasks" => (self.tasks, self.deployments) = (true, true),
                "counts" => self.counts = true,
                "deployments" => self.deployments = true,
                "readiness" => self.readiness = true,
                "lastTaskFailure" => self.last_task_failure = true,
                "failures" => (self.tasks, self.last_task_failure, self.deployments) = (true, true, true),
                "taskStats" => self.task_stats = true,
                _ => {}
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params(Query::<Vec<(String, String)>>::from_query(query).unwrap().into_inner())
    }

    #[test]
    fn booleans_are_read_as_clients_write_them() {
        let params = params("force=True&scale=False&wipe&x=yes");
        assert!(params.flag("force", false) && !params.flag("scale", true) && params.flag("wipe", false));
        assert!(!params.flag("x", true) && params.flag("absent", true));
    }

    #[test]
    fn embeds_are_known_with_every_prefix_and_unknown_ones_are_ignored() {
        let params = params("embed=apps.tasks&embed=app.counts&embed=lastTaskFailure&embed=nonsense");
        let embed = Embed::default().with(params.all("embed"), &["apps.", "app.", "group.apps.", ""]);
        assert!(embed.tasks && embed.counts && embed.last_task_failure && !embed.task_stats);
    }
}

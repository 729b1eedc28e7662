//! Refusals as HTTP: the one place where they get a status.

use std::fmt;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use marathon_core::{id::InvalidPath, scheduler::Rejection};
use marathon_openapi::error::{DeploymentRef, ErrorBody, ErrorDetails, FieldErrors, Refusal, Violations};
use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder},
};

use crate::service::AskError;

/// An answer that is an error.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

impl ApiError {
    /// An error that is only a sentence.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, body: ErrorBody::new(message) }
    }

    /// 404.
    pub fn not_found(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, message.to_string())
    }

    /// 400.
    pub fn bad_request(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message.to_string())
    }

    /// 422 without details.
    pub fn unprocessable(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message.to_string())
    }

    /// Logs the cause and answers 503: the caller is not to blame.
    pub fn unavailable(cause: &(dyn std::error::Error + 'static), message: &str) -> Self {
        tracing::error!(error = cause, "a request could not be answered");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.body.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status).json(&self.body)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        Self { status, body: refusal.body }
    }
}

impl From<Violations> for ApiError {
    fn from(violations: Violations) -> Self {
        Refusal::not_valid(violations).into()
    }
}

impl From<InvalidPath> for ApiError {
    fn from(invalid: InvalidPath) -> Self {
        Self::unprocessable(invalid)
    }
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Rejected(rejection) => rejection.into(),
            AskError::NotLeading => Self::new(StatusCode::BAD_GATEWAY, error.to_string()),
            AskError::Overloaded | AskError::NotStored | AskError::Unconfirmed => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
        }
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let mut body = ErrorBody::new(rejection.to_string());
        let status = match rejection {
            Rejection::UnknownApp(_)
            | Rejection::UnknownAppVersion(..)
            | Rejection::UnknownGroup(_)
            | Rejection::UnknownDeployment(_)
            | Rejection::NotQueued(_) => StatusCode::NOT_FOUND,
            Rejection::UnknownGroupVersion(..) => StatusCode::UNPROCESSABLE_ENTITY,
            Rejection::AppExists(_)
            | Rejection::GroupExists(_)
            | Rejection::AppInPlaceOfGroup(_)
            | Rejection::Overtaken(_) => StatusCode::CONFLICT,
            Rejection::Locked { by } => {
                body.deployments = Some(by.iter().map(|id| DeploymentRef { id: id.to_string() }).collect());
                StatusCode::CONFLICT
            }
            Rejection::TooManyDeployments(_) => StatusCode::FORBIDDEN,
            Rejection::Invalid(violations) => {
                let mut fields: Vec<FieldErrors> = Vec::new();
                for violation in violations {
                    match fields.iter_mut().find(|field| field.path == violation.path) {
                        Some(field) => field.errors.push(violation.message),
                        None => fields.push(FieldErrors { path: violation.path, errors: vec![violation.message] }),
                    }
                }
                body.details = Some(ErrorDetails::Fields(fields));
                StatusCode::UNPROCESSABLE_ENTITY
            }
            // Marathon answers 500, but a request that asks for one port too many is no fault of the server.
            Rejection::NoServicePortLeft(..) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self { status, body }
    }
}

/// The errors that any endpoint may answer with, for the OpenAPI document.
impl IntoResponses for ApiError {
    fn responses() -> std::collections::BTreeMap<String, RefOr<Response>> {
        let described = [
            ("400", "The request is not well-formed"),
            ("404", "There is no such thing"),
            ("409", "It exists already, or is locked by the deployments named"),
            ("413", "The body is too large"),
            ("422", "The body or a parameter is not valid; `details` names every fault"),
            ("502", "No scheduler leads at the moment"),
            ("503", "Too much is waiting, or the store does not answer"),
        ];
        let response = |(status, text): (&str, &str)| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
            let response = ResponseBuilder::new().description(text).content("application/json", content).build();
            (status.to_owned(), RefOr::T(response))
        };
        described.into_iter().map(response).collect()
    }
}

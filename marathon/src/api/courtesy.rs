//! What clients expect of every answer, whichever handler gives it.

use actix_web::{
    Error, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::PayloadError,
    http::{Method, StatusCode},
    middleware::Next,
    web::Data,
};

use super::error::ApiError;
use crate::service::{AskError, Handle};

/// Where nothing is to be seen that only a leader knows.
const ABOUT_STATE: [&str; 5] = ["/v2/apps", "/v2/groups", "/v2/tasks", "/v2/queue", "/v2/deployments"];

/// Answers HEAD wherever GET is answered: monitors and load balancers ask so. The server leaves the body out by itself, which
/// takes a body that ends; the event stream is therefore not asked. Header names are spelled as Marathon spells them, for those
/// who look for `Marathon-Deployment-Id` with plain text tools.
pub async fn head_and_spelling(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if request.method() == Method::HEAD && !request.path().starts_with("/v2/events") {
        request.head_mut().method = Method::GET;
    }
    let mut response = next.call(request).await?;
    response.response_mut().head_mut().set_camel_case_headers(true);
    Ok(response)
}

/// A body that cannot be received (too large, broken off, badly chunked) is refused in the form of every other refusal.
pub async fn unreadable_bodies<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let response = next.call(request).await?;
    let unreadable = response.response().error().and_then(|error| error.as_error::<PayloadError>());
    let Some(error) = unreadable.map(|error| ApiError::new(error.status_code(), error.to_string())) else {
        return Ok(response.map_into_left_body());
    };
    Ok(response.into_response(error.error_response()).map_into_right_body())
}

/// A scheduler that waits to lead knows nothing, which is not the same as that there is nothing: a load balancer that believed it
/// would drop every backend.
pub async fn only_what_is_known<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let is_about_state =
        request.method() != Method::OPTIONS && ABOUT_STATE.iter().any(|path| request.path().starts_with(path));
    let scheduler = request.app_data::<Data<Handle>>().filter(|_| is_about_state).cloned();
    let response = next.call(request).await?;
    let answered = matches!(response.status(), StatusCode::OK | StatusCode::NOT_FOUND);
    if !answered || scheduler.is_none_or(|scheduler| scheduler.view().known) {
        return Ok(response.map_into_left_body());
    }
    let refusal = ApiError::from(AskError::NotLeading).error_response();
    Ok(response.into_response(refusal).map_into_right_body())
}

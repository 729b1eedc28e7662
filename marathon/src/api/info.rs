//! `/v2/info`, `/v2/leader` and `/ping`.

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header,
    web::{Data, Redirect},
};
use marathon_openapi::info::{Info, Leader};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{About, Scheduler, error::ApiError};

/// The endpoints.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(info).service(leader).service(ping).service(front_page);
}

/// What this server is and how it is set up.
#[utoipa::path(tag = "system", responses((status = 200, body = Info), ApiError))]
#[get("/v2/info")]
async fn info(scheduler: Scheduler, about: Data<About>) -> HttpResponse {
    let published = scheduler.view();
    let mut info = about.info.clone();
    info.elected = published.leading;
    info.leader = published.leading.then(|| scheduler.leader().to_owned());
    info.framework_id = published.state.framework_id.as_ref().map(ToString::to_string);
    let master = published.state.master.as_ref();
    info.marathon_config.mesos_leader_ui_url = master.map(|master| format!("http://{}:{}/", master.ip, master.port));
    HttpResponse::Ok().json(info)
}

/// Who leads.
#[utoipa::path(tag = "system", responses((status = 200, body = Leader), ApiError))]
#[get("/v2/leader")]
async fn leader(scheduler: Scheduler) -> Result<HttpResponse, ApiError> {
    if !scheduler.view().leading {
        return Err(ApiError::not_found("There is no leader"));
    }
    Ok(HttpResponse::Ok().json(Leader { leader: scheduler.leader().to_owned() }))
}

/// Whether this server is there at all.
#[utoipa::path(tag = "system", responses((status = 200, description = "`pong`", body = String, content_type = "text/plain")))]
#[get("/ping")]
async fn ping(request: HttpRequest) -> HttpResponse {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let is_html = accept.starts_with("text/html");
    HttpResponse::Ok().content_type(if is_html { "text/html" } else { "text/plain" }).body("pong")
}

/// The dashboard.
#[utoipa::path(tag = "system", responses((status = 302, description = "To the dashboard")))]
#[get("/")]
async fn front_page() -> Redirect {
    Redirect::to("/ui/").using_status_code(actix_web::http::StatusCode::FOUND)
}

//! The master's HTTP server.

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::header::LOCATION,
    middleware::{Compress, NormalizePath},
    web::{self, Data, Query, ServiceConfig},
};
use marathon_time::Timestamp;
use serde_json::Value;
use substrate_core::protocol::scheduler::MasterInfo;
use tokio::sync::{mpsc, oneshot};

use super::{
    link::{self, Links},
    metrics,
    service::Inbox,
    state::{self, Snapshot},
};
use crate::{
    clock,
    http::{Jsonp, json_or_jsonp, version},
};

/// How long the loop may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Connections that the server holds at once; more wait to be accepted. Every agent has one.
const MAX_CONNECTIONS: usize = 100_000;

/// What the handlers know.
pub(super) struct Context {
    pub(super) info: MasterInfo,
    pub(super) cluster: Option<String>,
    pub(super) started: Timestamp,
    pub(super) inbox: mpsc::Sender<Inbox>,
}

impl Context {
    async fn snapshot(&self) -> Option<Snapshot> {
        let (question, answer) = oneshot::channel();
        let asked = async {
            self.inbox.send(Inbox::Snapshot(question)).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(ANSWER_LIMIT, asked).await.ok().flatten()
    }

    /// Answers from the present state of the master.
    async fn answer(&self, jsonp: &Jsonp, render: impl FnOnce(&Self, &Snapshot) -> Value) -> HttpResponse {
        match self.snapshot().await {
            Some(snapshot) => json_or_jsonp(&render(self, &snapshot), jsonp),
            None => HttpResponse::ServiceUnavailable().body("the master is busy"),
        }
    }

    pub(super) fn uptime(&self) -> Duration {
        clock::now().since(self.started)
    }
}

/// Starts the server on a socket that is bound already.
pub(super) fn start(listener: TcpListener, context: Context, links: Links) -> io::Result<ServerHandle> {
    let context = Data::from(Arc::new(context));
    let links = Data::new(links);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(context.clone())
            .app_data(links.clone())
            .wrap(NormalizePath::trim())
            .wrap(Compress::default())
            .configure(routes)
    })
    .workers(1)
    .max_connections(MAX_CONNECTIONS)
    .h1_allow_half_closed(false)
    .shutdown_timeout(2)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(handle)
}

fn routes(config: &mut ServiceConfig) {
    config.route("/api/v1/agent", web::get().to(link::open));
    for prefix in ["", "/master"] {
        for ending in ["", ".json"] {
            config
                .route(&format!("{prefix}/state{ending}"), web::get().to(get_state))
                .route(&format!("{prefix}/state-summary{ending}"), web::get().to(get_state_summary))
                .route(&format!("{prefix}/slaves{ending}"), web::get().to(get_slaves));
        }
        config
            .route(&format!("{prefix}/health"), web::get().to(health))
            .route(&format!("{prefix}/version"), web::get().to(get_version))
            .route(&format!("{prefix}/redirect"), web::get().to(redirect))
            .route(&format!("{prefix}/metrics/snapshot"), web::get().to(get_metrics));
    }
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().finish()
}

async fn get_version(jsonp: Query<Jsonp>) -> HttpResponse {
    json_or_jsonp(&version(), &jsonp)
}

async fn get_state(context: Data<Context>, jsonp: Query<Jsonp>) -> HttpResponse {
    context.answer(&jsonp, state::state).await
}

async fn get_state_summary(context: Data<Context>, jsonp: Query<Jsonp>) -> HttpResponse {
    context.answer(&jsonp, state::summary).await
}

async fn get_slaves(context: Data<Context>, jsonp: Query<Jsonp>) -> HttpResponse {
    context.answer(&jsonp, state::slaves).await
}

async fn get_metrics(context: Data<Context>, jsonp: Query<Jsonp>) -> HttpResponse {
    context.answer(&jsonp, metrics::metrics).await
}

/// To the leading master, which is this one: there is no other.
async fn redirect(context: Data<Context>) -> HttpResponse {
    let MasterInfo { hostname, port, .. } = &context.info;
    let scheme_relative = format!("//{hostname}:{port}");
    HttpResponse::TemporaryRedirect().insert_header((LOCATION, scheme_relative)).finish()
}

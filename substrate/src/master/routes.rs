//! The master's HTTP server.

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::header::LOCATION,
    middleware::{Compress, NormalizePath},
    web::{self, Bytes, Data, Query, ServiceConfig},
};
use substrate_core::protocol::scheduler::MasterInfo;
use tokio::sync::{mpsc, oneshot};

use super::{
    Reading,
    link::{self, Links},
    service::Inbox,
};
use crate::http::{Jsonp, json_or_jsonp, text_or_jsonp, version};

/// How long the loop may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Connections that the server holds at once; more wait to be accepted. Every agent has one.
const MAX_CONNECTIONS: usize = 100_000;

/// Read from the core, at these paths.
const READINGS: [(&str, Reading); 6] = [
    ("/state", Reading::State),
    ("/state-summary", Reading::Summary),
    ("/slaves", Reading::Slaves),
    ("/frameworks", Reading::Frameworks),
    ("/tasks", Reading::Tasks),
    ("/metrics/snapshot", Reading::Metrics),
];

/// What the handlers know.
pub(super) struct Context {
    pub(super) info: MasterInfo,
    pub(super) inbox: mpsc::Sender<Inbox>,
}

impl Context {
    /// What the loop answers, unless it takes too long.
    async fn read(&self, reading: Reading) -> Option<Bytes> {
        let (answer, text) = oneshot::channel();
        let asked = async {
            self.inbox.send(Inbox::Read(reading, answer)).await.ok()?;
            text.await.ok()
        };
        tokio::time::timeout(ANSWER_LIMIT, asked).await.ok().flatten()
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
        for (path, reading) in READINGS {
            for ending in ["", ".json"] {
                let route = web::get().to(move |context, jsonp| read(reading, context, jsonp));
                config.route(&format!("{prefix}{path}{ending}"), route);
            }
        }
        config
            .route(&format!("{prefix}/health"), web::get().to(health))
            .route(&format!("{prefix}/version"), web::get().to(get_version))
            .route(&format!("{prefix}/redirect"), web::get().to(redirect));
    }
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().finish()
}

async fn get_version(jsonp: Query<Jsonp>) -> HttpResponse {
    json_or_jsonp(&version(), &jsonp)
}

async fn read(reading: Reading, context: Data<Context>, jsonp: Query<Jsonp>) -> HttpResponse {
    match context.read(reading).await {
        Some(text) => text_or_jsonp(text, &jsonp),
        None => HttpResponse::ServiceUnavailable().body("the master is busy"),
    }
}

/// To the leading master, which is this one: there is no other.
async fn redirect(context: Data<Context>) -> HttpResponse {
    let MasterInfo { hostname, port, .. } = &context.info;
    let scheme_relative = format!("//{hostname}:{port}");
    HttpResponse::TemporaryRedirect().insert_header((LOCATION, scheme_relative)).finish()
}

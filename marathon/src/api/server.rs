//! The HTTP server.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    middleware::{Compress, from_fn},
    web::{self, Data, PayloadConfig},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{About, docs, fallback, headers, routes, slashes};
use crate::service::Handle;

/// Largest body of a request: a group of some thousand apps fits.
const MAX_BODY: usize = 32 << 20;
/// How long open streams may hold up a stop, in seconds.
const SHUTDOWN_SECONDS: u64 = 2;

/// What the server needs.
pub struct ServerConfig {
    /// Where it listens.
    pub address: SocketAddr,
    /// The scheduler.
    pub scheduler: Arc<Handle>,
    /// For `/v2/info`.
    pub about: About,
    /// For asking agents.
    pub http: reqwest::Client,
}

/// An address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    address: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// A server that answers.
pub struct Server {
    address: SocketAddr,
    /// Ends event streams, which would otherwise hold up the stop.
    closing: CancellationToken,
    handle: ServerHandle,
    running: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Listens, and answers from then on.
    ///
    /// # Errors
    /// The address is in use or not ours.
    pub fn start(config: ServerConfig) -> Result<Self, BindError> {
        let address = config.address;
        let document = docs::document();
        let scheduler = Data::from(config.scheduler);
        let (about, http) = (Data::new(config.about), Data::new(config.http));
        let methods = Data::new(fallback::Methods::of(&document));
        let closing = CancellationToken::new();
        let streams = Data::new(closing.clone());
        let server = HttpServer::new(move || {
            let swagger = SwaggerUi::new("/api-console/{_:.*}")
                .config(Config::new(["/openapi.json"]))
                .url("/openapi.json", document.clone());
            App::new()
                .app_data(scheduler.clone())
                .app_data(about.clone())
                .app_data(http.clone())
                .app_data(methods.clone())
                .app_data(streams.clone())
                .app_data(PayloadConfig::new(MAX_BODY))
                .into_utoipa_app()
                .configure(routes)
                .into_app()
                .service(swagger)
                .configure(web_ui::configure)
                .default_service(web::to(fallback::answer))
                .wrap(headers::defaults(scheduler.leader()))
                .wrap(Compress::default())
                .wrap(from_fn(slashes::normalize))
        });
        let server = server
            .h1_allow_half_closed(false)
            .shutdown_timeout(SHUTDOWN_SECONDS)
            .keep_alive(Duration::from_secs(30))
            .disable_signals()
            .bind(address)
            .map_err(|source| BindError { address, source })?;
        let address = server.addrs().first().copied().unwrap_or(address);
        let server = server.run();
        let handle = server.handle();
        Ok(Self { address, closing, handle, running: tokio::spawn(server) })
    }

    /// Where it listens; the port is a real one even if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends open streams and answers nothing more.
    pub async fn stop(self) {
        self.closing.cancel();
        self.handle.stop(true).await;
        let _ = self.running.await;
    }
}

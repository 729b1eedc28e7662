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

use super::{About, courtesy, docs, fallback, headers, routes, slashes};
use crate::service::Handle;

/// Largest body of a request: a group of some thousand apps fits.
const MAX_BODY: usize = 32 << 20;
/// How long open streams may hold up a stop, in seconds.
const SHUTDOWN_SECONDS: u64 = 2;
/// The page to browse the API with; works without any other server.
const CONSOLE: &str = "/api-console/";

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
        let scheduler = Data::from(config.scheduler);
        let (about, http) = (Data::new(config.about), Data::new(config.http));
        let methods = Data::new(fallback::Methods::documented());
        let closing = CancellationToken::new();
        let streams = Data::new(closing.clone());
        let server = HttpServer::new(move || {
            let console = SwaggerUi::new("/api-console/{_:.*}").config(Config::new(["/openapi.json"]));
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
                .service(web::redirect("/help", CONSOLE))
                .service(web::redirect("/api-console", CONSOLE))
                .service(docs::openapi)
                .service(console)
                .configure(web_ui::configure)
                .default_service(web::to(fallback::answer))
                .wrap(from_fn(courtesy::unreadable_bodies))
                .wrap(from_fn(courtesy::only_what_is_known))
                .wrap(headers::defaults(scheduler.leader()))
                .wrap(Compress::default())
                .wrap(from_fn(slashes::normalize))
                .wrap(from_fn(courtesy::head_and_spelling))
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::service::Handle;

    #[actix_web::test]
    async fn document_and_console_are_served_without_any_other_server() {
        let server = server();
        let get = async |path: &str| client().get(format!("http://{}{path}", server.address())).send().await.unwrap();
        let document: serde_json::Value = get("/openapi.json").await.json().await.unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        for path in ["/help", "/api-console", "/api-console/"] {
            let page = get(path).await.text().await.unwrap();
            assert!(page.contains("swagger-ui"), "{path}: {page}");
            assert!(
                !page.contains("//cdn") && !page.contains("https://"),
                "{path} loads something from elsewhere: {page}"
            );
        }
        let script = get("/api-console/swagger-ui-bundle.js").await;
        assert_eq!(script.status().as_u16(), 200);
        server.stop().await;
    }

    #[actix_web::test]
    async fn a_path_that_exists_with_other_methods_is_405_and_says_which() {
        let server = server();
        for (method, path, status, allow) in [
            ("PATCH", "/v2/deployments", 405, Some("GET")),
            ("GET", "/v2/apps/a/b/restart", 405, None),
            ("POST", "/v2/queue", 405, Some("GET")),
            ("GET", "/v2/nothing", 404, None),
            ("OPTIONS", "/v2/groups", 200, Some("GET, PUT, POST, DELETE")),
            ("HEAD", "/v2/events", 405, Some("GET")),
        ] {
            let url = format!("http://{}{path}", server.address());
            let response = client().request(method.parse().unwrap(), url).send().await.unwrap();
            let allowed = response.headers().get("allow").map(|value| value.to_str().unwrap().to_owned());
            assert_eq!((response.status().as_u16(), allowed.as_deref()), (status, allow), "{method} {path}");
        }
        server.stop().await;
    }

    #[actix_web::test]
    async fn every_answer_has_marathons_manners() {
        let server = server();
        let address = server.address();
        let ask = async |request: String| {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            let answer = String::from_utf8(answer).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            (head.to_owned(), body.to_owned())
        };
        let end = "Host: x\r\nConnection: close\r\n";

        let (head, body) = ask(format!("HEAD /ping HTTP/1.1\r\n{end}\r\n")).await;
        assert!(head.starts_with("HTTP/1.1 200") && body.is_empty(), "{head} {body}");
        assert!(head.contains("\r\nX-Marathon-Leader: ") && head.contains("\r\nContent-Length: 4"), "{head}");

        for (path, status) in [("/v2/apps", "502"), ("/v2/apps/x", "502"), ("/v2/groups", "502"), ("/v2/info", "200")] {
            let (head, body) = ask(format!("GET {path} HTTP/1.1\r\n{end}\r\n")).await;
            assert!(
                head.starts_with(&format!("HTTP/1.1 {status}")),
                "{path} of somebody who knows nothing: {head} {body}"
            );
        }

        let broken = "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"id\"\r\nno size\r\n";
        let too_large = format!("Content-Length: {}\r\n\r\n", MAX_BODY + 1);
        for (body, status) in [(broken, "400"), (&too_large, "413")] {
            let (head, body) = ask(format!("POST /v2/apps HTTP/1.1\r\n{end}{body}")).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
            assert!(head.contains("\r\nX-Marathon-Leader: "), "{head}");
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert!(body["message"].is_string(), "{body}");
        }
        server.stop().await;
    }

    /// A server of a scheduler that does not lead.
    fn server() -> Server {
        Server::start(ServerConfig {
            address: "127.0.0.1:0".parse().unwrap(),
            scheduler: Arc::new(Handle::of_nobody()),
            about: About { info: marathon_openapi::info::Info::default() },
            http: client(),
        })
        .unwrap()
    }

    fn client() -> reqwest::Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::new()
    }
}

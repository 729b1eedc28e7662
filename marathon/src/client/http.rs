//! Requests and answers.

use std::{io::Read, time::Duration};

use marathon_openapi::error::ErrorBody;
use reqwest::{Method, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ClientError, Connection};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take. The server itself gives up earlier.
const ANSWER: Duration = Duration::from_secs(90);

/// Asks one server.
pub struct Client {
    base: Url,
    http: reqwest::Client,
    /// Print answers as they come.
    pub json: bool,
}

/// A request. `path` holds segments; those with slashes are several.
pub struct Request<'a> {
    pub method: Method,
    pub path: &'a [&'a str],
    pub query: Vec<(&'a str, String)>,
    pub body: Option<Vec<u8>>,
}

impl<'a> Request<'a> {
    /// Without query and body.
    pub fn new(method: Method, path: &'a [&'a str]) -> Self {
        Self { method, path, query: Vec::new(), body: None }
    }

    /// With one more parameter, if it is set.
    pub fn flag(mut self, name: &'a str, is_set: bool) -> Self {
        if is_set {
            self.query.push((name, "true".to_owned()));
        }
        self
    }

    /// With one more parameter.
    pub fn param(mut self, name: &'a str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// With a body.
    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }
}

/// A good answer.
pub struct Answer {
    url: Url,
    deployment: Option<String>,
    bytes: Vec<u8>,
}

impl Answer {
    /// The body, in a shape.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        let not_understood = |source| ClientError::NotUnderstood { url: self.url.to_string(), source };
        serde_json::from_slice(&self.bytes).map_err(not_understood)
    }

    /// Whether there is a body.
    pub fn has_body(&self) -> bool {
        !self.bytes.trim_ascii().is_empty()
    }

    /// The deployment that was started, if one was.
    pub fn deployment(&self) -> Option<String> {
        let body = || serde_json::from_slice::<Value>(&self.bytes).ok();
        let in_body = || body()?.get("deploymentId")?.as_str().map(str::to_owned);
        self.deployment.clone().or_else(in_body)
    }
}

impl Client {
    /// For one server.
    pub fn new(connection: Connection) -> Self {
        let http = reqwest::Client::builder().connect_timeout(CONNECT).build().unwrap_or_default();
        Self { base: connection.url, http, json: connection.json }
    }

    /// Asks; anything but success is an error.
    pub async fn send(&self, request: Request<'_>) -> Result<Answer, ClientError> {
        let url = self.url(request.path);
        let mut builder = self.http.request(request.method, url.clone()).query(&request.query).timeout(ANSWER);
        builder = builder.header("Accept", "application/json");
        if let Some(body) = request.body {
            builder = builder.header("Content-Type", "application/json").body(body);
        }
        let unreachable = |source| unreachable(&url, source);
        let response = checked(builder.send().await.map_err(unreachable)?, &url).await?;
        let header = response.headers().get("Marathon-Deployment-Id");
        let deployment = header.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let bytes = response.bytes().await.map_err(unreachable)?.to_vec();
        Ok(Answer { url, deployment, bytes })
    }

    /// GET.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ClientError> {
        self.send(Request::new(Method::GET, path)).await?.read()
    }

    /// Asks and prints the answer: as JSON, or as `render` makes it.
    pub async fn show<T: DeserializeOwned>(
        &self,
        request: Request<'_>,
        render: impl FnOnce(&T) -> String,
    ) -> Result<(), ClientError> {
        let answer = self.send(request).await?;
        match self.json {
            true => self.print_json(&answer),
            false => {
                print(&render(&answer.read()?));
                Ok(())
            }
        }
    }

    /// Prints the body of an answer, indented.
    pub fn print_json(&self, answer: &Answer) -> Result<(), ClientError> {
        if answer.has_body() {
            let value: Value = answer.read()?;
            print(&format!("{value:#}"));
        }
        Ok(())
    }

    /// Opens an event stream after position `after`, or at its present end.
    pub async fn stream(&self, types: &[&str], after: Option<u64>) -> Result<(Url, Response), ClientError> {
        let url = self.url(&["v2", "events"]);
        let query: Vec<_> = types.iter().map(|kind| ("event_type", kind)).collect();
        let mut builder = self.http.get(url.clone()).query(&query).header("Accept", "text/event-stream");
        if let Some(after) = after {
            builder = builder.header("Last-Event-ID", after.to_string());
        }
        let response = builder.send().await.map_err(|source| unreachable(&url, source))?;
        let response = checked(response, &url).await?;
        Ok((url, response))
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            let parts = path.iter().flat_map(|part| part.split('/')).filter(|part| !part.is_empty());
            segments.pop_if_empty().extend(parts);
        }
        url
    }
}

/// Connection errors as what was asked.
pub fn unreachable(url: &Url, source: reqwest::Error) -> ClientError {
    ClientError::Unreachable { url: url.to_string(), source: source.without_url() }
}

async fn checked(response: Response, url: &Url) -> Result<Response, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let bytes = response.bytes().await.map_err(|source| unreachable(url, source))?;
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        ErrorBody::new(if text.is_empty() { status.canonical_reason().unwrap_or("refused") } else { text })
    });
    Err(ClientError::Refused { status: status.as_u16(), body: Box::new(body) })
}

/// Reads a body from a file, or from standard input if the path is `-`.
pub fn read_body(path: &str) -> Result<Vec<u8>, ClientError> {
    let mut bytes = Vec::new();
    let read = match path {
        "-" => std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ()),
        _ => std::fs::read(path).map(|read| bytes = read),
    };
    match read {
        Ok(()) => Ok(bytes),
        Err(source) => Err(ClientError::File { path: path.to_owned(), source }),
    }
}

/// The `id` in a body, if it is an object that has one.
pub fn id_in(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Value>(body).ok()?.get("id")?.as_str().map(str::to_owned)
}

/// Prints on standard output; if that is closed (`| head`), the process ends.
pub fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let ended = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
    if write!(out, "{text}{ended}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(base: &str) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::new(Connection { url: base.parse().unwrap(), json: false })
    }

    #[test]
    fn ids_become_path_segments_whatever_they_contain() {
        for (base, id, expected) in [
            ("http://h:1", "/shop/web", "http://h:1/v2/apps/shop/web/tasks"),
            ("http://h:1/", "shop/web", "http://h:1/v2/apps/shop/web/tasks"),
            ("http://h:1/marathon/", "web", "http://h:1/marathon/v2/apps/web/tasks"),
            ("http://h:1", "a b?c#d", "http://h:1/v2/apps/a%20b%3Fc%23d/tasks"),
        ] {
            assert_eq!(client(base).url(&["v2", "apps", id, "tasks"]).as_str(), expected);
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = client(&format!("http://{free}")).get::<Value>(&["v2", "info"]).await.unwrap_err();
        assert_eq!(error.to_string(), format!("no answer from http://{free}/v2/info"));
    }

    #[test]
    fn a_deployment_is_found_in_the_header_or_in_the_body() {
        let answer = |deployment: Option<&str>, body: &str| Answer {
            url: "http://h/".parse().unwrap(),
            deployment: deployment.map(str::to_owned),
            bytes: body.into(),
        };
        assert_eq!(answer(Some("a"), r#"{"deploymentId":"b"}"#).deployment().as_deref(), Some("a"));
        assert_eq!(answer(None, r#"{"deploymentId":"b"}"#).deployment().as_deref(), Some("b"));
        assert_eq!(answer(None, r#"{"tasks":[]}"#).deployment(), None);
        assert_eq!(answer(None, "").deployment(), None);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        assert_eq!(read_body("/no/such/file").unwrap_err().to_string(), "cannot read '/no/such/file'");
        assert_eq!(id_in(br#"{"id":"/a"}"#).as_deref(), Some("/a"));
        assert_eq!(id_in(br#"[{"id":"/a"}]"#), None);
    }
}

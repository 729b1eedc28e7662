//! A client of the REST API that keeps what came over the wire.

use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

use super::wait::PATIENCE;

/// One answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// What was asked, for messages.
    asked: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{self}: no JSON: {error}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The answer itself, if its status is the one expected.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// The id of the deployment that the answer names in its body, wherever the endpoint puts it.
    #[track_caller]
    pub fn deployment(&self) -> String {
        let body = self.json();
        let id = body["deploymentId"].as_str().or_else(|| body["deployments"][0]["id"].as_str());
        id.unwrap_or_else(|| panic!("{self}: names no deployment")).to_owned()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} → {} {}", self.asked, self.status, self.text)
    }
}

/// A client of one server.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
}

impl Api {
    pub fn new(base: String) -> Self {
        // Plain HTTP only, but the client wants to know how it would encrypt.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { http: http.build().unwrap(), base }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub async fn try_send(&self, method: Method, path: &str, body: Option<String>) -> Result<Answer, reqwest::Error> {
        let asked = match &body {
            Some(body) => format!("{method} {path} {}", body.chars().take(300).collect::<String>()),
            None => format!("{method} {path}"),
        };
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body);
        }
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Answer { status, headers, text: answer.text().await?, asked })
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<String>) -> Answer {
        let asked = format!("{method} {path}");
        self.try_send(method, path, body).await.unwrap_or_else(|error| panic!("{asked}: {error:?}"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body.to_string())).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, Some(body.to_string())).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, Some(body.to_string())).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }
}

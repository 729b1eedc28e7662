//! What the HTTP servers of master and agent have in common.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
};

use actix_web::{HttpResponse, http::header::ContentType, web::Bytes};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Told by `/version`. Digits and dots only: clients parse each part as an integer. It is the version of the Mesos API that is
/// spoken here.
pub(crate) const VERSION: &str = "1.11.0";

/// Longest name of a callback.
const MAX_CALLBACK_BYTES: usize = 128;

/// The query of every read endpoint.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Jsonp {
    /// Wrap the answer in a call of this JavaScript function.
    pub(crate) jsonp: Option<String>,
}

/// Where a server listens cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    /// As it was asked for.
    pub address: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// A listening socket, and what it is bound to (a port of 0 means any).
pub(crate) fn bind(address: &str) -> Result<(TcpListener, SocketAddr), BindError> {
    let fail = |source| BindError { address: address.to_owned(), source };
    let addresses: Vec<SocketAddr> = address.to_socket_addrs().map_err(fail)?.collect();
    let listener = TcpListener::bind(addresses.as_slice()).map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    Ok((listener, bound))
}

/// `value` as JSON, or as the call of a function if one is named.
pub(crate) fn json_or_jsonp<T: Serialize>(value: &T, jsonp: &Jsonp) -> HttpResponse {
    match serde_json::to_vec(value) {
        Ok(text) => text_or_jsonp(text.into(), jsonp),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

/// A text that is JSON already. What is no JavaScript name is refused as the name of a function: it would be code.
pub(crate) fn text_or_jsonp(json: Bytes, jsonp: &Jsonp) -> HttpResponse {
    match jsonp.jsonp.as_deref() {
        None | Some("") => HttpResponse::Ok().content_type(ContentType::json()).body(json),
        Some(callback) if is_callback(callback) => {
            let call = [callback.as_bytes(), b"(", &json, b");"].concat();
            HttpResponse::Ok().content_type("text/javascript").body(call)
        }
        Some(_) => HttpResponse::BadRequest().body("the value of 'jsonp' is not the name of a function"),
    }
}

fn is_callback(name: &str) -> bool {
    let is_name_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.' | '[' | ']');
    name.len() <= MAX_CALLBACK_BYTES && name.chars().all(is_name_char)
}

/// The answer of `/version`.
pub(crate) fn version() -> Value {
    json!({"version": VERSION, "build_date": "", "build_time": 0.0, "build_user": "marathon"})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_bound_is_named() {
        let (_listener, bound) = bind("127.0.0.1:0").unwrap();
        let error = bind(&bound.to_string()).unwrap_err().to_string();
        assert_eq!(error, format!("cannot listen on {bound}"));
        assert!(bind("no address").is_err());
    }

    #[actix_web::test]
    async fn a_callback_must_be_a_name() {
        for (jsonp, status) in
            [(None, 200), (Some("cb"), 200), (Some("angular.callbacks._0"), 200), (Some("alert(1)//"), 400)]
        {
            let query = Jsonp { jsonp: jsonp.map(str::to_owned) };
            assert_eq!(json_or_jsonp(&version(), &query).status(), status, "{jsonp:?}");
        }
    }
}

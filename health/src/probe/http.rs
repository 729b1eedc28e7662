//! HTTP and HTTPS: a `GET` answered by 200 to 399 is healthy.
//!
//! Each probe has a connection of its own: a pooled one could be answered by a process that no longer accepts any. Nothing of
//! the body is read, redirects are not followed, and no proxy is asked.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use health_core::Outcome;
use http_body_util::Empty;
use hyper::{
    Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1,
    header::{ACCEPT, CONNECTION, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, ClientConfig, DigitallySignedStruct, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::CryptoProvider,
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

use super::tcp::connect;

/// An answer whose head does not fit in this many bytes is a failure.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Asks for `url`, `http://` or `https://`; certificates and host names are not verified.
///
/// Informational answers (100 to 199) before the final one are passed over. Where there is no final one within the time limit,
/// or the last word is 101, the informational one is judged: it is a failure, unless `ignore_1xx`.
pub async fn http(url: &str, timeout: Duration, ignore_1xx: bool) -> Outcome {
    let informational = Arc::new(AtomicU16::new(0));
    let cause = match tokio::time::timeout(timeout, get(url, &informational)).await {
        Ok(Ok(status)) => return judge(status, ignore_1xx),
        Ok(Err(cause)) => cause,
        Err(_) => super::no_answer(timeout),
    };
    match StatusCode::from_u16(informational.load(Ordering::Relaxed)) {
        Ok(status) => judge(status, ignore_1xx), // no final answer followed
        Err(_) => Outcome::unhealthy(cause),
    }
}

fn judge(status: StatusCode, ignore_1xx: bool) -> Outcome {
    match status.as_u16() {
        200..=399 => Outcome::Healthy,
        100..=199 if ignore_1xx => Outcome::Ignored,
        code => Outcome::unhealthy(format!("{code} {}", status.canonical_reason().unwrap_or_default()).trim_end()),
    }
}

/// The status of the final answer, or the cause of the failure in words. The last informational status goes to `informational`.
async fn get(url: &str, informational: &Arc<AtomicU16>) -> Result<StatusCode, String> {
    let uri: Uri = encoded(url).parse().map_err(|error| format!("invalid URL {url}: {error}"))?;
    let host = uri.host().ok_or_else(|| format!("invalid URL {url}: no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match uri.scheme_str() {
        Some("http") => {
            let stream = connect(host, port(&uri, 80)?).await?;
            exchange(stream, &uri, informational).await
        }
        Some("https") => {
            let name = ServerName::try_from(host.to_owned()).map_err(|error| format!("invalid URL {url}: {error}"))?;
            let stream = connect(host, port(&uri, 443)?).await?;
            let stream = TLS.connect(name, stream).await.map_err(|error| format!("TLS handshake: {error}"))?;
            exchange(stream, &uri, informational).await
        }
        _ => Err(format!("invalid URL {url}: neither http nor https")),
    }
}

/// The port of the URL, or `default` where it names none.
fn port(uri: &Uri, default: u16) -> Result<u16, String> {
    let names_none = uri.authority().zip(uri.host()).is_none_or(|(authority, host)| authority.as_str().ends_with(host));
    match uri.port_u16() {
        Some(port) => Ok(port),
        None if names_none => Ok(default),
        None => Err(format!("invalid URL {uri}: no such port")),
    }
}

/// `url` with what may not appear in a request line percent-encoded: users write paths as they please.
fn encoded(url: &str) -> String {
    let mut text = String::with_capacity(url.len());
    for byte in url.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => text.push_str(&format!("%{byte:02X}")),
            b'!'..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

async fn exchange<S>(stream: S, uri: &Uri, informational: &Arc<AtomicU16>) -> Result<StatusCode, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = request(uri, Arc::clone(informational))?;
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(MAX_HEAD_BYTES).handshake(TokioIo::new(stream)).await.map_err(words)?;
    let mut driver = JoinSet::new(); // dropped at the end, and the connection with it
    driver.spawn(connection);
    let response = sender.send_request(request).await.map_err(words)?;
    Ok(response.status())
}

fn request(uri: &Uri, informational: Arc<AtomicU16>) -> Result<Request<Empty<Bytes>>, String> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::get(target)
        .header(HOST, authority)
        .header(USER_AGENT, "marathon-health-check")
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(|error| format!("invalid URL {uri}: {error}"))?;
    hyper::ext::on_informational(&mut request, move |answer| {
        informational.store(answer.status().as_u16(), Ordering::Relaxed);
    });
    Ok(request)
}

/// An error and what caused it, in one line.
fn words(error: hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

static TLS: LazyLock<TlsConnector> = LazyLock::new(|| {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(AnyCertificate(Arc::clone(&provider)));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
});

/// Accepts every certificate: a health check asks whether the task answers, not who it is, and sends it nothing secret.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };
    use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

    use super::*;
    use crate::probe::tests::{AMPLE, cause};

    /// Reads the head of a request and answers it with `answer`, word for word.
    async fn answer_one<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, answer: &str) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.flush().await;
        String::from_utf8(head).unwrap()
    }

    /// A server for one request; its URL, and the head of the request it got.
    async fn server(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/health", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = answer_one(&mut stream, answer).await;
            let _ = stream.shutdown().await;
            head
        });
        (url, served)
    }

    #[tokio::test]
    async fn a_status_of_200_to_399_is_healthy_and_any_other_is_the_cause() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None),
            ("HTTP/1.0 200 Fine\r\n\r\nhello", None),
            ("HTTP/1.1 204 No Content\r\n\r\n", None),
            ("HTTP/1.1 301 Moved Permanently\r\nlocation: http://127.0.0.1:1/\r\n\r\n", None), // and not followed
            ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nnever all of it", None),
            ("HTTP/1.1 404 Not Found\r\n\r\n", Some("404 Not Found")),
            ("HTTP/1.1 500 Oops\r\n\r\n", Some("500 Internal Server Error")),
            ("HTTP/1.1 599 \r\n\r\n", Some("599")),
            ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", None),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\n\r\n", Some("503 Service Unavailable")),
        ] {
            let (url, _served) = server(answer).await;
            match (http(&url, AMPLE, true).await, expected) {
                (Outcome::Healthy, None) => {}
                (outcome, Some(expected)) => assert_eq!(cause(outcome), expected),
                (outcome, None) => panic!("{answer:?} gave {outcome:?}"),
            }
        }
    }

    #[tokio::test]
    async fn an_informational_answer_alone_is_ignored_if_so_asked_and_a_failure_otherwise() {
        for (answer, reason) in [
            ("HTTP/1.1 100 Continue\r\n\r\n", "100 Continue"),
            (
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
                "101 Switching Protocols",
            ),
        ] {
            let (url, _served) = server(answer).await;
            assert_eq!(http(&url, AMPLE, true).await, Outcome::Ignored, "{answer:?}");
            let (url, _served) = server(answer).await;
            assert_eq!(cause(http(&url, AMPLE, false).await), reason);
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_is_unhealthy() {
        for answer in ["", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1"] {
            let (url, _served) = server(answer).await;
            assert!(!cause(http(&url, AMPLE, true).await).is_empty());
        }
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_unhealthy_once_the_time_is_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        assert_eq!(cause(http(&url, Duration::from_millis(100), true).await), "no answer within 0.1 s");
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut rest = Vec::new();
        tokio::time::timeout(AMPLE, stream.read_to_end(&mut rest)).await.unwrap().unwrap(); // the connection was given up too
    }

    #[tokio::test]
    async fn an_endless_head_is_given_up_at_its_bound() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            answer_one(&mut stream, "HTTP/1.1 200 OK\r\nx: ").await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        });
        assert!(!cause(http(&url, AMPLE, true).await).is_empty());
        tokio::time::timeout(AMPLE, served).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_request_names_its_host_and_carries_path_and_query_encoded() {
        let (url, served) = server("HTTP/1.1 200 OK\r\n\r\n").await;
        assert_eq!(http(&format!("{url} é{{}}?a=b c"), AMPLE, true).await, Outcome::Healthy);
        let head = served.await.unwrap();
        assert!(head.starts_with("GET /health%20%C3%A9%7B%7D?a=b%20c HTTP/1.1\r\n"), "{head}");
        let authority = url.trim_start_matches("http://").trim_end_matches("/health");
        assert!(head.contains(&format!("host: {authority}\r\n")), "{head}");
        assert!(head.contains("connection: close\r\n"), "{head}");
    }

    #[tokio::test]
    async fn a_url_that_cannot_be_asked_is_unhealthy() {
        for url in ["", "/health", "ftp://127.0.0.1/", "http://", "http://[::1/", "http://127.0.0.1:99999/"] {
            assert!(cause(http(url, AMPLE, true).await).starts_with("invalid URL"), "{url}");
        }
    }

    #[tokio::test]
    async fn a_self_signed_certificate_of_another_host_is_accepted() {
        let certified = rcgen::generate_simple_self_signed(vec!["somebody.else".to_owned()]).unwrap();
        let key = certified.signing_key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _): (TcpStream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        answer_one(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                    }
                });
            }
        });
        assert_eq!(http(&format!("https://127.0.0.1:{port}/"), AMPLE, true).await, Outcome::Healthy);
        assert_eq!(http(&format!("https://localhost:{port}/"), AMPLE, true).await, Outcome::Healthy);
        assert!(matches!(http(&format!("http://127.0.0.1:{port}/"), AMPLE, true).await, Outcome::Unhealthy { .. }));
    }

    #[tokio::test]
    async fn a_plain_server_fails_an_https_check() {
        let (url, _served) = server("HTTP/1.1 200 OK\r\n\r\n").await;
        let url = url.replace("http://", "https://");
        assert!(cause(http(&url, Duration::from_millis(300), true).await).len() > 5);
    }
}

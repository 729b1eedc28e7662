//! TCP: a connection that is accepted is healthy.

use std::time::Duration;

use health_core::Outcome;
use tokio::net::TcpStream;

/// Connects to `host`, a name or an address, and hangs up at once. Of a name with several addresses, one that accepts is enough.
pub async fn tcp(host: &str, port: u16, timeout: Duration) -> Outcome {
    super::limited(timeout, async {
        match connect(host, port).await {
            Ok(_stream) => Outcome::Healthy,
            Err(cause) => Outcome::unhealthy(cause),
        }
    })
    .await
}

/// A connection, or the cause of the failure in words.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    TcpStream::connect((host, port)).await.map_err(|error| format!("cannot connect to {host}:{port}: {error}"))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::probe::tests::{AMPLE, cause};

    #[tokio::test]
    async fn a_listener_that_never_reads_is_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(tcp("127.0.0.1", port, AMPLE).await, Outcome::Healthy);
    }

    #[tokio::test]
    async fn a_port_without_listener_is_unhealthy_and_named() {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        let cause = cause(tcp("127.0.0.1", port, AMPLE).await);
        assert!(cause.starts_with(&format!("cannot connect to 127.0.0.1:{port}: ")), "{cause}");
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_unhealthy() {
        let cause = cause(tcp("no-such-host.invalid", 80, AMPLE).await);
        assert!(cause.contains("no-such-host.invalid"), "{cause}");
    }
}

//! DNS over UDP and TCP, out of the zone in service.
//!
//! Like Mesos-DNS in what is answered, better in how: EDNS sizes are honoured, an answer over UDP that had to be cut always says
//! so, negative answers carry the SOA record and can be cached, and names that are only on the way to others exist.

mod reply;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use hickory_proto::{
    op::{Edns, Header, HeaderCounts, Metadata, OpCode, ResponseCode},
    rr::Record,
};
use hickory_server::{
    Server,
    net::{NetError, runtime::Time, xfer::Protocol},
    server::{Request, RequestHandler, ResponseHandler, ResponseInfo},
    zone_handler::MessageResponseBuilder,
};
use tokio::net::{TcpListener, UdpSocket};
use tracing::debug;

use crate::{forward::Forwarder, zone::Zone};
use reply::{Reply, Room};

/// A TCP connection without a question for this long is closed.
const TCP_IDLE: Duration = Duration::from_secs(8);
/// Answers that may wait on one TCP connection for its client to read.
const TCP_PENDING: usize = 32;
/// Largest answer over UDP, whatever the client offers: larger ones tend to be lost in fragments.
const MAX_UDP: u16 = 1232;
/// Largest answer over UDP to a client that offers nothing.
const MIN_UDP: u16 = 512;
/// How often a free port is looked for that both transports can have, if any will do.
const PORT_ATTEMPTS: usize = 16;

/// How the server behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// The bit "recursion available" in answers (`recurseon`).
    pub recursion_available: bool,
    /// Who is asked about names outside the domain; nobody if empty, and the answer is then REFUSED. Whoever can reach the
    /// server can ask them through it.
    pub resolvers: Vec<SocketAddr>,
    /// How long a resolver may take.
    pub resolver_timeout: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self { recursion_available: true, resolvers: Vec::new(), resolver_timeout: Duration::from_secs(5) }
    }
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, not of this machine, or not permitted.
    #[error("cannot listen for DNS on {transport} {address}")]
    Bind {
        /// `UDP` or `TCP`.
        transport: &'static str,
        /// What was asked for.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The resolvers cannot be used.
    #[error("cannot set up forwarding")]
    Forwarding(#[source] NetError),
}

/// A server at work. Dropping it ends it at once.
pub struct Running {
    address: SocketAddr,
    server: Server<Handler>,
}

/// Serves whatever zone is in `zone` on `address`, UDP and TCP; port 0 picks a free one, the same for both.
///
/// Both sockets are bound when this returns.
pub async fn serve(
    address: SocketAddr,
    zone: Arc<ArcSwap<Zone>>,
    settings: ServerSettings,
) -> Result<Running, ServeError> {
    let forwarder = match settings.resolvers.as_slice() {
        [] => None,
        resolvers => Some(Forwarder::new(resolvers, settings.resolver_timeout).map_err(ServeError::Forwarding)?),
    };
    let (udp, tcp) = bind(address).await?;
    let bound = udp.local_addr().map_err(|source| ServeError::Bind { transport: "UDP", address, source })?;
    let mut server = Server::new(Handler { zone, recursion_available: settings.recursion_available, forwarder });
    server.register_socket(udp);
    server.register_listener(tcp, TCP_IDLE, TCP_PENDING);
    Ok(Running { address: bound, server })
}

impl Running {
    /// Where it listens, UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, answers what was asked, and returns when all is closed.
    pub async fn shutdown(mut self) -> Result<(), NetError> {
        self.server.shutdown_gracefully().await
    }

    /// Returns only if the server fails by itself.
    pub async fn failed(&mut self) -> Result<(), NetError> {
        self.server.block_until_done().await
    }
}

async fn bind(address: SocketAddr) -> Result<(UdpSocket, TcpListener), ServeError> {
    let mut attempt = 1;
    loop {
        let failed = |transport| move |source| ServeError::Bind { transport, address, source };
        let udp = UdpSocket::bind(address).await.map_err(failed("UDP"))?;
        let bound = udp.local_addr().map_err(failed("UDP"))?;
        match TcpListener::bind(bound).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error)
                if address.port() == 0 && error.kind() == io::ErrorKind::AddrInUse && attempt < PORT_ATTEMPTS =>
            {
                attempt += 1; // free for UDP is not free for TCP: another one
            }
            Err(error) => return Err(failed("TCP")(error)),
        }
    }
}

struct Handler {
    zone: Arc<ArcSwap<Zone>>,
    recursion_available: bool,
    forwarder: Option<Forwarder>,
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut responder: R) -> ResponseInfo {
        let edns = request.edns.as_ref().map(edns_of_answer);
        let reply = self.reply(request, edns.as_ref()).await;
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = reply.code;
        metadata.authoritative = reply.authoritative;
        metadata.truncation = reply.truncated;
        metadata.recursion_available = self.recursion_available && reply.code != ResponseCode::Refused;
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if let Some(edns) = &edns {
            builder.edns(edns);
        }
        let none: [&Record; 0] = [];
        let response = builder.build(metadata, &reply.answers, &reply.authorities, none, &reply.additionals);
        match responder.send_response(response).await {
            Ok(info) => info,
            Err(error) => {
                debug!(error = %error, "a DNS answer could not be sent");
                ResponseInfo::from(Header { metadata, counts: HeaderCounts::default() })
            }
        }
    }
}

impl Handler {
    async fn reply(&self, request: &Request, edns: Option<&Edns>) -> Reply {
        if request.metadata.op_code != OpCode::Query {
            return Reply::error(ResponseCode::NotImp);
        }
        if request.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
            return Reply::error(ResponseCode::BADVERS);
        }
        let [query] = request.queries.queries() else {
            return Reply::error(ResponseCode::FormErr);
        };
        let query = query.original();
        let over_udp = request.protocol() == Protocol::Udp;
        let limit = if over_udp { edns.map_or(MIN_UDP, Edns::max_payload) } else { u16::MAX };
        let room = Room::new(usize::from(limit), query.name(), edns.is_some());
        // The guard of the zone is not held while a resolver is waited for.
        let own = Reply::from_zone(&self.zone.load(), query, room);
        match (own, &self.forwarder) {
            (Some(reply), _) => reply,
            (None, Some(forwarder)) => Reply::forwarded(forwarder.ask(query).await),
            (None, None) => Reply::error(ResponseCode::Refused),
        }
    }
}

fn edns_of_answer(asked: &Edns) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(asked.max_payload().clamp(MIN_UDP, MAX_UDP))
        .set_version(0)
        .set_dnssec_ok(asked.flags().dnssec_ok);
    edns
}

//! Names outside the domain, asked elsewhere.

use std::{net::SocketAddr, time::Duration};

use hickory_proto::{
    op::{Query, ResponseCode},
    rr::Record,
};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
};
use tokio::sync::Semaphore;

/// Questions that may be under way to the resolvers at once; one more is answered SERVFAIL.
const MAX_CONCURRENT: usize = 512;

/// Asks the configured resolvers, with a cache.
pub(crate) struct Forwarder {
    resolver: TokioResolver,
    permits: Semaphore,
}

/// What the resolvers said.
pub(crate) struct Forwarded {
    pub(crate) code: ResponseCode,
    pub(crate) answers: Vec<Record>,
    /// In negative answers, if the resolver told.
    pub(crate) soa: Option<Record>,
}

impl Forwarder {
    pub(crate) fn new(resolvers: &[SocketAddr], timeout: Duration) -> Result<Self, NetError> {
        let servers = resolvers.iter().map(|resolver| {
            let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for connection in &mut connections {
                connection.port = resolver.port();
            }
            NameServerConfig::new(resolver.ip(), true, connections.to_vec())
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.timeout = timeout;
        options.attempts = 1;
        options.preserve_intermediates = true; // CNAMEs belong in the answer
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Self { resolver: builder.build()?, permits: Semaphore::new(MAX_CONCURRENT) })
    }

    pub(crate) async fn ask(&self, query: &Query) -> Forwarded {
        let failed = |code| Forwarded { code, answers: Vec::new(), soa: None };
        let Ok(_permit) = self.permits.try_acquire() else {
            return failed(ResponseCode::ServFail);
        };
        match self.resolver.lookup(query.name().clone(), query.query_type()).await {
            Ok(lookup) => Forwarded { code: ResponseCode::NoError, answers: lookup.answers().to_vec(), soa: None },
            Err(NetError::Dns(DnsError::NoRecordsFound(negative))) => Forwarded {
                code: negative.response_code,
                answers: Vec::new(),
                soa: negative.soa.map(|soa| soa.into_record_of_rdata()),
            },
            Err(NetError::Dns(DnsError::ResponseCode(code))) => failed(code),
            Err(_) => failed(ResponseCode::ServFail),
        }
    }
}

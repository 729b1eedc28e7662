//! Mesos-DNS's HTTP API: the zone in service as JSON, read only.
//!
//! Lists come in the order of the zone; "nothing found" is status 200 and one object of empty strings, as clients expect.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use actix_web::{
    App, HttpResponse, HttpServer,
    body::BoxBody,
    dev::{ServerHandle, ServiceRequest, ServiceResponse},
    http::header::{ACCEPT, ContentType},
    middleware::{Next, from_fn},
    web::{self, Data as Shared, Path, ServiceConfig},
};
use arc_swap::ArcSwap;
use serde::Serialize;
use serde_json::json;

use crate::{
    records::{Data, Records},
    server::ServerSettings,
    zone::{Found, Zone},
};

/// What the API answers from.
#[derive(Clone)]
pub struct Api {
    /// The zone in service.
    pub zone: Arc<ArcSwap<Zone>>,
    /// How DNS is served; shown at `/v1/config`.
    pub dns: ServerSettings,
    /// Where DNS is served; shown at `/v1/config`.
    pub dns_address: SocketAddr,
    /// Where this is served; shown at `/v1/config`.
    pub http_address: SocketAddr,
    /// The product's version; shown at `/v1/version`.
    pub version: &'static str,
}

/// The HTTP server at work. It goes on when this is dropped.
pub struct Running {
    address: SocketAddr,
    handle: ServerHandle,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers what was asked, then ends.
    pub async fn shutdown(self) {
        self.handle.stop(true).await;
    }
}

/// The address is taken, not of this machine, or not permitted.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for the DNS HTTP API on {address}")]
pub struct BindError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// Serves the API on `api.http_address`, which is bound when this returns; port 0 picks a free one.
pub fn serve(mut api: Api) -> Result<Running, BindError> {
    let address = api.http_address;
    let failed = |source| BindError { address, source };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    api.http_address = listener.local_addr().map_err(failed)?;
    let bound = api.http_address;
    let server = HttpServer::new(move || App::new().configure(|config| configure(config, api.clone())))
        .workers(1)
        .shutdown_timeout(2)
        .disable_signals()
        .listen(listener)
        .map_err(failed)?
        .run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(Running { address: bound, handle })
}

/// The routes, below `/v1`.
pub fn configure(config: &mut ServiceConfig, api: Api) {
    let scope = web::scope("/v1")
        .app_data(Shared::new(api))
        .wrap(from_fn(json_is_accepted))
        .service(web::resource("/version").get(version))
        .service(web::resource("/config").get(show_config))
        .service(web::resource("/hosts/{host}").get(hosts))
        .service(web::resource("/hosts/{host}/ports").get(ports))
        .service(web::resource("/services/{service}").get(services))
        .service(web::resource("/enumerate").get(enumerate))
        .service(web::resource("/axfr").get(axfr))
        .default_service(web::to(not_found));
    config.service(scope);
}

async fn json_is_accepted(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let accepts = |value: &str| {
        let mut types = value.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
        types.any(|media| matches!(media, "*/*" | "application/*" | "application/json"))
    };
    let header = request.headers().get(ACCEPT).map(|value| value.to_str().unwrap_or_default());
    if header.is_none_or(accepts) {
        return next.call(request).await;
    }
    Ok(request.into_response(HttpResponse::NotAcceptable().body("only application/json is served here\n")))
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().content_type(ContentType::plaintext()).body("no such resource\n")
}

fn pretty(value: &impl Serialize) -> HttpResponse {
    match serde_json::to_string_pretty(value) {
        Ok(body) => HttpResponse::Ok().content_type("application/json").body(body),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

async fn version(api: Shared<Api>) -> HttpResponse {
    pretty(&json!({ "Service": "Mesos-DNS", "URL": "https://github.com/mesosphere/mesos-dns", "Version": api.version }))
}

/// The configuration in force under Mesos-DNS's keys. There are no secrets in it.
async fn show_config(api: Shared<Api>) -> HttpResponse {
    let zone = api.zone.load();
    let settings = zone.settings();
    let resolvers: Vec<String> = api.dns.resolvers.iter().map(ToString::to_string).collect();
    let sources: Vec<&str> = settings.ip_sources.iter().map(|source| source.as_str()).collect();
    pretty(&json!({
        "RefreshSeconds": 0, // changes are served as they come
        "Port": api.dns_address.port(),
        "Timeout": api.dns.resolver_timeout.as_secs(),
        "HttpPort": api.http_address.port(),
        "TTL": settings.ttl,
        "SRVRecordDefaultWeight": settings.srv_weight,
        "SOASerial": zone.serial(),
        "SOARefresh": settings.soa_refresh,
        "SOARetry": settings.soa_retry,
        "SOAExpire": settings.soa_expire,
        "SOAMinttl": settings.ttl,
        "SOAMname": settings.soa_mname.to_string(),
        "SOARname": settings.soa_rname.to_string(),
        "Resolvers": resolvers,
        "IPSources": sources,
        "Domain": settings.domain.as_str(),
        "Listener": api.dns_address.ip(),
        "HTTPListener": api.http_address.ip(),
        "RecurseOn": api.dns.recursion_available,
        "DnsOn": true,
        "HttpOn": true,
        "ExternalOn": !api.dns.resolvers.is_empty(),
        "EnforceRFC952": settings.rule == crate::label::LabelRule::Rfc952,
        "SetTruncateBit": true,
        "EnumerationOn": true,
        "OmitUnhealthy": settings.omit_unhealthy,
    }))
}

#[derive(Default, Serialize)]
struct Host {
    host: String,
    ip: String,
}

async fn hosts(api: Shared<Api>, host: Path<String>) -> HttpResponse {
    let zone = api.zone.load();
    let name = normal(&host);
    let address = |ip: IpAddr| Host { host: format!("{name}."), ip: ip.to_string() };
    let mut hosts: Vec<Host> = addresses(&zone, &name).map(address).collect();
    if hosts.is_empty() {
        hosts.push(Host::default());
    }
    pretty(&hosts)
}

async fn ports() -> HttpResponse {
    HttpResponse::NotImplemented().content_type(ContentType::plaintext()).body("not implemented\n")
}

#[derive(Default, Serialize)]
struct Service {
    service: String,
    host: String,
    ip: String,
    port: String,
}

async fn services(api: Shared<Api>, service: Path<String>) -> HttpResponse {
    let zone = api.zone.load();
    let mut services = Vec::new();
    for data in records(&zone, &normal(&service)).into_iter().flat_map(Records::iter) {
        let Data::Service { target, port } = data else { continue };
        for ip in one_of_each_family(addresses(&zone, target.as_str())) {
            services.push(Service {
                service: service.clone(),
                host: target.to_string(),
                ip: ip.to_string(),
                port: port.to_string(),
            });
        }
    }
    if services.is_empty() {
        services.push(Service::default());
    }
    pretty(&services)
}

fn one_of_each_family(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut chosen: Vec<IpAddr> = Vec::new();
    for address in addresses {
        if !chosen.iter().any(|known| known.is_ipv4() == address.is_ipv4()) {
            chosen.push(address);
        }
    }
    chosen
}

fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase().replace(".*", "")
}

fn records<'a>(zone: &'a Zone, name: &str) -> Option<&'a Records> {
    match zone.look_up(name) {
        Found::Records(records) => Some(records),
        Found::Nothing | Found::Outside => None,
    }
}

fn addresses<'a>(zone: &'a Zone, name: &str) -> impl Iterator<Item = IpAddr> + use<'a> {
    records(zone, name).into_iter().flat_map(Records::iter).filter_map(|data| match data {
        Data::Address(address) => Some(*address),
        Data::Service { .. } => None,
    })
}

#[derive(Serialize)]
struct Enumeration<'a> {
    frameworks: Vec<EnumeratedFramework<'a>>,
}

#[derive(Serialize)]
struct EnumeratedFramework<'a> {
    name: &'a str,
    tasks: Vec<EnumeratedTask<'a>>,
}

#[derive(Serialize)]
struct EnumeratedTask<'a> {
    name: &'a str,
    id: &'a str,
    /// `null` if the task added none.
    records: Option<Vec<EnumeratedRecord>>,
}

#[derive(Serialize)]
struct EnumeratedRecord {
    name: String,
    host: String,
    rtype: &'static str,
}

/// Frameworks by name, running tasks by id; a record shared by several tasks stands with the first.
async fn enumerate(api: Shared<Api>) -> HttpResponse {
    let zone = api.zone.load();
    let mut frameworks: BTreeMap<&str, Vec<EnumeratedTask<'_>>> =
        zone.frameworks().map(|framework| (framework.name.as_str(), Vec::new())).collect();
    let mut seen = HashSet::new();
    for (task, entries) in zone.tasks().filter(|(task, _)| task.running) {
        let mut records = Vec::new();
        for (name, data) in entries {
            let record = EnumeratedRecord { name: name.to_string(), host: data.to_string(), rtype: data.record_type() };
            if seen.insert((name, record.host.clone())) {
                records.push(record);
            }
        }
        let records = (!records.is_empty()).then_some(records);
        let task_entry = EnumeratedTask { name: &task.name, id: &task.id, records };
        frameworks.entry(&task.framework).or_default().push(task_entry);
    }
    let frameworks = frameworks.into_iter().map(|(name, tasks)| EnumeratedFramework { name, tasks }).collect();
    pretty(&Enumeration { frameworks })
}

/// Name → what its records of one type say.
type Dump = BTreeMap<String, Vec<String>>;

async fn axfr(api: Shared<Api>) -> HttpResponse {
    let zone = api.zone.load();
    let settings = zone.settings();
    let (mut a, mut aaaa, mut srv) = (Dump::new(), Dump::new(), Dump::new());
    for (name, records) in zone.names() {
        for data in records.iter() {
            let dump = match data {
                Data::Address(IpAddr::V4(_)) => &mut a,
                Data::Address(IpAddr::V6(_)) => &mut aaaa,
                Data::Service { .. } => &mut srv,
            };
            dump.entry(name.to_string()).or_default().push(data.to_string());
        }
    }
    pretty(&json!({
        "TTL": settings.ttl,
        "Serial": zone.serial(),
        "RefreshSeconds": 0,
        "Mname": settings.soa_mname.to_string(),
        "Rname": settings.soa_rname.to_string(),
        "Domain": settings.domain.as_str(),
        "Records": { "As": a, "AAAAs": aaaa, "SRVs": srv },
    }))
}

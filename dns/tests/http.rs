//! The HTTP API.

#![allow(clippy::unwrap_used, reason = "a failed expectation fails the test")]

mod common;

use actix_web::{
    App,
    http::{Method, StatusCode, header},
    test::{TestRequest, call_service, init_service, read_body},
};
use common::{anywhere, zone};
use dns::{
    Zone,
    http::{Api, configure, serve},
    label::task_hash,
    server::ServerSettings,
};
use serde_json::{Value, json};

fn api() -> Api {
    let zone = zone();
    let mut small: Zone = (**zone.load()).clone();
    for number in 0..5000 {
        small.remove_task(&format!("huge.{number}"));
        small.remove_task(&format!("many.{number}"));
    }
    small.publish(&zone, 9);
    Api {
        zone,
        dns: ServerSettings::default(),
        dns_address: "127.0.0.1:8053".parse().unwrap(),
        http_address: anywhere(),
        version: "0.1.0",
    }
}

async fn ask(request: TestRequest) -> (StatusCode, String, String) {
    let app = init_service(App::new().configure(|config| configure(config, api()))).await;
    let response = call_service(&app, request.to_request()).await;
    let media = response.headers().get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
    let status = response.status();
    let body = String::from_utf8(read_body(response).await.to_vec()).unwrap();
    (status, media.unwrap_or_default(), body)
}

async fn get(path: &str) -> Value {
    let (status, media, body) = ask(TestRequest::get().uri(path)).await;
    assert_eq!((status, media.as_str()), (StatusCode::OK, "application/json"), "{path}: {body}");
    assert!(body.contains("\n  "), "indented: {body}");
    serde_json::from_str(&body).unwrap()
}

#[actix_web::test]
async fn hosts_are_found_in_any_spelling() {
    let both =
        json!([{"host": "web.marathon.mesos.", "ip": "10.1.0.0"}, {"host": "web.marathon.mesos.", "ip": "10.1.0.1"}]);
    for host in ["web.marathon.mesos", "web.marathon.mesos.", "WEB.marathon.Mesos", "web.*.marathon.mesos"] {
        assert_eq!(get(&format!("/v1/hosts/{host}")).await, both, "{host}");
    }
}

#[actix_web::test]
async fn services_have_the_name_as_typed_and_ports_as_text() {
    let name = "_HTTP._web._tcp.marathon.mesos";
    let found = get(&format!("/v1/services/{name}")).await;
    let target = |id| format!("web-{}-s0.marathon.mesos.", task_hash(id));
    let mut expected = vec![
        json!({"service": name, "host": target("web.0"), "ip": "10.1.0.0", "port": "31000"}),
        json!({"service": name, "host": target("web.1"), "ip": "10.1.0.1", "port": "31001"}),
    ];
    expected.sort_by_key(|service| service["host"].as_str().unwrap().to_owned());
    assert_eq!(found, Value::from(expected));
}

#[actix_web::test]
async fn nothing_found_is_one_object_of_empty_texts() {
    for path in ["/v1/hosts/none.mesos", "/v1/hosts/www.example.com", "/v1/hosts/_web._tcp.marathon.mesos"] {
        assert_eq!(get(path).await, json!([{"host": "", "ip": ""}]), "{path}");
    }
    for path in ["/v1/services/_none._tcp.marathon.mesos", "/v1/services/web.marathon.mesos"] {
        assert_eq!(get(path).await, json!([{"service": "", "host": "", "ip": "", "port": ""}]), "{path}");
    }
}

#[actix_web::test]
async fn version_and_configuration_have_the_keys_of_mesos_dns() {
    let version = get("/v1/version").await;
    assert_eq!((&version["Service"], &version["Version"]), (&json!("Mesos-DNS"), &json!("0.1.0")));
    let config = get("/v1/config").await;
    for (key, value) in [
        ("Domain", json!("mesos")),
        ("TTL", json!(60)),
        ("Port", json!(8053)),
        ("SOAMname", json!("ns1.mesos.")),
        ("SOASerial", json!(9)),
        ("IPSources", json!(["netinfo", "mesos", "host"])),
        ("ExternalOn", json!(false)),
        ("RecurseOn", json!(true)),
    ] {
        assert_eq!(config[key], value, "{key}");
    }
}

#[actix_web::test]
async fn every_task_is_enumerated_with_its_records_and_shared_ones_once() {
    let found = get("/v1/enumerate").await;
    let framework = &found["frameworks"][0];
    assert_eq!(framework["name"], "marathon");
    let tasks = framework["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 2);
    assert_eq!((&tasks[1]["id"], &tasks[1]["name"]), (&json!("web.1"), &json!("web")));
    let shared = json!({"name": "web.marathon.slave.mesos.", "host": "10.0.0.1", "rtype": "A"});
    let lists = |task: &Value| task["records"].as_array().unwrap().contains(&shared);
    assert!(lists(&tasks[0]) && !lists(&tasks[1]));
    let target = format!("web-{}-s0.marathon.mesos.:31001", task_hash("web.1"));
    let service = json!({"name": "_http._web._tcp.marathon.mesos.", "host": target, "rtype": "SRV"});
    assert!(tasks[1]["records"].as_array().unwrap().contains(&service));
}

#[actix_web::test]
async fn the_whole_zone_can_be_dumped() {
    let found = get("/v1/axfr").await;
    assert_eq!(
        (&found["Domain"], &found["Serial"], &found["Mname"]),
        (&json!("mesos"), &json!(9), &json!("ns1.mesos."))
    );
    let records = &found["Records"];
    assert_eq!(records["As"]["web.marathon.mesos."], json!(["10.1.0.0", "10.1.0.1"]));
    assert_eq!(records["As"]["leader.mesos."], json!(["10.0.0.9"]));
    assert_eq!(records["SRVs"]["_slave._tcp.mesos."], json!(["slave.mesos.:5051"]));
    assert_eq!(records["AAAAs"], json!({}));
}

#[actix_web::test]
async fn what_is_not_offered_has_its_status() {
    let status = async |request: TestRequest| ask(request).await.0;
    assert_eq!(status(TestRequest::get().uri("/v1/nothing")).await, StatusCode::NOT_FOUND);
    assert_eq!(status(TestRequest::get().uri("/v1/hosts/web.marathon.mesos/ports")).await, StatusCode::NOT_IMPLEMENTED);
    for method in [Method::POST, Method::HEAD, Method::DELETE] {
        let request = TestRequest::default().method(method).uri("/v1/version");
        assert_eq!(status(request).await, StatusCode::METHOD_NOT_ALLOWED);
    }
    for (accept, expected) in [
        ("text/html", StatusCode::NOT_ACCEPTABLE),
        ("text/html, */*;q=0.8", StatusCode::OK),
        ("application/json; charset=utf-8", StatusCode::OK),
    ] {
        let request = TestRequest::get().uri("/v1/version").insert_header((header::ACCEPT, accept));
        assert_eq!(status(request).await, expected, "{accept}");
    }
}

#[tokio::test]
async fn the_api_is_served_on_a_socket_and_an_address_in_use_is_named() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let running = serve(api()).unwrap();
    let mut stream = tokio::net::TcpStream::connect(running.address()).await.unwrap();
    stream.write_all(b"GET /v1/version HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("Mesos-DNS"), "{answer}");
    let Err(error) = serve(Api { http_address: running.address(), ..api() }) else { panic!("bound twice") };
    assert_eq!(error.to_string(), format!("cannot listen for the DNS HTTP API on {}", running.address()));
    running.shutdown().await;
}

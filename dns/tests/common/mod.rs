//! A small cluster to serve.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use arc_swap::ArcSwap;
use dns::{Agent, Discovery, DiscoveryPort, Framework, Masters, Settings, Task, Zone};

/// Any free port of this machine.
pub fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub fn agent(number: u8) -> Agent {
    Agent { id: format!("c0ffee-S{number}"), addresses: vec![[10, 0, 0, number + 1].into()], port: 5051 }
}

/// A task of app `/app` with an address and a port of its own.
pub fn task(app: &str, number: u16) -> Task {
    let [high, low] = number.to_be_bytes();
    let http = DiscoveryPort { number: 31000 + number, name: Some("http".into()), protocol: Some("tcp".into()) };
    let mut task = Task {
        id: format!("{app}.{number}"),
        name: app.into(),
        framework: "marathon".into(),
        agent_id: agent(0).id,
        running: true,
        discovery: Some(Discovery { name: app.into(), ports: vec![http] }),
        ..Task::default()
    };
    task.addresses.net_info = vec![IpAddr::from([10, 1, high, low])];
    task
}

/// Apps `web` (2 tasks), `many` (40) and `huge` (5000); leader 10.0.0.9:5050; serial 7.
pub fn zone() -> Arc<ArcSwap<Zone>> {
    let mut settings = Settings::for_domain("mesos").unwrap();
    settings.server_addresses = vec![[127, 0, 0, 1].into()];
    let mut zone = Zone::new(settings, 7);
    zone.set_masters(&Masters { leader: Some("10.0.0.9:5050".parse().unwrap()), known: vec![] });
    zone.set_agent(agent(0));
    zone.set_framework(Framework {
        id: "f".into(),
        name: "marathon".into(),
        addresses: vec![[10, 0, 0, 9].into()],
        port: None,
    });
    for (app, tasks) in [("web", 2), ("many", 40), ("huge", 5000)] {
        for number in 0..tasks {
            zone.set_task(task(app, number));
        }
    }
    Arc::new(ArcSwap::from_pointee(zone))
}

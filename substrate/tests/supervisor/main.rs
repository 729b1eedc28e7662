//! The smallest program that can be a supervisor: what the product's own binary does with these arguments. It can be an agent too,
//! for tests that kill one.

use std::path::Path;

use substrate::{
    agent::{AgentConfig, ContainerizerKind, serve},
    containerizer::{launch_main, supervise_main},
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let status = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["supervise", dir] => supervise_main(Path::new(dir)),
        ["launch", dir] => launch_main(Path::new(dir)),
        ["agent", master, work_dir] => agent(master, work_dir),
        _ => 64,
    };
    std::process::exit(status);
}

fn agent(master: &str, work_dir: &str) -> i32 {
    let config = AgentConfig {
        masters: vec![master.parse().expect("the URL of a master")],
        work_dir: work_dir.into(),
        hostname: "agent.test".into(),
        ip: "127.0.0.1".into(),
        port: 0,
        resources: "cpus:4;mem:4096".parse().expect("well-formed resources"),
        attributes: Vec::new(),
        domain: None,
        containerizer: ContainerizerKind::Process { program: "/proc/self/exe".into() },
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let agent = serve(config).await.expect("an agent");
        i32::from(agent.wait().await.is_err())
    })
}

//! The smallest program that can be a supervisor: what the product's own binary does with these arguments, and nothing else.

use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let status = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["supervise", dir] => substrate::containerizer::supervise_main(Path::new(dir)),
        ["launch", dir] => substrate::containerizer::launch_main(Path::new(dir)),
        _ => 64,
    };
    std::process::exit(status);
}

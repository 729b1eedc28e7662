//! Tells cargo to embed the page again when a file of it came, went or changed.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=dist");
}

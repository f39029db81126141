//! Lets the server be built again when the files of the site change: they become part of it.

use std::fs;
use std::path::Path;

fn main() {
    let site = Path::new("target/site");
    // A folder that is missing would count as changed at every build.
    if let Err(error) = fs::create_dir_all(site) {
        println!("cargo:warning=target/site cannot be made: {error}");
    }
    println!("cargo:rerun-if-changed=target/site");
    println!("cargo:rerun-if-changed=migrations");
}

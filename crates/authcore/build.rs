//! A new migration file is embedded only when this crate is built again; cargo does not watch the folder by itself.
fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}

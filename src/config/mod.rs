//! The configuration: files in, either a [`Configuration`] or all its faults out.
//!
//! Pure: it opens no file and reads no clock; `os::bundle` reads directories, `ctl` and `daemon` bring the two together.
//! The stages, each of which trusts only what the one before it passed: signatures ([`keyring`]) over the manifest,
//! the manifest ([`manifest`]), the hashes of the files ([`bundle`]), the TOML (`v1`). Requirements.

pub mod bundle;
pub mod fault;
pub mod keyring;
pub mod manifest;
pub mod model;
mod network_values;
pub mod provenance;
mod reader;
pub mod secret;
pub mod signing;
mod v1;
mod values;

pub use bundle::{BundleFile, BundleFiles, Rejected, load};
pub use fault::{Fault, Faults};
pub use keyring::Keyring;
pub use model::Configuration;
pub use provenance::{Digest, Floor, Provenance, Trust};

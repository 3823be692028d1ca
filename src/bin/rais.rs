//! rais: raisd and raisctl in one file, as the image carries them; the name it is called by decides which it is.
//! They share most of their code, and the image is a megabyte smaller.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    match Path::new(&called).file_name().and_then(OsStr::to_str) {
        Some("raisd") => rais::daemon::main(),
        Some("raisctl") => rais::ctl::main(),
        _ => {
            eprintln!("rais is raisd and raisctl in one file: call it by one of these names, through a link");
            ExitCode::from(2)
        }
    }
}

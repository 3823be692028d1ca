//! raisctl: look at and operate a rais box. All of it is in [`rais::ctl`].

use std::process::ExitCode;

fn main() -> ExitCode {
    rais::ctl::main()
}

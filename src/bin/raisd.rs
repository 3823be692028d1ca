//! raisd: the daemon of a rais box. All of it is in [`rais::daemon`].

use std::process::ExitCode;

fn main() -> ExitCode {
    rais::daemon::main()
}

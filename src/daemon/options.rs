//! What raisd is started with, and what its exit codes mean.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

const EXIT_CODES: &str = "\
Signals:
  SIGTERM, SIGINT  release every service address, say goodbye, exit
  SIGHUP           load the configuration anew; a bad one changes nothing

Exit codes:
  0  stopped as told
  1  failed while running; the last log lines say why
  2  the command line makes no sense
  3  the configuration was refused; all its faults are on standard error
  4  the state directory can not be used
  5  the network, a socket or the control socket could not be set up

The log goes to standard error; $RAIS_LOG filters it, e.g. \"info,rais::daemon=debug\".";

/// The daemon of a rais box: keeps every service address of its groups served by exactly one healthy box.
#[derive(Clone, Debug, Parser)]
#[command(name = "raisd", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Options {
    /// The configuration: a bundle's directory (see `raisctl config sign --help`)
    #[arg(long, value_name = "PATH")]
    pub config: PathBuf,
    /// Who may sign configurations, in the format of OpenSSH's allowed_signers
    #[arg(long, value_name = "FILE", default_value = "/etc/rais/allowed_signers")]
    pub keyring: PathBuf,
    /// Where the few facts are kept that must survive a restart
    #[arg(long, value_name = "PATH", default_value = "/var/lib/rais")]
    pub state_dir: PathBuf,
    /// What this machine is known by, to tell a copied state directory [default: what its firmware says]
    #[arg(long, value_name = "TEXT", value_parser = machine_text)]
    pub machine: Option<String>,
    /// Where raisctl reaches this raisd
    #[arg(long, value_name = "PATH", default_value = crate::ctl::DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Serve the control protocol on this character device too (a virtio-serial port)
    #[arg(long, value_name = "PATH")]
    pub control_port: Option<PathBuf>,
    /// Take a configuration that nobody signed: for development and tests only
    #[arg(long)]
    pub insecure_unsigned: bool,
    /// Record everything that the decisions depend on, for `raisctl replay`; what FILE holds is renamed to FILE.1
    ///
    /// It never delays the daemon: when the disk is too slow, records are lost and the file says how many; when FILE can
    /// not be written, that is logged and nothing is recorded. It holds no secret.
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// Stop recording when the journal is this large, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub journal_limit: u64,
    /// How the log is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// One word, because it stands in a line of the state.
fn machine_text(text: &str) -> Result<String, String> {
    let word = (1..=64).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic());
    if word { Ok(text.to_owned()) } else { Err("1 to 64 ASCII characters without blanks".to_owned()) }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// How raisd ended. `--help` shows the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// As told.
    Stopped,
    /// While running.
    Failed,
    /// The configuration was refused at the start.
    Configuration,
    /// The state directory can not be used.
    State,
    /// The network or a socket could not be set up.
    Network,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Stopped => 0,
            Exit::Failed => 1,
            Exit::Configuration => 3,
            Exit::State => 4,
            Exit::Network => 5,
        })
    }
}

//! The status for the console: what init knows of the box, and below it what raisctl says of the groups.

use crate::console;
use nix::unistd::{gethostname, sethostname};
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How often a display is refreshed. Running raisctl costs a slow box a tenth of a second of processor time, so a box
/// without a display asks only until it knows its name, and when somebody wants to see the status.
const INTERVAL: Duration = Duration::from_secs(5);

/// What does not change until the next boot.
#[derive(Clone, Debug)]
pub(crate) struct Box {
    /// The product's version.
    pub(crate) version: String,
    /// Slot we were booted from.
    pub(crate) slot: String,
    /// Where data is kept.
    pub(crate) data: String,
    /// There is a configuration.
    pub(crate) configured: bool,
}

/// Keeps the status up to date for as long as the box runs. Each message of `wanted` is somebody at a serial console.
pub(crate) fn keep_showing(about: Box, wanted: Receiver<()>) {
    std::thread::spawn(move || {
        let display = console::has_display();
        let mut named = false;
        loop {
            let asked = match display || (about.configured && !named) {
                true => wanted.recv_timeout(INTERVAL),
                false => wanted.recv().map_err(RecvTimeoutError::from),
            };
            let groups = if about.configured { ask_raisctl() } else { Err(UNCONFIGURED.to_owned()) };
            if let Ok(text) = &groups {
                named = take_name(text);
            }
            let status = render(&about, console::uptime(), &groups);
            match asked {
                Ok(()) => console::show_on_serial(status),
                Err(RecvTimeoutError::Timeout) => console::show(status),
                // Nobody is left who could ask.
                Err(RecvTimeoutError::Disconnected) if !display => return,
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(INTERVAL),
            }
        }
    });
}

const UNCONFIGURED: &str = "no configuration: put a signed bundle on the data partition";

/// The status raisctl prints, or why there is none.
fn ask_raisctl() -> Result<String, String> {
    // Not waited for: the supervisor reaps every child of this process.
    let child = Command::new("/bin/raisctl")
        .arg("status")
        .env("COLUMNS", "80")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("raisctl does not start: {error}"))?;
    let text = child.stdout.map(std::io::read_to_string).transpose().ok().flatten().unwrap_or_default();
    if text.trim().is_empty() { Err("raisd does not answer".to_owned()) } else { Ok(text) }
}

/// raisd knows the box's name from its configuration: it is the first word of the status. True if the box has it now.
fn take_name(status: &str) -> bool {
    let Some(name) = name_of(status) else { return false };
    if gethostname().unwrap_or_default() == name {
        return true;
    }
    let taken = sethostname(name).is_ok();
    if taken {
        console::say(&format!("this box is {name}"));
    }
    taken
}

fn name_of(status: &str) -> Option<&str> {
    let name = status.split_whitespace().next()?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (name.len() <= 63 && name.bytes().all(allowed)).then_some(name)
}

fn render(about: &Box, uptime: Duration, groups: &Result<String, String>) -> String {
    let Box { version, slot, data, .. } = about;
    let minutes = uptime.as_secs() / 60;
    let mut text = format!("rais {version}   slot {slot}   data {data}   up {}:{:02} h\n", minutes / 60, minutes % 60);
    let _ = match groups {
        Ok(groups) => write!(text, "\n{groups}"),
        Err(reason) => writeln!(text, "\n{reason}"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_first_word_if_it_can_be_one() {
        assert_eq!(name_of("edge-1  rais 0.1.0, up 3 s\n"), Some("edge-1"));
        assert_eq!(name_of("\x1b[1medge-1\x1b[0m  rais"), None);
        assert_eq!(name_of(""), None);
    }

    #[test]
    fn the_status_says_why_there_are_no_groups() {
        let about = Box { version: "0.1.0".into(), slot: "a".into(), data: "/dev/vda5".into(), configured: false };
        let text = render(&about, Duration::from_secs(3700), &Err("raisd does not answer".into()));
        assert_eq!(text, "rais 0.1.0   slot a   data /dev/vda5   up 1:01 h\n\nraisd does not answer\n");
    }
}

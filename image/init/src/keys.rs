//! What people press: the power button, and Enter on a serial console.

use crate::console;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

/// Octets of `struct input_event` on a 64-bit machine: two times 8 of time, then type, code and value.
const INPUT_EVENT: usize = 24;

/// Starts to listen, on everything that has keys now. `status` gets a message when somebody wants to see the status.
pub(crate) fn listen(status: &Sender<()>) {
    let devices = fs::read_dir("/dev/input").map(|entries| entries.flatten().collect()).unwrap_or_else(|_| Vec::new());
    for path in devices.iter().map(fs::DirEntry::path).filter(|path| is_event_device(path)) {
        std::thread::spawn(move || watch_buttons(path));
    }
    for name in console::names().into_iter().filter(|name| !console::is_display(name)) {
        let status = status.clone();
        std::thread::spawn(move || watch_serial(&name, &status));
    }
}

fn is_event_device(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("event"))
}

fn watch_buttons(path: PathBuf) {
    let Ok(mut device) = File::open(path) else { return };
    let mut event = [0; INPUT_EVENT];
    while device.read_exact(&mut event).is_ok() {
        if is_power_button(&event) {
            console::say("the power button was pressed");
            let _ = kill(Pid::this(), Signal::SIGTERM);
        }
    }
}

fn is_power_button(event: &[u8; INPUT_EVENT]) -> bool {
    // EV_KEY, KEY_POWER, pressed.
    let [.., kind0, kind1, code0, code1, value0, value1, value2, value3] = *event;
    u16::from_ne_bytes([kind0, kind1]) == 1
        && u16::from_ne_bytes([code0, code1]) == 116
        && i32::from_ne_bytes([value0, value1, value2, value3]) == 1
}

fn watch_serial(name: &str, status: &Sender<()>) {
    let Ok(port) = File::open(Path::new("/dev").join(name)) else { return };
    let mut lines = BufReader::new(port);
    let mut line = Vec::new();
    // A port without hardware gives an error or nothing at once: then nobody listens there any more.
    while let Ok(1..) = lines.by_ref().take(256).read_until(b'\n', &mut line) {
        line.clear();
        if status.send(()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pressing_the_power_button_counts() {
        let event = |kind: u16, code: u16, value: i32| {
            let mut bytes = [0; INPUT_EVENT];
            bytes[16..18].copy_from_slice(&kind.to_ne_bytes());
            bytes[18..20].copy_from_slice(&code.to_ne_bytes());
            bytes[20..].copy_from_slice(&value.to_ne_bytes());
            bytes
        };
        assert!(is_power_button(&event(1, 116, 1)));
        assert!(!is_power_button(&event(1, 116, 0)), "released");
        assert!(!is_power_button(&event(1, 28, 1)), "Enter");
        assert!(!is_power_button(&event(0, 0, 0)));
    }
}

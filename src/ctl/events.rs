//! Events as lines of text, for `raisctl events`. Pure.

use super::human;
use super::table::{Palette, Tone};
use crate::event::Event;
use rais_core::notification::{HostState, Notification};

/// One event as a line without its newline: number, wall time, notification, and what it is about.
#[must_use]
pub fn render(event: &Event, palette: Palette) -> String {
    let number = palette.paint(Tone::Faint, &format!("{:>6}", event.number));
    let time = palette.paint(Tone::Faint, &human::utc(event.unix_ms));
    let name = palette.paint(tone(&event.notification), &format!("{:<15}", event.notification.name()));
    format!("{number}  {time}  {name}  {}", describe(&event.notification))
}

fn tone(notification: &Notification) -> Tone {
    match notification {
        Notification::Acquire { .. } | Notification::TestRecovered { .. } => Tone::Good,
        Notification::HostStateChange { state: HostState::Up, .. } => Tone::Good,
        Notification::AcquireFailed { .. }
        | Notification::ReleaseFailed { .. }
        | Notification::TestFailed { .. }
        | Notification::CannotAssign { .. }
        | Notification::HostStateChange { state: HostState::Dead | HostState::NotOk, .. } => Tone::Bad,
        Notification::Release { .. }
        | Notification::LeaderChange { .. }
        | Notification::HostStateChange { .. }
        | Notification::OrphanExpired { .. } => Tone::Warn,
    }
}

/// What a notification is about, in a few words; its name is not repeated.
#[must_use]
pub fn describe(notification: &Notification) -> String {
    match notification {
        Notification::Acquire { group, address, reason } | Notification::Release { group, address, reason } => {
            format!("{group} {address} ({reason})")
        }
        Notification::AcquireFailed { group, address, error }
        | Notification::ReleaseFailed { group, address, error } => {
            format!("{group} {address}: {error}")
        }
        Notification::TestFailed { test, error } => format!("{test}: {error}"),
        Notification::TestRecovered { test } => test.to_string(),
        Notification::CannotAssign { group, address } => format!("{group} {address}: no box can serve it"),
        Notification::LeaderChange { group, leader: Some(leader) } => format!("{group} is led by {leader}"),
        Notification::LeaderChange { group, leader: None } => format!("{group} has no leader"),
        Notification::HostStateChange { group, host, state } => format!("{group} {host} is {state}"),
        Notification::OrphanExpired { group, address } => format!("{group} {address} is served no longer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rais_core::address::GroupName;
    use rais_core::notification::Reason;
    use rais_core::time::Instant;

    #[test]
    fn an_event_is_one_line_with_its_number_time_name_and_subject() {
        let group = GroupName::new("http").unwrap();
        let address = "10.9.0.101".parse().unwrap();
        let host = "10.9.0.3".parse().unwrap();
        let table = [
            (
                Notification::Acquire { group: group.clone(), address, reason: Reason::Unserved },
                "    41  2026-03-21T14:05:09.123Z  Acquire          http 10.9.0.101 (unserved)",
            ),
            (
                Notification::AcquireFailed { group: group.clone(), address, error: String::from("exit status 1") },
                "    41  2026-03-21T14:05:09.123Z  AcquireFailed    http 10.9.0.101: exit status 1",
            ),
            (
                Notification::HostStateChange { group: group.clone(), host, state: HostState::Dead },
                "    41  2026-03-21T14:05:09.123Z  HostStateChange  http 10.9.0.3 is dead",
            ),
            (
                Notification::LeaderChange { group, leader: None },
                "    41  2026-03-21T14:05:09.123Z  LeaderChange     http has no leader",
            ),
        ];
        for (notification, line) in table {
            let event = Event { number: 41, at: Instant::ZERO, unix_ms: 1_774_101_909_123, notification };
            assert_eq!(render(&event, Palette::Mono), line);
        }
    }
}

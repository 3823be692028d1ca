//! Events as lines of text, for `raisctl events`. Pure.

use super::human;
use super::table::{Palette, Tone};
use crate::event::Event;
use rais_core::notification::{Notification, Severity};

/// One event as a line without its newline: number, wall time, notification, and what it is about.
#[must_use]
pub fn render(event: &Event, palette: Palette) -> String {
    let number = palette.paint(Tone::Faint, &format!("{:>6}", event.number));
    let time = palette.paint(Tone::Faint, &human::utc(event.unix_ms));
    let name = palette.paint(tone(&event.notification), &format!("{:<16}", event.notification.name()));
    format!("{number}  {time}  {name}  {}", event.text)
}

/// An alarm in the colour of its severity; the end of one, and an address that is served, as good news.
const fn tone(notification: &Notification) -> Tone {
    match (notification.severity(), notification) {
        (Severity::Critical, _) => Tone::Bad,
        (Severity::Warning, Notification::LinkDown { .. } | Notification::AuthenticationFailure { .. }) => Tone::Warn,
        (Severity::Warning, _) => Tone::Bad,
        (Severity::Info, Notification::Acquire { .. }) => Tone::Good,
        (Severity::Info, ended) if ended.ends().is_some() => Tone::Good,
        (Severity::Info, _) => Tone::Warn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rais_core::address::GroupName;
    use rais_core::notification::{HostState, Reason};
    use rais_core::quantity::Incarnation;
    use rais_core::time::Instant;

    #[test]
    fn an_event_is_one_line_with_its_number_time_name_and_sentence() {
        let group = GroupName::new("http").unwrap();
        let address = "10.9.0.101".parse().unwrap();
        let table = [
            (
                Notification::Acquire { group: group.clone(), address, reason: Reason::Unserved },
                "    41  2026-03-21T14:05:09.123Z  Acquire           serves 10.9.0.101 of group http",
            ),
            (
                Notification::HostStateChange { group, host: "10.9.0.3".parse().unwrap(), state: HostState::Dead },
                "    41  2026-03-21T14:05:09.123Z  HostStateChange   serves 10.9.0.101 of group http",
            ),
        ];
        for (notification, line) in table {
            let text = String::from("serves 10.9.0.101 of group http");
            let (at, unix_ms) = (Instant::ZERO, 1_774_101_909_123);
            let event = Event { number: 41, incarnation: Incarnation(1), at, unix_ms, notification, text };
            assert_eq!(render(&event, Palette::Mono), line);
        }
    }
}

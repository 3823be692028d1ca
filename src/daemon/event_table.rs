//! The event table: the newest events of this life and of those before it, numbered, in memory and, through the event log,
//! on disk. Everybody may read it; only the notifier writes.

use super::event_log::{self, EventLog, Left};
use crate::event::Event;
use crate::os::{clock, random};
use crate::snmp::EventSource;
use rais_core::notification::Notification;
use rais_core::quantity::Incarnation;
use rais_core::time::Instant;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Events kept: at some 200 octets each about 2 MB, and hours of the worst flapping.
pub(super) const MAX_EVENTS: usize = 10_000;

/// The newest [`MAX_EVENTS`] events.
#[derive(Debug, Default)]
pub(super) struct EventTable(Mutex<Ring>);

/// An event that has no number yet.
#[derive(Debug)]
pub(super) struct Unnumbered {
    pub(super) incarnation: Incarnation,
    pub(super) at: Instant,
    pub(super) unix_ms: u64,
    pub(super) notification: Notification,
    pub(super) text: String,
}

/// Who counts on from what is on disk does not come so far: it is where lives count that the disk refuses.
const FAR: u64 = 1 << 31;
/// An index of raisEventTable has no more.
const LAST: u64 = u32::MAX as u64;

/// Which number is next. One that the disk has reserved is used by nobody else. Where it refuses, counting goes on at some
/// place far away, which another life that it refuses will not hit on either.
#[derive(Debug, Default)]
struct Numbering {
    newest: u64,
    /// It has gone away, and nothing was reserved since.
    away: bool,
}

impl Numbering {
    fn next(&mut self, reserved: u64, chance: impl FnOnce() -> u64) -> u64 {
        let next = self.newest + 1;
        let away = next > reserved;
        self.newest = if away && !self.away { far_from(next, chance()) } else { next };
        self.away = away;
        self.newest
    }
}

/// A place far beyond a number, with more than half of what is left behind it.
fn far_from(number: u64, chance: u64) -> u64 {
    let least = number.max(FAR);
    least + chance % (LAST.saturating_sub(least) / 4).max(1)
}

fn chance() -> u64 {
    random::octets().map_or_else(|_| clock::unix_ms(), u64::from_be_bytes)
}

#[derive(Debug, Default)]
struct Ring {
    numbering: Numbering,
    events: VecDeque<Arc<Event>>,
    /// The events as they were handed out last, and the newest number then.
    picture: Option<(u64, Arc<Vec<Arc<Event>>>)>,
    /// `None`: it could not be opened; the log has said why.
    log: Option<EventLog>,
}

impl EventTable {
    /// A table that goes on where earlier lives ended.
    #[must_use]
    pub(super) fn open(directory: &Path) -> Self {
        // What can be read counts, even if nothing can be written: no number of an earlier life is used again.
        let left = event_log::read(directory).unwrap_or_else(|error| {
            tracing::error!(%error, "the event log can not be read: events are numbered anew");
            Left { newest: far_from(0, chance()), ..Left::default() }
        });
        let log = EventLog::open(directory, left.newest).map_err(|error| {
            tracing::error!(%error, "the event log can not be opened: events are kept in memory only");
        });
        let newest = if log.is_ok() { left.newest } else { far_from(left.newest, chance()) };
        if left.bad_lines > 0 {
            tracing::warn!(lines = left.bad_lines, "torn or spoiled lines of the event log were left out");
        }
        Self(Mutex::new(Ring {
            numbering: Numbering { newest, away: false },
            events: left.events.into_iter().map(Arc::new).collect(),
            picture: None,
            log: log.ok(),
        }))
    }

    /// Ends the life: what is there is on disk then, if the disk answers.
    pub(super) fn close(&self) {
        let ring = self.lock();
        if let Some(log) = &ring.log {
            log.close(ring.numbering.newest);
        }
    }

    /// Numbers a notification and keeps it.
    pub(super) fn record(&self, event: Unnumbered) -> Event {
        let Unnumbered { incarnation, at, unix_ms, notification, text } = event;
        let mut ring = self.lock();
        // Without a log it counts from where it was opened.
        let reserved = ring.log.as_ref().map_or(u64::MAX, EventLog::reserved);
        let number = ring.numbering.next(reserved, chance);
        let event = Event { number, incarnation, at, unix_ms, notification, text };
        if ring.events.len() == MAX_EVENTS {
            ring.events.pop_front();
        }
        ring.events.push_back(Arc::new(event.clone()));
        if let Some(log) = &mut ring.log {
            log.append(&event);
        }
        event
    }

    /// At most `limit` events after number `since`, oldest first (`None`: the newest ones), and the newest number.
    #[must_use]
    pub(super) fn since(&self, since: Option<u64>, limit: usize) -> (Vec<Event>, u64) {
        let ring = self.lock();
        let skip = match since {
            // Numbers ascend, with gaps after lives that did not end well.
            Some(since) => ring.events.partition_point(|event| event.number <= since),
            None => ring.events.len().saturating_sub(limit),
        };
        (ring.events.iter().skip(skip).take(limit).map(|event| Event::clone(event)).collect(), ring.numbering.newest)
    }

    /// Everything there is, as one picture: some ten thousand pointers, made anew only after something happened.
    #[must_use]
    pub(super) fn picture(&self) -> Arc<Vec<Arc<Event>>> {
        let mut ring = self.lock();
        let newest = ring.numbering.newest;
        match &ring.picture {
            Some((at, picture)) if *at == newest => Arc::clone(picture),
            _ => {
                let picture = Arc::new(ring.events.iter().cloned().collect::<Vec<_>>());
                ring.picture = Some((newest, Arc::clone(&picture)));
                picture
            }
        }
    }

    /// A poisoned lock means a panic elsewhere, and that is an abort; the data itself is always whole.
    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventSource for EventTable {
    fn events(&self) -> Arc<Vec<Arc<Event>>> {
        self.picture()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(event_table: &EventTable, since: Option<u64>, limit: usize) -> Vec<u64> {
        event_table.since(since, limit).0.iter().map(|event| event.number).collect()
    }

    fn record(event_table: &EventTable, count: usize) {
        for _ in 0..count {
            let notification = Notification::TestRecovered { test: "web".parse().unwrap() };
            let (incarnation, at, text) = (Incarnation(1), Instant::ZERO, String::new());
            event_table.record(Unnumbered { incarnation, at, unix_ms: 0, notification, text });
        }
    }

    /// A table whose disk is full, and how its first events are numbered.
    fn on_a_full_disk(directory: &Path) -> Vec<u64> {
        let event_table = EventTable::open(directory);
        record(&event_table, 5);
        numbers(&event_table, Some(10), 10)
    }

    #[test]
    fn two_lives_that_a_full_disk_refuses_everything_number_no_event_alike() {
        let directory = tempfile::tempdir().unwrap();
        let event_table = EventTable::open(directory.path());
        record(&event_table, 10);
        event_table.close();
        assert_eq!(numbers(&event_table, Some(0), 100), (1..=10).collect::<Vec<_>>());
        // The next file is on a device that is full.
        let newest = directory.path().join(format!("{:020}.log", 2));
        std::os::unix::fs::symlink("/dev/full", newest).unwrap();
        let lives = [on_a_full_disk(directory.path()), on_a_full_disk(directory.path())];
        for life in &lives {
            assert!(life.len() == 5 && life.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{life:?}");
            assert!(life[0] >= FAR && life[4] <= LAST, "{life:?}");
        }
        assert!(lives[0].iter().all(|number| !lives[1].contains(number)), "{lives:?}");
        // And without a directory to write to.
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(on_a_full_disk(file.path())[0] >= FAR);
    }

    #[test]
    fn numbers_are_counted_while_the_disk_reserves_them_and_far_away_while_it_does_not() {
        let mut numbering = Numbering::default();
        let mut next = |reserved| numbering.next(reserved, || 7);
        assert_eq!([next(3), next(3), next(3)], [1, 2, 3]);
        // The disk refuses: away once, and on from there.
        assert_eq!([next(3), next(3)], [FAR + 7, FAR + 8]);
        // It takes them again, and refuses again.
        assert_eq!([next(FAR + 100), next(FAR + 100)], [FAR + 9, FAR + 10]);
        assert_eq!([next(FAR + 10), next(FAR + 10)], [FAR + 11 + 7, FAR + 12 + 7]);
        // Whatever happens, there is room behind it.
        let mut numbering = Numbering::default();
        for life in 0..50 {
            let number = numbering.next(0, || u64::MAX - life);
            assert!(number < LAST, "{number} after {life}");
            numbering.next(u64::MAX, || 0);
        }
    }

    #[test]
    fn events_are_found_by_number_and_the_oldest_make_room() {
        let event_table = EventTable::default();
        assert_eq!(event_table.since(None, 10), (vec![], 0));
        record(&event_table, 5);
        assert_eq!(numbers(&event_table, None, 2), [4, 5]);
        assert_eq!(numbers(&event_table, Some(0), 2), [1, 2]);
        assert_eq!(numbers(&event_table, Some(3), 10), [4, 5]);
        assert_eq!(numbers(&event_table, Some(5), 10), [0; 0]);
        assert_eq!(numbers(&event_table, Some(99), 10), [0; 0]);
        record(&event_table, MAX_EVENTS);
        assert_eq!(numbers(&event_table, Some(0), 2), [6, 7]);
        assert_eq!(event_table.since(None, 1).1, 10_005);
    }

    #[test]
    fn a_picture_is_made_anew_only_after_something_happened() {
        let event_table = EventTable::default();
        record(&event_table, 3);
        let (one, other) = (event_table.picture(), event_table.picture());
        assert!(Arc::ptr_eq(&one, &other));
        record(&event_table, MAX_EVENTS);
        assert_eq!(one.iter().map(|event| event.number).collect::<Vec<_>>(), [1, 2, 3], "it does not change");
        let picture = event_table.picture();
        assert_eq!((picture.len(), picture[0].number), (MAX_EVENTS, 4));
    }
}

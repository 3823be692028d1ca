//! raisEventTable: what the box told its operators, in this life and in those before it.
//!
//! The table is asked for its events at most once a request, and only by a request that comes to it ([`Events`]); so what
//! one answer shows is one picture, however many events arrive meanwhile.

use crate::event::Event;
use crate::snmp::notify;
use crate::snmp::prepared::Served;
use crate::snmp::table::ByNumber;
use crate::snmp::value::Value;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

/// Whoever keeps the events.
pub trait EventSource: Send + Sync {
    /// The newest ones, by ascending number. Called at most once a request; cheap if nothing happened in between.
    fn events(&self) -> Arc<Vec<Arc<Event>>>;
}

/// The events as one request sees them.
pub(crate) struct Events<'a> {
    source: Option<&'a dyn EventSource>,
    seen: OnceCell<Arc<Vec<Arc<Event>>>>,
}

impl<'a> Events<'a> {
    pub(crate) fn of(source: Option<&'a dyn EventSource>) -> Self {
        Self { source, seen: OnceCell::new() }
    }

    /// Those whose number an index can say: all, for some hundred years.
    fn all(&self) -> &[Arc<Event>] {
        let seen = self.seen.get_or_init(|| self.source.map(EventSource::events).unwrap_or_default());
        let end = seen.partition_point(|event| u32::try_from(event.number).is_ok());
        seen.get(..end).unwrap_or_default()
    }
}

pub(super) struct EventTable;

impl ByNumber for EventTable {
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 6, 7];

    fn rows(served: &Served<'_>) -> usize {
        served.events.all().len()
    }

    fn number(served: &Served<'_>, row: usize) -> u32 {
        let number = served.events.all().get(row).map(|event| u32::try_from(event.number));
        number.and_then(Result::ok).unwrap_or(u32::MAX)
    }

    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a> {
        let Some(event) = served.events.all().get(row) else { return Value::NoSuchInstance };
        match column {
            2 => Value::Octets(Cow::Owned(notify::date_and_time(event.unix_ms).to_vec())),
            // The up-time of an earlier life is nobody's any more.
            3 if event.incarnation != served.snapshot.view.incarnation => Value::TimeTicks(0),
            3 => Value::up_time(event.at, served.started()),
            4 => Value::Counter64(event.incarnation.0),
            5 => Value::OwnedIdentifier(Box::new(notify::identity(&event.notification))),
            6 => notify::severity(event.notification.severity()),
            7 => Value::text(&event.text),
            _ => Value::NoSuchInstance,
        }
    }
}

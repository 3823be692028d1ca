//! One receiver of notifications: what is sent to it and when, and what it answered (RFC 3413 §3.3, RFC 3416 §4.2.7).
//!
//! Pure: it does not know sockets or clocks, and not what a notification says. Traps leave at once. An inform is repeated
//! with the same request-id until it is answered or given up; some are under way at a time, the others wait in order. What
//! happens again to the same row within a moment is held back, and of what was held the last is sent when the moment is
//! over, so that what a receiver heard last is true. Everything is bounded: a receiver that is dead costs memory once.

use super::access::View;
use super::ber::{scan, tag};
use super::message::pdu;
use super::notify::{Kind, may_be_told, v2c};
use super::v3::{EngineClock, EngineId, Envelope, Level, Peer, Salts, User, seal};
use rais_core::time::{Duration, Instant};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Add;
use std::sync::Arc;
use thiserror::Error;

/// Notifications that may wait: an hour of one a second, some 500 octets each.
pub const MAX_WAITING: usize = 4096;
/// Informs under way at a time: what a receiver's socket takes without loss.
const WINDOW: usize = 16;
/// Rows that are held back at a time; more are sent at once.
const MAX_HELD: usize = 4096;
/// The largest message that we take, in octets.
const MAX_MESSAGE: usize = 1472;

/// What is told, the same to every receiver.
#[derive(Debug, PartialEq, Eq)]
pub struct Notice {
    /// Type and row: of two with the same the newer makes the older one pointless.
    pub about: String,
    /// Its variable bindings.
    pub bindings: Vec<u8>,
}

/// How a receiver is talked to.
pub struct DeliveryParams {
    /// Traps or informs.
    pub kind: Kind,
    /// Who says so.
    pub security: Security,
    /// What they may be told of.
    pub view: View,
    /// How long an inform's answer may take before it is sent again.
    pub timeout: Duration,
    /// How often it is sent again.
    pub retries: u32,
    /// How soon the same type and row are told again; zero: at once.
    pub throttle: Duration,
}

/// Who says so, and how it is proved.
pub enum Security {
    /// Version 2c.
    Community(Vec<u8>),
    /// Version 3.
    User {
        /// Its keys are localised at our engine for traps, at the receiver's for informs: that is the authoritative one
        /// (RFC 3412 §7.1).
        user: User,
        /// At most what the user can do.
        level: Level,
        /// Our engine, the context of everything that is told.
        engine: EngineId,
        /// Our engine's clock.
        clock: EngineClock,
        /// For encryption.
        salts: Salts,
    },
}

/// What became of what was to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeliveryCounters {
    /// Notifications sent, each once.
    pub sent: u64,
    /// Informs sent again.
    pub repeated: u64,
    /// Informs that were answered.
    pub acknowledged: u64,
    /// Informs that the receiver would not have.
    pub refused: u64,
    /// Informs given up after the last repetition.
    pub given_up: u64,
    /// Notifications that found the queue full; the oldest makes room.
    pub dropped: u64,
    /// Notifications that a newer one made pointless while they were held back.
    pub superseded: u64,
    /// Notifications that are not in the receiver's view, wholly or in part.
    pub withheld: u64,
    /// Datagrams that were no answer to anything.
    pub strays: u64,
}

impl Add for DeliveryCounters {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            sent: self.sent + more.sent,
            repeated: self.repeated + more.repeated,
            acknowledged: self.acknowledged + more.acknowledged,
            refused: self.refused + more.refused,
            given_up: self.given_up + more.given_up,
            dropped: self.dropped + more.dropped,
            superseded: self.superseded + more.superseded,
            withheld: self.withheld + more.withheld,
            strays: self.strays + more.strays,
        }
    }
}

/// Why a datagram from a receiver is no answer. It is counted, and what waits for an answer waits on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Stray {
    /// It is no message of the version and the community or the user that was used.
    #[error("it is not in the words that were used")]
    Foreign,
    /// It is no response.
    #[error("it is no response")]
    NotAResponse,
    /// It answers nothing that is under way: too late, or a guess.
    #[error("it answers nothing that is under way")]
    Unexpected,
}

/// An inform under way.
struct UnderWay {
    notice: Arc<Notice>,
    retries_left: u32,
    due: Instant,
    /// It was sent again because the receiver's clock had become known: once is enough.
    in_time: bool,
}

/// One receiver.
pub struct Delivery {
    params: DeliveryParams,
    /// The receiver's engine, if it counts.
    peer: Peer,
    waiting: VecDeque<Arc<Notice>>,
    under_way: BTreeMap<i32, UnderWay>,
    held: BTreeMap<String, Option<Arc<Notice>>>,
    /// When each of `held` may be told again: the pause is the same for all, so they are in order.
    holds: VecDeque<(Instant, String)>,
    last_id: i32,
    counters: DeliveryCounters,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiting, under_way) = (self.waiting.len(), self.under_way.len());
        f.debug_struct("Delivery").field("waiting", &waiting).field("under_way", &under_way).finish_non_exhaustive()
    }
}

impl Delivery {
    /// A receiver that was told nothing yet. `first_id` should be another one in each life, so that an answer to an
    /// earlier one is none to this.
    #[must_use]
    pub fn new(params: DeliveryParams, first_id: i32) -> Self {
        let engine = match (&params.security, params.kind) {
            (Security::User { user, .. }, Kind::Inform) => Some(*user.engine()),
            _ => None,
        };
        let (waiting, under_way, held, holds) = Default::default();
        let (peer, counters) = (Peer::new(engine), DeliveryCounters::default());
        Self { params, peer, waiting, under_way, held, holds, last_id: first_id & i32::MAX, counters }
    }

    /// What became of everything so far.
    #[must_use]
    pub const fn counters(&self) -> &DeliveryCounters {
        &self.counters
    }

    /// How many notifications are not done with: held back, waiting, or informs under way.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.held.values().flatten().count() + self.waiting.len() + self.under_way.len()
    }

    /// Something is to be told, if it is in the receiver's view. Ask [`poll`](Self::poll) next.
    pub fn offer(&mut self, notice: Arc<Notice>, now: Instant) {
        if !may_be_told(&self.params.view, &notice.bindings) {
            self.counters.withheld += 1;
            return;
        }
        if let Some(held) = self.held.get_mut(&notice.about) {
            self.counters.superseded += u64::from(held.is_some());
            *held = Some(notice);
            return;
        }
        self.hold(&notice.about, now);
        self.queue(notice);
    }

    fn hold(&mut self, about: &str, now: Instant) {
        if self.params.throttle > Duration::ZERO && self.held.len() < MAX_HELD {
            self.held.insert(about.to_owned(), None);
            self.holds.push_back((now + self.params.throttle, about.to_owned()));
        }
    }

    fn queue(&mut self, notice: Arc<Notice>) {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
            self.counters.dropped += 1;
        }
        self.waiting.push_back(notice);
    }

    /// The next datagram to send, until there is none.
    pub fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        while self.holds.front().is_some_and(|(until, _)| *until <= now) {
            let Some((_, about)) = self.holds.pop_front() else { break };
            if let Some(notice) = self.held.remove(&about).flatten() {
                self.hold(&about, now);
                self.queue(notice);
            }
        }
        self.repetition(now).or_else(|| self.next(now))
    }

    /// An inform whose answer is overdue, once more; those that were repeated often enough are given up.
    fn repetition(&mut self, now: Instant) -> Option<Vec<u8>> {
        loop {
            let (&id, under_way) = self.under_way.iter_mut().find(|(_, under_way)| under_way.due <= now)?;
            if under_way.retries_left > 0 {
                under_way.retries_left -= 1;
                under_way.due = now + self.params.timeout;
                let notice = Arc::clone(&under_way.notice);
                self.counters.repeated += 1;
                return self.message(id, &notice, now);
            }
            self.under_way.remove(&id);
            self.counters.given_up += 1;
        }
    }

    fn next(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.params.kind == Kind::Inform && self.under_way.len() >= WINDOW {
            return None;
        }
        let notice = self.waiting.pop_front()?;
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        let id = self.last_id;
        self.counters.sent += 1;
        if self.params.kind == Kind::Inform {
            let (notice, retries_left, due) = (Arc::clone(&notice), self.params.retries, now + self.params.timeout);
            self.under_way.insert(id, UnderWay { notice, retries_left, due, in_time: false });
        }
        self.message(id, &notice, now)
    }

    /// When [`poll`](Self::poll) is to be asked at the latest.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let repetition = self.under_way.values().map(|under_way| under_way.due).min();
        repetition.into_iter().chain(self.holds.front().map(|(until, _)| *until)).min()
    }

    fn message(&mut self, id: i32, notice: &Notice, now: Instant) -> Option<Vec<u8>> {
        let kind = self.params.kind;
        match &mut self.params.security {
            Security::Community(community) => Some(v2c(kind, community, id, &notice.bindings)),
            Security::User { user, level, engine, clock, salts } => {
                let (boots, time) = match kind {
                    Kind::Trap => clock.read(now),
                    Kind::Inform => self.peer.clock(now),
                };
                let envelope = Envelope {
                    msg_id: id,
                    max_size: MAX_MESSAGE,
                    reportable: kind == Kind::Inform,
                    level: *level,
                    engine: user.engine().as_bytes(),
                    boots,
                    time,
                    user_name: user.name(),
                    user: Some(user),
                    context_engine: engine.as_bytes(),
                    context_name: b"",
                };
                let (mut content, mut out) = (Vec::with_capacity(notice.bindings.len() + 16), Vec::new());
                pdu(kind.tag(), [id, 0, 0], &notice.bindings, &mut content);
                // The configuration gives no user a level that it has no keys for.
                seal(&envelope, salts.draw(), &content, &mut out).ok().map(|()| out)
            }
        }
    }

    /// Takes what came back from the receiver's address. Ask [`poll`](Self::poll) next.
    ///
    /// # Errors
    /// [`Stray`]: it is no answer to anything; it was counted.
    pub fn receive(&mut self, datagram: &[u8], now: Instant) -> Result<(), Stray> {
        let received = self.answer(datagram, now);
        self.counters.strays += u64::from(received.is_err());
        received
    }

    fn answer(&mut self, datagram: &[u8], now: Instant) -> Result<(), Stray> {
        let (id, status) = match &self.params.security {
            Security::Community(community) => {
                let scan = scan(datagram).map_err(|_| Stray::Foreign)?;
                if scan.community != community.as_slice() {
                    return Err(Stray::Foreign);
                }
                if scan.pdu.pdu != tag::RESPONSE {
                    return Err(Stray::NotAResponse);
                }
                let [request_id, status, _] = scan.pdu.fields;
                (request_id, status)
            }
            Security::User { user, level, .. } if self.params.kind == Kind::Inform => {
                let opened = self.peer.open(datagram, user, *level, now).map_err(|_| Stray::Foreign)?;
                match opened.pdu {
                    tag::RESPONSE => (opened.request_id, opened.status),
                    // Its clock is known from now on: what did not fit it is said again, once, under the same request-id.
                    tag::REPORT if opened.level > Level::NoAuthNoPriv => return self.repeat_in_time(now),
                    _ => return Err(Stray::NotAResponse),
                }
            }
            Security::User { .. } => return Err(Stray::Unexpected),
        };
        self.under_way.remove(&id).ok_or(Stray::Unexpected)?;
        let counter = if status == 0 { &mut self.counters.acknowledged } else { &mut self.counters.refused };
        *counter += 1;
        Ok(())
    }

    fn repeat_in_time(&mut self, now: Instant) -> Result<(), Stray> {
        let mut any = false;
        for under_way in self.under_way.values_mut().filter(|under_way| !under_way.in_time) {
            // The first attempt was for the clock, and is none of the receiver's failures.
            (under_way.in_time, under_way.due) = (true, now);
            under_way.retries_left += 1;
            any = true;
        }
        if any { Ok(()) } else { Err(Stray::Unexpected) }
    }
}

//! What a client saw: every answer to every probe, and how long each address was silent around an event.
//!
//! It knows no sockets and reads no clock, so that the arithmetic of an outage can be tested. The rules are those of
//! `protocol.md` §10: the silence at the tail counts, and every answer names the box that gave it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// One answer to one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When the client had it.
    pub at: Instant,
    /// The box that gave it, as an index into the plan; `None`: a stranger.
    pub from: Option<usize>,
}

/// Every answer since the prober started, per address in order of arrival; and every round of probes.
#[derive(Debug, Default)]
pub struct Trace {
    answers: BTreeMap<IpAddr, Vec<Answer>>,
    /// When each round of probes, one to each address, was sent.
    rounds: Vec<Instant>,
    /// Per address, which rounds were answered.
    answered: BTreeMap<IpAddr, Vec<bool>>,
}

/// What became of the probes of one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// How many were sent.
    pub sent: usize,
    /// How many of them nobody answered.
    pub lost: usize,
}

/// What one address looked like to the client within a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The longest time without an answer that touched the window, the time before the first and after the last included.
    pub silence: Duration,
    /// Who answered within the window, strangers left out.
    pub answered_by: BTreeSet<usize>,
    /// Answers from a MAC address that no box has.
    pub strangers: usize,
    /// Who gave the last answer within the window.
    pub last: Option<usize>,
}

impl Trace {
    /// A trace of these addresses; answers of others are ignored.
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let answers: BTreeMap<_, _> = addresses.into_iter().map(|address| (address, Vec::new())).collect();
        let answered = answers.keys().map(|address| (*address, Vec::new())).collect();
        Self { answers, rounds: Vec::new(), answered }
    }

    /// Takes down that a round of probes is sent; gives the sequence number its probes carry.
    pub fn round(&mut self, at: Instant) -> u16 {
        self.rounds.push(at);
        sequence_of(self.rounds.len() - 1)
    }

    /// Takes down that the latest round with this sequence number was answered for `address`.
    pub fn answered(&mut self, address: IpAddr, sequence: u16) {
        let Some(latest) = self.rounds.len().checked_sub(1) else { return };
        let back = usize::from(sequence_of(latest).wrapping_sub(sequence));
        if let (Some(round), Some(answered)) = (latest.checked_sub(back), self.answered.get_mut(&address)) {
            answered.resize(answered.len().max(round + 1), false);
            if let Some(answered) = answered.get_mut(round) {
                *answered = true;
            }
        }
    }

    /// What became of the probes of `address` that were sent from `since` to `until`; ask some time later, for answers
    /// take their time.
    pub fn probes(&self, address: IpAddr, since: Instant, until: Instant) -> Probes {
        let first = self.rounds.partition_point(|at| *at < since);
        let end = self.rounds.partition_point(|at| *at <= until);
        let answered = self.answered.get(&address).map_or(&[][..], Vec::as_slice);
        let lost = (first..end).filter(|round| !answered.get(*round).copied().unwrap_or(false)).count();
        Probes { sent: end - first, lost }
    }

    /// How often from `since` to `until` another box than before began to answer for `address`, `home` itself left out:
    /// each is a takeover.
    pub fn takeovers(&self, address: IpAddr, home: usize, since: Instant, until: Instant) -> usize {
        let answers = self.answers.get(&address).map_or(&[][..], Vec::as_slice);
        let within = answers.iter().filter(|answer| answer.at >= since && answer.at <= until);
        let mut before = Some(home);
        let mut count = 0;
        for answer in within {
            count += usize::from(answer.from != before && answer.from != Some(home));
            before = answer.from;
        }
        count
    }

    /// When anybody but `not` first answered for `address` after `since`.
    pub fn first_other(&self, address: IpAddr, not: usize, since: Instant) -> Option<Instant> {
        let answers = self.answers.get(&address)?;
        let from = answers.partition_point(|answer| answer.at < since);
        answers.iter().skip(from).find(|answer| answer.from.is_some_and(|box_| box_ != not)).map(|answer| answer.at)
    }

    /// Takes down one answer; they come in order, but for the microsecond that two clocks may be apart.
    pub fn record(&mut self, address: IpAddr, answer: Answer) {
        if let Some(answers) = self.answers.get_mut(&address) {
            let at = answers.last().map_or(answer.at, |last| last.at.max(answer.at));
            answers.push(Answer { at, ..answer });
        }
    }

    /// What `address` looked like from `since` to `until`.
    ///
    /// A gap that began before the window and ends in it counts whole: the event may fall between two probes. An address
    /// that never answered was silent for the whole window.
    pub fn seen(&self, address: IpAddr, since: Instant, until: Instant) -> Seen {
        let answers = self.answers.get(&address).map_or(&[][..], Vec::as_slice);
        let first_within = answers.partition_point(|answer| answer.at < since);
        let mut previous = first_within.checked_sub(1).and_then(|i| answers.get(i)).map_or(since, |answer| answer.at);
        let mut seen = Seen { silence: Duration::ZERO, answered_by: BTreeSet::new(), strangers: 0, last: None };
        for answer in answers.iter().skip(first_within).take_while(|answer| answer.at <= until) {
            seen.silence = seen.silence.max(answer.at.saturating_duration_since(previous));
            previous = answer.at;
            seen.last = answer.from;
            match answer.from {
                Some(index) => drop(seen.answered_by.insert(index)),
                None => seen.strangers += 1,
            }
        }
        seen.silence = seen.silence.max(until.saturating_duration_since(previous));
        seen
    }

    /// Who answered last, if within `age` before `now`.
    pub fn answers_now(&self, address: IpAddr, now: Instant, age: Duration) -> Option<Answer> {
        let last = self.answers.get(&address)?.last()?;
        (now.saturating_duration_since(last.at) <= age).then_some(*last)
    }
}

/// The sequence number of a round: its number's lower 16 bits.
fn sequence_of(round: usize) -> u16 {
    (round & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 77, 0, 101));

    /// A trace whose answers arrived at these milliseconds, from these boxes; and the millisecond 0.
    fn trace(answers: &[(u64, usize)]) -> (Trace, Instant) {
        let zero = Instant::now();
        let mut trace = Trace::new([ADDRESS]);
        for (ms, from) in answers {
            trace.record(ADDRESS, Answer { at: zero + Duration::from_millis(*ms), from: Some(*from) });
        }
        (trace, zero)
    }

    #[test]
    fn a_silence_is_the_longest_gap_that_touches_the_window() {
        // What, the answers, the window, the silence.
        type Row = (&'static str, &'static [(u64, usize)], u64, u64, u64);
        let table: &[Row] = &[
            ("a gap inside the window", &[(0, 0), (10, 0), (300, 1), (310, 1)], 5, 312, 290),
            ("a gap that began before the window counts whole", &[(0, 0), (300, 1), (310, 1)], 100, 312, 300),
            ("a gap before the window does not count", &[(0, 0), (300, 1), (310, 1), (320, 1)], 315, 325, 10),
            ("the silence at the tail counts", &[(0, 0), (10, 0)], 5, 5000, 4990),
            ("an address that never answered was silent for the whole window", &[], 100, 400, 300),
            ("nothing was lost", &[(0, 0), (10, 0), (20, 0)], 5, 22, 10),
        ];
        for (name, answers, since, until, silence) in table {
            let (trace, zero) = trace(answers);
            let at = |ms: &u64| zero + Duration::from_millis(*ms);
            assert_eq!(trace.seen(ADDRESS, at(since), at(until)).silence, Duration::from_millis(*silence), "{name}");
        }
    }

    #[test]
    fn every_answer_names_the_box_that_gave_it() {
        let (mut trace, zero) = trace(&[(0, 0), (10, 1), (20, 0), (30, 1)]);
        trace.record(ADDRESS, Answer { at: zero + Duration::from_millis(40), from: None });
        let seen = trace.seen(ADDRESS, zero + Duration::from_millis(5), zero + Duration::from_millis(50));
        assert_eq!(seen.answered_by, BTreeSet::from([0, 1]));
        assert_eq!((seen.strangers, seen.last), (1, None));
    }

    #[test]
    fn a_probe_is_lost_unless_its_own_round_was_answered() {
        let zero = Instant::now();
        let at = |ms: u64| zero + Duration::from_millis(ms);
        let mut trace = Trace::new([ADDRESS]);
        // Beyond the wrap of the sequence number.
        for ms in 0..70_000 {
            let sequence = trace.round(at(ms));
            if !(69_000..69_010).contains(&ms) && ms != 5 {
                trace.answered(ADDRESS, sequence);
            }
        }
        let probes = |since, until| trace.probes(ADDRESS, at(since), at(until));
        assert_eq!(probes(0, 100), Probes { sent: 101, lost: 1 });
        assert_eq!(probes(6, 60_000), Probes { sent: 59_995, lost: 0 });
        assert_eq!(probes(68_999, 69_010), Probes { sent: 12, lost: 10 });
    }

    #[test]
    fn a_takeover_is_counted_once_and_the_way_home_is_none() {
        let (trace, zero) = trace(&[(0, 0), (10, 1), (20, 1), (30, 0), (40, 1), (50, 2), (60, 0)]);
        let at = |ms: u64| zero + Duration::from_millis(ms);
        assert_eq!(trace.takeovers(ADDRESS, 0, at(0), at(100)), 3);
        assert_eq!(trace.takeovers(ADDRESS, 0, at(55), at(100)), 0);
        assert_eq!(trace.first_other(ADDRESS, 0, at(25)), Some(at(40)));
    }

    #[test]
    fn an_old_answer_is_not_an_answer_now() {
        let (trace, zero) = trace(&[(0, 2)]);
        let age = Duration::from_millis(50);
        assert!(trace.answers_now(ADDRESS, zero + Duration::from_millis(50), age).is_some());
        assert_eq!(trace.answers_now(ADDRESS, zero + Duration::from_millis(51), age), None);
    }
}

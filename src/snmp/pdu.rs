//! Processing a request: RFC 3416 §4.2.1 to §4.2.5, paragraph by paragraph.
//!
//! It does not know versions but by their [`Dialect`], nor communities or what else is around a PDU: whether an answer still fits is asked of
//! whoever does ([`Room`]).

use super::access::View;
use super::ber::bindings;
use super::community::Principal;
use super::message::{Operation, Request};
use super::oid::Oid;
use super::prepared::Served;
use super::registry::{Instance, Registry};
use super::set::{NewValue, Refusal, Step};
use super::v1::Dialect;
use super::value::{Value, binding};

/// error-status of RFC 3416 §3, as far as this agent answers with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum ErrorStatus {
    NoError = 0,
    TooBig = 1,
    /// Version 1 only, as the two below.
    NoSuchName = 2,
    BadValue = 3,
    GenErr = 5,
    NoAccess = 6,
    WrongType = 7,
    WrongValue = 10,
    NoCreation = 11,
    InconsistentValue = 12,
    CommitFailed = 14,
    UndoFailed = 15,
    AuthorizationError = 16,
    NotWritable = 17,
}

impl From<Refusal> for ErrorStatus {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoAccess => Self::NoAccess,
            Refusal::NotWritable => Self::NotWritable,
            Refusal::WrongType => Self::WrongType,
            Refusal::WrongValue => Self::WrongValue,
            Refusal::NoCreation => Self::NoCreation,
            Refusal::InconsistentValue => Self::InconsistentValue,
        }
    }
}

/// What is answered, besides the variable bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) status: ErrorStatus,
    /// The variable binding that is to blame, counted from 1; 0: none.
    pub(crate) index: i32,
}

impl Verdict {
    pub(crate) const FINE: Self = Self { status: ErrorStatus::NoError, index: 0 };
    /// RFC 3416 §4.2.1 to §4.2.3, §4.2.5: error-index zero, no variable bindings.
    pub(crate) const TOO_BIG: Self = Self { status: ErrorStatus::TooBig, index: 0 };
    /// §4.2.5: "undoFailed", error-index zero.
    pub(crate) const UNDO_FAILED: Self = Self { status: ErrorStatus::UndoFailed, index: 0 };

    /// §4.2.5: a variable binding that was fine could not be carried out all the same.
    pub(crate) const fn commit_failed(index: i32) -> Self {
        Self { status: ErrorStatus::CommitFailed, index }
    }
}

/// Does a message fit whose variable bindings take this many octets?
pub(crate) type Room<'a> = &'a dyn Fn(usize) -> bool;

/// Everything a request is worked on with.
pub(crate) struct Work<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) served: Served<'a>,
    pub(crate) principal: Principal<'a>,
    pub(crate) room: Room<'a>,
    /// What its version has words for.
    pub(crate) dialect: Dialect,
}

impl Work<'_> {
    /// Answers a request: appends the variable bindings of the response and says what else stands in it. `echo` are the
    /// request's own variable bindings, which some responses carry.
    /// `steps` gets what a SET that is fine does, with the number of its variable binding.
    pub(crate) fn answer(
        &self,
        request: &Request<'_>,
        echo: &[u8],
        out: &mut Vec<u8>,
        steps: &mut Vec<(i32, Step)>,
    ) -> Verdict {
        out.clear();
        let verdict = match request.operation {
            Operation::Get => self.get(request, out),
            Operation::GetNext => self.get_next(request, out),
            Operation::GetBulk { non_repeaters, max_repetitions } => {
                self.get_bulk(request, non_repeaters, max_repetitions, out);
                Verdict::FINE
            }
            Operation::Set => self.set(echo, out, steps),
        };
        if verdict != Verdict::FINE {
            self.dialect.refuse(verdict, echo, out);
        }
        verdict
    }

    /// §4.2.1
    fn get(&self, request: &Request<'_>, out: &mut Vec<u8>) -> Verdict {
        for (name, index) in request.names().zip(1..) {
            let value = self.registry.value(&self.served, self.principal.read, name.arcs());
            if let Some(error) = self.dialect.error_for(&value, index) {
                return error;
            }
            if !self.append(&name, &value, out) {
                return Verdict::TOO_BIG;
            }
        }
        Verdict::FINE
    }

    /// §4.2.2
    fn get_next(&self, request: &Request<'_>, out: &mut Vec<u8>) -> Verdict {
        for (name, index) in request.names().zip(1..) {
            let Some(place) = self.append_next(&Place::Name(name), out) else { return Verdict::TOO_BIG };
            if let (Place::End(_), Some(error)) = (place, self.dialect.error_for(&Value::EndOfMibView, index)) {
                return error;
            }
        }
        Verdict::FINE
    }

    /// §4.2.3: as many variable bindings as fit, never tooBig.
    fn get_bulk(&self, request: &Request<'_>, non_repeaters: usize, max_repetitions: usize, out: &mut Vec<u8>) {
        let mut names = request.names();
        for name in names.by_ref().take(non_repeaters) {
            if self.append_next(&Place::Name(name), out).is_none() {
                return;
            }
        }
        if max_repetitions == 0 {
            return;
        }
        // The first repetition starts from the names, the following ones from where the last one got.
        let mut places = Vec::new();
        for name in names {
            match self.append_next(&Place::Name(name), out) {
                Some(place) => places.push(place),
                None => return,
            }
        }
        for _ in 1..max_repetitions {
            // A repetition in which everything has ended is the last one that need be sent.
            if places.iter().all(|place| matches!(place, Place::End(_))) {
                return;
            }
            for place in &mut places {
                match self.append_next(place, out) {
                    Some(next) => *place = next,
                    None => return,
                }
            }
        }
    }

    /// §4.2.5, the first phase: every variable binding is validated, in order, and the first that fails decides.
    fn set(&self, echo: &[u8], out: &mut Vec<u8>, steps: &mut Vec<(i32, Step)>) -> Verdict {
        if !(self.room)(echo.len()) {
            return Verdict::TOO_BIG;
        }
        out.extend_from_slice(echo);
        // A SET that takes the serial number twice takes it once: what a binding finds is what was there before.
        for ((name, tag, content), index) in bindings(echo).zip(1..) {
            let step = if self.principal.write.contains(name.arcs()) {
                self.registry.change(&self.served, name.arcs(), NewValue { tag, content })
            } else {
                Err(Refusal::NoAccess)
            };
            match step {
                Ok(step) => steps.push((index, step)),
                Err(refusal) => {
                    steps.clear();
                    return Verdict { status: refusal.into(), index };
                }
            }
        }
        Verdict::FINE
    }

    /// Appends what comes after a place; `None` if it does not fit, and then nothing was appended.
    fn append_next(&self, place: &Place, out: &mut Vec<u8>) -> Option<Place> {
        let view: &View = self.principal.read;
        let (found, last) = match place {
            Place::Name(name) => (self.registry.after(&self.served, view, name.arcs()), name),
            Place::At(instance, name) => (self.registry.next(&self.served, view, *instance), name),
            Place::End(name) => (None, name),
        };
        let mut found = found;
        while let Some((instance, name)) = found {
            let value = self.registry.value_of(&self.served, instance);
            if !self.dialect.carries(&value) {
                found = self.registry.next(&self.served, view, instance);
                continue;
            }
            return self.append(&name, &value, out).then_some(Place::At(instance, name));
        }
        self.append(last, &Value::EndOfMibView, out).then_some(Place::End(*last))
    }

    fn append(&self, name: &Oid, value: &Value<'_>, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        binding(name, value, out);
        let fits = (self.room)(out.len());
        if !fits {
            out.truncate(before);
        }
        fits
    }
}

/// How far a walk got.
enum Place {
    /// At a name that was asked for.
    Name(Oid),
    /// At an instance.
    At(Instance, Oid),
    /// Beyond the last instance; the name is repeated with endOfMibView.
    End(Oid),
}

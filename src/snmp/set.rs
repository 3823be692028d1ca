//! SET: what may be written, to what, and what carries it out (RFC 3416 §4.2.5).
//!
//! It does not know the event loop: a SET that is right becomes [`Change`]s, which whoever owns the agent has carried out
//! before the answer leaves ([`Pending`]). Everything writable is an INTEGER, so that wrongLength can not arise; an
//! encoding that contradicts its type is no message at all to the scanner, so that neither can wrongEncoding.

use super::ber::tag;
use rais_core::io::Command;

/// Why one variable binding can not be set: the error-status of RFC 3416 §3, in the order in which §4.2.5 asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// (1): it is not in the requester's view.
    NoAccess,
    /// (2), (9): nothing of that kind, or not this one, can be changed.
    NotWritable,
    /// (3)
    WrongType,
    /// (6)
    WrongValue,
    /// (7): it is not there, and can not be made.
    NoCreation,
    /// (10): not now.
    InconsistentValue,
}

/// A value as a SET carries it: well-formed, but of any type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewValue<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
}

/// What a writable INTEGER may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Syntax {
    /// An enumeration.
    OneOf(&'static [i32]),
    /// Zero or more.
    Natural,
}

/// What a SET does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something outside the agent.
    Change(Change),
    /// snmpSetSerialNo: the number after this one.
    SerialNumber(i32),
    /// It is so already.
    Nothing,
}

/// One change that an operator asks for by SNMP, and how it is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What to tell the node.
    pub command: Command,
    /// What to tell it if a later change of the same SET fails.
    pub undo: Command,
}

/// A SET that is right and waits to be carried out: all of it, or nothing.
///
/// Have the changes carried out in order. All were: send [`done`](Self::done). One was refused: undo those before it,
/// the last one first, and send [`failed`](Self::failed) of that position; or [`undo_failed`](Self::undo_failed), if an
/// undo was refused as well. Either way tell the agent ([`settle`](super::Agent::settle)).
#[derive(Debug)]
pub struct Pending {
    /// The changes, in the order of the variable bindings.
    pub changes: Vec<Change>,
    /// The answer that all were carried out.
    pub done: Vec<u8>,
    /// For each change the answer that it failed and nothing was changed (commitFailed).
    pub failed: Vec<Vec<u8>>,
    /// The answer that something was changed and could not be taken back.
    pub undo_failed: Vec<u8>,
    /// What snmpSetSerialNo was before, if this SET took it.
    pub(crate) serial_before: Option<i32>,
}

impl NewValue<'_> {
    /// The number, if it is of this syntax: (3) and (6).
    pub(crate) fn number(&self, syntax: Syntax) -> Result<i32, Refusal> {
        if self.tag != tag::INTEGER {
            return Err(Refusal::WrongType);
        }
        let sign = if self.content.first().is_some_and(|first| first & 0x80 != 0) { -1 } else { 0 };
        let number = self.content.iter().fold(sign, |sum: i32, octet| (sum << 8) | i32::from(*octet));
        let fits = match syntax {
            Syntax::OneOf(members) => members.contains(&number),
            Syntax::Natural => number >= 0,
        };
        if fits { Ok(number) } else { Err(Refusal::WrongValue) }
    }
}

/// snmpSetSerialNo, a TestAndIncr (RFC 2579): whoever names the current number takes it, and moves it on.
pub(crate) const fn serial_number(current: i32, named: i32) -> Result<Step, Refusal> {
    if named == current {
        // After the largest comes zero.
        Ok(Step::SerialNumber(if current == i32::MAX { 0 } else { current + 1 }))
    } else {
        Err(Refusal::InconsistentValue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_of_its_type_and_within_its_syntax() {
        type Row = (u8, &'static [u8], Syntax, Result<i32, Refusal>);
        let table: [Row; 8] = [
            (tag::INTEGER, &[2], Syntax::OneOf(&[1, 2, 3]), Ok(2)),
            (tag::INTEGER, &[0, 0, 0, 2], Syntax::OneOf(&[1, 2, 3]), Ok(2)),
            (tag::INTEGER, &[4], Syntax::OneOf(&[1, 2, 3]), Err(Refusal::WrongValue)),
            (tag::INTEGER, &[0xff], Syntax::Natural, Err(Refusal::WrongValue)),
            (tag::INTEGER, &[0x7f, 0xff, 0xff, 0xff], Syntax::Natural, Ok(i32::MAX)),
            (tag::INTEGER, &[0x80, 0, 0, 0], Syntax::Natural, Err(Refusal::WrongValue)),
            (tag::GAUGE32, &[2], Syntax::Natural, Err(Refusal::WrongType)),
            (tag::NULL, &[], Syntax::Natural, Err(Refusal::WrongType)),
        ];
        for (tag, content, syntax, expected) in table {
            assert_eq!(NewValue { tag, content }.number(syntax), expected, "{tag:#x} {content:?}");
        }
    }

    #[test]
    fn a_serial_number_is_taken_once_and_starts_again_after_the_largest() {
        assert_eq!(serial_number(7, 7), Ok(Step::SerialNumber(8)));
        assert_eq!(serial_number(8, 7), Err(Refusal::InconsistentValue));
        assert_eq!(serial_number(i32::MAX, i32::MAX), Ok(Step::SerialNumber(0)));
    }
}

//! Rolling authentication in (G-70): which boxes understand which, step by step.

use crate::key;
use crate::messages::full_info;
use rais::wire::{Authentication, Codec, CodecError, KeyId};
use rais_core::counters::DropCause;
use std::collections::BTreeMap;

const TTL: u8 = 255;

fn codec(step: Authentication, keys: &[u8]) -> Codec {
    let keys: BTreeMap<_, _> = keys.iter().map(|id| (KeyId(*id), key(*id))).collect();
    let send = keys.keys().next().copied();
    Codec::rolling("http".parse().unwrap(), &keys, send, step).unwrap()
}

#[test]
fn boxes_one_step_apart_understand_each_other_and_boxes_two_steps_apart_do_not() {
    use Authentication::{ReceiveAny, Require, Sign};
    let none: &[u8] = &[];
    // The group before it has any key, then after each round.
    let stages = [(ReceiveAny, none), (ReceiveAny, &[1][..]), (Sign, &[1]), (Require, &[1])];
    let steps: Vec<Codec> = stages.iter().map(|(step, keys)| codec(*step, keys)).collect();
    for (number, pair) in steps.windows(2).enumerate() {
        let (before, after) = (&pair[0], &pair[1]);
        // Before keys are everywhere nobody signs, and once all sign nobody has to be taken unsigned.
        for (from, to) in [(before, after), (after, before), (before, before), (after, after)] {
            let datagram = from.encode(&full_info()).unwrap();
            assert!(to.decode(&datagram, TTL).is_ok(), "step {number}");
        }
    }
    let datagram = |step: usize| steps[step].encode(&full_info()).unwrap();
    assert_eq!(steps[3].decode(&datagram(1), TTL), Err(DropCause::Unsigned));
    assert_eq!(steps[0].decode(&datagram(2), TTL), Err(DropCause::UnknownKey));
}

#[test]
fn what_is_signed_badly_is_taken_nowhere_and_what_is_unsigned_is_told_apart() {
    for step in [Authentication::ReceiveAny, Authentication::Sign, Authentication::Require] {
        let receiver = codec(step, &[1]);
        let mut datagram = codec(Authentication::Require, &[1]).encode(&full_info()).unwrap();
        let signed = receiver.receive(&datagram, TTL).unwrap();
        assert!(signed.signed && signed.message == full_info());
        *datagram.last_mut().unwrap() ^= 1;
        assert_eq!(receiver.decode(&datagram, TTL), Err(DropCause::BadSignature), "{step:?}");
        let unsigned = codec(Authentication::ReceiveAny, &[1]).encode(&full_info()).unwrap();
        match receiver.receive(&unsigned, TTL) {
            Ok(received) => assert!(step.takes_unsigned() && !received.signed && received.message == full_info()),
            Err(cause) => assert_eq!((step, cause), (Authentication::Require, DropCause::Unsigned)),
        }
        // Off the link, cut short or of another group it is nothing either.
        assert_eq!(receiver.decode(&unsigned, 64), Err(DropCause::OffLink));
        assert!(receiver.decode(&unsigned[..unsigned.len() - 1], TTL).is_err());
    }
}

#[test]
fn only_a_box_that_does_not_sign_can_do_without_a_key() {
    let group = || "http".parse().unwrap();
    for (step, fits) in
        [(Authentication::ReceiveAny, true), (Authentication::Sign, false), (Authentication::Require, false)]
    {
        let made = Codec::rolling(group(), &BTreeMap::new(), None, step);
        assert_eq!(made.map(drop), if fits { Ok(()) } else { Err(CodecError::NoKey) });
    }
}

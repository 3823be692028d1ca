//! Rubbish: random and mutated datagrams. None brings the agent down, each is answered or counted for one cause.

use crate::bench::{Bench, RAIS, SYS_NAME, community};
use crate::ber::{self, GET, GET_BULK, GET_NEXT, SET};
use crate::sample;
use proptest::prelude::*;
use rais::snmp::{AgentParams, Community};

/// The start of the fuzzer's corpus as well.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let far = format!("{RAIS}.5.1.3.4.104.116.116.112.1.4.10.9.0.101");
    let bulk = [SYS_NAME, &format!("{RAIS}.2"), &format!("{RAIS}.5")];
    let ip_address = ber::binding(&[1, 3, 6], &ber::tlv(0x46, &[1, 2, 3]));
    let status = ber::binding(&ber::parse(&format!("{RAIS}.3.1.21.4.104.116.116.112.1.4.10.9.0.1")), &ber::int(2));
    vec![
        ("get", ber::request(GET, [1, 0, 0], &[SYS_NAME])),
        ("get-next", ber::request(GET_NEXT, [-1, 0, 0], &["1.3", "2.999.4294967295", &far])),
        ("get-bulk", ber::request(GET_BULK, [70_000, 1, 25], &bulk)),
        ("get-bulk-all", ber::request(GET_BULK, [1, 0, 2_147_483_647], &["1.3.6.1.2.1.25"])),
        ("set", ber::request(SET, [3, 0, 0], &[SYS_NAME])),
        ("set-counter", ber::message(1, b"public", &ber::pdu(SET, [1, 0, 0], &[ip_address]))),
        ("set-status", ber::message(1, b"public", &ber::pdu(SET, [1, 0, 0], &[status]))),
        ("trap", ber::request(0xa7, [1, 0, 0], &[SYS_NAME])),
        ("version-3", ber::message(3, b"public", &[0x30, 0])),
        ("not-text", ber::message(1, b"\xff\xfe", &ber::pdu(GET, [1, 0, 0], &[]))),
    ]
}

#[test]
fn the_fuzzer_begins_with_these_seeds() {
    for (name, octets) in seeds() {
        crate::tools::seed("scanner", name, &octets);
    }
}

/// What may happen to a datagram on its way from somebody hostile.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (0u8..6, any::<prop::sample::Index>(), any::<u8>());
    (prop::sample::select(seeds()), prop::collection::vec(change, 1..6)).prop_map(|((_, mut datagram), changes)| {
        for (kind, at, octet) in changes {
            if datagram.is_empty() {
                break;
            }
            let at = at.index(datagram.len());
            match kind {
                0 => datagram[at] = octet,
                1 => datagram[at] ^= 1 << (octet & 7),
                2 => datagram.truncate(at),
                3 => datagram.insert(at, octet),
                4 => drop(datagram.remove(at)),
                _ => {
                    let copy = datagram[at..(at + usize::from(octet)).min(datagram.len())].to_vec();
                    datagram.extend(copy);
                }
            }
        }
        datagram
    })
}

fn rubbish() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..1500), 4 => mutated()]
}

#[test]
fn ten_thousand_random_and_mutated_datagrams_are_each_answered_or_counted() {
    let other = Community::read_only(b"\xff\xfe", Vec::new()).unwrap();
    let params = AgentParams { communities: vec![community(), other], ..AgentParams::default() };
    let bench = std::cell::RefCell::new(Bench::with(sample::snapshot(), params));
    let config = ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = proptest::test_runner::TestRunner::new(config).run(&rubbish(), |datagram| {
        let mut bench = bench.borrow_mut();
        let before = *bench.agent.counters();
        let outcome = bench.raw(&datagram);
        let after = *bench.agent.counters();
        prop_assert_eq!(after.in_packets, before.in_packets + 1);
        prop_assert_eq!(after.answered, before.answered + u64::from(outcome.is_ok()));
        prop_assert_eq!(after.dropped(), before.dropped() + u64::from(outcome.is_err()));
        if let Ok(reply) = outcome {
            prop_assert!(reply.len() <= 1472);
            // Reading it strictly is a check of its own.
            prop_assert_eq!(ber::read(&reply).pdu, ber::RESPONSE);
        }
        Ok(())
    });
    outcome.unwrap();
    let counters = *bench.borrow().agent.counters();
    assert!(counters.in_packets >= 10_000);
    // The mix reaches every cause it can: a run that is all of one kind would prove little.
    for (what, count) in [
        ("answered", counters.answered),
        ("malformed", counters.asn_parse_errors),
        ("other versions", counters.bad_versions),
        ("unknown communities", counters.bad_community_names),
        ("PDUs not for an agent", counters.unexpected_pdus),
    ] {
        assert!(count >= 5, "{what}: {count} of {}", counters.in_packets);
    }
    println!("{counters:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_answered_is_what_the_same_agent_answers_again(datagram in mutated()) {
        // No state but counters: asked twice, an agent says the same, unless it is about its own counters.
        let mut bench = Bench::new();
        let one = bench.raw(&datagram);
        let other = bench.raw(&datagram);
        match (one, other) {
            (Ok(one), Ok(other)) => {
                let strip = |reply: &[u8]| {
                    let mut answer = ber::read(reply);
                    answer.variables.retain(|variable| !variable.dotted().starts_with("1.3.6.1.2.1.11."));
                    answer
                };
                prop_assert_eq!(strip(&one), strip(&other));
            }
            (one, other) => prop_assert_eq!(one, other),
        }
    }
}

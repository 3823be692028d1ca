//! Rubbish in version 3: seeds of the fuzzer, and what becomes of them on the way from somebody hostile. None brings the
//! agent down, each is answered or dropped once, and nothing that was changed under a digest is answered with data.

use crate::bench::{Bench, SYS_NAME};
use crate::ber::{GET, GET_BULK, RESPONSE, SET};
use crate::tools::seed;
use crate::v3_manager::*;
use proptest::prelude::*;

/// The start of the fuzzer's corpus: messages, and bare PDUs for the half of it that is believed.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let get = Asks::get(&[SYS_NAME]);
    let discovery =
        Asks { flags: REPORTABLE, engine: Vec::new(), user: Vec::new(), boots: 0, time: 0, ..Asks::get(&[]) };
    vec![
        ("discovery", discovery.message()),
        ("auth-priv", get.message()),
        ("auth-no-priv", Asks { flags: 5, user: b"some".to_vec(), ..get.clone() }.message()),
        ("no-auth", Asks { flags: 4, user: b"anyone".to_vec(), ..get.clone() }.message()),
        ("priv-without-auth", Asks { flags: 2, ..get.clone() }.message()),
        ("other-model", Asks { model: 1, ..get.clone() }.message()),
        ("late", Asks { time: 0, ..get.clone() }.message()),
        ("garbage", Asks { privacy: b"another phrase".to_vec(), ..get.clone() }.message()),
        ("short-salt", Asks { salt: vec![1; 3], ..get }.message()),
        ("pdu-get", pdu(GET, [1, 0, 0], &[SYS_NAME])),
        ("pdu-bulk", pdu(GET_BULK, [-1, 1, 30], &[SYS_NAME, "1.3.6.1"])),
        ("pdu-set", pdu(SET, [1, 0, 0], &["1.3.6.1.6.3.1.1.6.1.0"])),
        ("pdu-response", pdu(RESPONSE, [1, 0, 0], &[])),
        ("pdu-inform", pdu(0xa6, [1, 0, 0], &[SYS_NAME])),
    ]
}

fn balances(bench: &Bench) {
    let counters = bench.agent.counters();
    assert_eq!(counters.in_packets, counters.answered + counters.dropped());
}

#[test]
fn the_committed_corpus_is_what_the_fuzzer_begins_with_and_harms_nobody_cut_anywhere() {
    let mut bench = bench();
    for (name, octets) in seeds() {
        seed("v3", name, &octets);
        for cut in 0..=octets.len() {
            let _ = bench.raw(&octets[..cut]);
        }
        bench.now = bench.now + std::time::Duration::from_secs(1);
    }
    balances(&bench);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn mutated_messages_are_answered_or_dropped_once(
        seed in prop::sample::select(seeds()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut datagram = seed.1;
        for (at, octet) in changes {
            let at = at.index(datagram.len());
            datagram[at] = octet;
        }
        let mut bench = bench();
        let _ = bench.raw(&datagram);
        balances(&bench);
    }

    #[test]
    fn mutated_scoped_pdus_of_somebody_who_is_believed_are_answered_or_dropped_once(
        seed in prop::sample::select(seeds()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        flags in prop::sample::select(vec![1u8, 3]),
    ) {
        let mut inner = seed.1;
        for (at, octet) in changes {
            let at = at.index(inner.len());
            inner[at] = octet;
        }
        let mut bench = bench();
        let asks = Asks { flags, ..Asks::noc(inner) };
        if let Ok(answer) = bench.raw(&asks.message()) {
            prop_assert_eq!(asks.hear(&answer).msg_id, asks.msg_id);
        }
        balances(&bench);
    }
}

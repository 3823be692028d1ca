//! RFC 3412: message processing, sentence by sentence.

use crate::bench::{SYS_DESCR, SYS_NAME, SYS_UP_TIME};
use crate::ber::{self, GET, GET_NEXT, RESPONSE, int, sequence, tlv};
use crate::sample;
use crate::v3_manager::*;
use rais::snmp::{AgentParams, Dropped, Fault, ScanError};

fn malformed(outcome: Result<Vec<u8>, Dropped>) -> bool {
    matches!(outcome, Err(Dropped::Scan(ScanError::Malformed(_))))
}

#[test]
fn rfc_3412_6_2_the_response_has_the_request_s_msg_id() {
    let mut bench = bench();
    for msg_id in [0, 1, 127, 128, 0x7fff_ffff] {
        let heard = bench.hears(&Asks { msg_id, ..Asks::get(&[SYS_NAME]) });
        assert_eq!((heard.msg_id, heard.pdu.pdu, heard.pdu.request_id), (msg_id, RESPONSE, 99));
        assert_eq!(heard.pdu.variables[0].text(), "edge-1");
    }
}

#[test]
fn rfc_3412_7_1_a_response_says_how_much_we_take_and_wants_no_report() {
    let heard = bench().hears(&Asks::get(&[SYS_NAME]));
    assert_eq!((heard.max_size, heard.flags), (1472, 3));
    assert_eq!(
        (&heard.engine[..], &heard.context_engine[..], &heard.context[..]),
        (&ENGINE[..], &ENGINE[..], &b""[..])
    );
    assert_eq!((heard.boots, heard.time, &heard.user[..]), (7, 3600, &b"noc"[..]));
}

#[test]
fn rfc_3412_7_1_the_response_is_protected_as_the_request_was() {
    let mut bench = bench();
    let some = |flags| Asks { user: b"some".to_vec(), flags, ..Asks::get(&[SYS_NAME]) };
    assert_eq!(bench.hears(&some(1)).flags, 1);
    let anyone = Asks { user: b"anyone".to_vec(), flags: 0, ..Asks::get(&[SYS_NAME]) };
    assert_eq!(bench.hears(&anyone).flags, 0);
    assert_eq!(bench.hears(&Asks::get(&[SYS_NAME])).flags, 3);
}

#[test]
fn rfc_3412_6_2_a_msg_id_below_zero_is_malformed() {
    assert!(malformed(bench().raw(&Asks { msg_id: -1, ..Asks::get(&[SYS_NAME]) }.message())));
}

#[test]
fn rfc_3412_6_3_a_msg_max_size_below_484_is_malformed_and_484_is_not() {
    for (max_size, good) in [(-1, false), (0, false), (483, false), (484, true), (0x7fff_ffff, true)] {
        assert_eq!(malformed(bench().raw(&Asks { max_size, ..Asks::get(&[SYS_NAME]) }.message())), !good, "{max_size}");
    }
}

#[test]
fn rfc_3412_7_1_a_response_is_never_larger_than_the_sender_takes_to_the_octet() {
    let mut bench = bench();
    let bulk = |max_size| Asks { max_size, ..Asks::noc(pdu(ber::GET_BULK, [1, 0, 500], &["1.3.6.1"])) };
    let mut last = 0;
    for max_size in (484..=1600).step_by(3) {
        let answer = bench.raw(&bulk(max_size).message()).unwrap();
        assert!(answer.len() <= (max_size as usize).min(1472), "{} > {max_size}", answer.len());
        let variables = bulk(max_size).hear(&answer).pdu.variables.len();
        assert!(variables >= last, "more room, fewer variables");
        last = variables;
    }
    // As full as it can be: the next variable would not have fitted.
    let answer = bulk(65_507).hear(&bench.raw(&bulk(65_507).message()).unwrap());
    let more = bench.hears(&Asks::noc(pdu(GET_NEXT, [1, 0, 0], &[&answer.pdu.variables.last().unwrap().dotted()])));
    let next =
        ber::binding(&more.pdu.variables[0].name, &tlv(more.pdu.variables[0].tag, &more.pdu.variables[0].content));
    let whole = bench.raw(&bulk(65_507).message()).unwrap().len();
    assert!(whole + next.len() > 1472, "{whole} + {}", next.len());
}

#[test]
fn rfc_3416_4_2_1_a_get_whose_answer_the_sender_does_not_take_is_too_big() {
    let names = [SYS_DESCR; 30];
    let heard = bench().hears(&Asks { max_size: 484, ..Asks::get(&names) });
    assert_eq!((heard.pdu.status, heard.pdu.index, heard.pdu.variables.len()), (1, 0, 0));
}

#[test]
fn rfc_3412_6_4_msg_flags_is_one_octet() {
    let asks = Asks::get(&[SYS_NAME]);
    for flags in [&[][..], &[7, 0]] {
        let header = sequence(&[int(1), int(1472), tlv(4, flags), int(3)]);
        let message = sequence(&[int(3), header, tlv(4, &sequence(&[])), asks.scoped()]);
        assert!(malformed(bench().raw(&message)), "{flags:?}");
    }
}

#[test]
fn rfc_3412_7_2_4_other_bits_of_msg_flags_are_ignored() {
    assert_eq!(bench().hears(&Asks { flags: 0xff, ..Asks::get(&[SYS_NAME]) }).flags, 3);
}

#[test]
fn rfc_3412_7_2_2_another_security_model_is_counted_and_dropped() {
    let mut bench = bench();
    for (model, number) in [(1, 1), (2, 2), (4, 3), (0x7fff_ffff, 4)] {
        assert_eq!(bench.ignores(&Asks { model, ..Asks::get(&[SYS_NAME]) }), Dropped::UnknownSecurityModel);
        assert_eq!(bench.reads("1.3.6.1.6.3.11.2.1.1.0"), number);
    }
    assert!(malformed(bench.raw(&Asks { model: 0, ..Asks::get(&[SYS_NAME]) }.message())));
}

#[test]
fn rfc_3412_7_2_5d_privacy_without_authentication_is_counted_and_dropped() {
    let mut bench = bench();
    for flags in [2, 2 | REPORTABLE] {
        assert_eq!(bench.ignores(&Asks { flags, ..Asks::get(&[SYS_NAME]) }), Dropped::InvalidMessage);
    }
    assert_eq!(bench.reads("1.3.6.1.6.3.11.2.1.2.0"), 2);
}

#[test]
fn rfc_3412_7_2_3_what_can_not_be_parsed_counts_as_an_asn_parse_error() {
    let mut bench = bench();
    let good = Asks::get(&[SYS_NAME]).message();
    let cut = &good[..good.len() - 1];
    let trailing = [&good[..], &[0]].concat();
    assert!(malformed(bench.raw(cut)) && malformed(bench.raw(&trailing)));
    assert_eq!(bench.reads("1.3.6.1.2.1.11.6.0"), 2);
}

#[test]
fn rfc_3412_7_2_7_a_scoped_pdu_that_can_not_be_parsed_counts_as_an_asn_parse_error_though_it_was_authentic() {
    let mut bench = bench();
    let table: [(&str, Vec<u8>); 5] = [
        ("no PDU", Vec::new()),
        ("a version 1 trap", tlv(0xa4, &[])),
        ("octets after the PDU", [pdu(GET, [1, 0, 0], &[SYS_NAME]), vec![5, 0]].concat()),
        ("a request-id of 33 bits", tlv(GET, &[tlv(2, &[1, 0, 0, 0, 0]), int(0), int(0), sequence(&[])].concat())),
        ("a value of no type", ber::pdu(GET, [1, 0, 0], &[ber::binding(&[1, 3], &tlv(0x1e, &[]))])),
    ];
    for (what, pdu) in table {
        for flags in [1, 3] {
            assert!(malformed(bench.raw(&Asks { flags, ..Asks::noc(pdu.clone()) }.message())), "{what}");
        }
    }
    assert_eq!(bench.reads("1.3.6.1.2.1.11.6.0"), 10);
}

#[test]
fn rfc_3412_7_2_10_a_response_or_report_that_nobody_waits_for_is_dropped() {
    let mut bench = bench();
    for kind in [RESPONSE, REPORT] {
        assert_eq!(bench.ignores(&Asks::noc(pdu(kind, [1, 0, 0], &[SYS_NAME]))), Dropped::UnexpectedPdu);
    }
}

#[test]
fn rfc_3412_4_2_2_1_a_request_for_another_context_engine_is_reported_as_unknown_pdu_handler() {
    let mut bench = bench();
    for (context_engine, count) in [(b"\x80\x00\x7e\xd9\x05other".to_vec(), 1), (Vec::new(), 2)] {
        let heard = bench.hears(&Asks { context_engine, ..Asks::get(&[SYS_NAME]) });
        assert_eq!(heard.reported(), (UNKNOWN_PDU_HANDLERS.to_owned(), count));
        assert_eq!((heard.pdu.request_id, heard.flags), (99, 0));
    }
}

#[test]
fn rfc_3412_4_2_2_1_an_inform_is_reported_and_a_trap_only_counted_because_nobody_here_takes_notifications() {
    let mut bench = bench();
    let heard = bench.hears(&Asks::noc(pdu(0xa6, [5, 0, 0], &[])));
    assert_eq!(heard.reported(), (UNKNOWN_PDU_HANDLERS.to_owned(), 1));
    // RFC 3412 §7.1 (3b): it is of the Unconfirmed Class, whatever its flag says.
    assert_eq!(bench.ignores(&Asks::noc(pdu(0xa7, [5, 0, 0], &[]))), Dropped::Fault(Fault::UnknownPduHandler));
    assert_eq!(bench.reads(UNKNOWN_PDU_HANDLERS), 2);
}

#[test]
fn rfc_3413_3_2_an_unknown_context_is_reported() {
    let mut bench = bench();
    let heard = bench.hears(&Asks { context: b"nowhere".to_vec(), ..Asks::get(&[SYS_NAME]) });
    assert_eq!(heard.reported(), (UNKNOWN_CONTEXTS.to_owned(), 1));
    let heard = bench.hears(&Asks { context: b"lab".to_vec(), ..Asks::get(&[SYS_NAME]) });
    assert_eq!(
        (heard.pdu.status, &heard.context[..]),
        (0, &b"lab"[..]),
        "a response is from the context that was asked"
    );
}

#[test]
fn rfc_3412_7_1_3b_a_report_is_made_of_a_confirmed_pdu_that_can_be_read_whatever_the_flag() {
    let mut bench = bench();
    let unknown = |flags| Asks { flags, engine: b"\x80\x00\x7e\xd9\x05other".to_vec(), ..Asks::get(&[SYS_NAME]) };
    let heard = bench.hears(&unknown(0));
    assert_eq!((heard.reported(), heard.pdu.request_id), ((UNKNOWN_ENGINE_IDS.to_owned(), 1), 99));
    let trap = Asks { pdu: pdu(0xa7, [5, 0, 0], &[]), ..unknown(REPORTABLE) };
    assert_eq!(bench.ignores(&trap), Dropped::Fault(Fault::UnknownEngineId));
}

#[test]
fn rfc_3412_7_1_3b_of_a_pdu_that_can_not_be_read_the_reportable_flag_decides_and_the_request_id_is_0() {
    let mut bench = bench();
    let wrong = |flags| Asks { flags, authentication: b"something else".to_vec(), ..Asks::get(&[SYS_NAME]) };
    let right = Asks::get(&[SYS_NAME]);
    let heard = right.hear(&bench.raw(&wrong(3 | REPORTABLE).message()).unwrap());
    assert_eq!((heard.reported(), heard.pdu.request_id), ((WRONG_DIGESTS.to_owned(), 1), 0));
    assert_eq!(bench.ignores(&wrong(3)), Dropped::Fault(Fault::WrongDigest));
    assert_eq!(bench.reads(WRONG_DIGESTS), 2);
}

#[test]
fn an_agent_without_version_3_counts_it_as_a_bad_version_rfc_3418() {
    let mut bench = crate::bench::Bench::new();
    let outcome = bench.raw(&Asks::get(&[SYS_NAME]).message());
    assert_eq!(outcome, Err(Dropped::Scan(ScanError::BadVersion(3))));
    assert_eq!(bench.get(&["1.3.6.1.2.1.11.3.0"]).variables[0].number(), 1);
}

#[test]
fn version_1_is_not_spoken_with_or_without_version_3() {
    let message = ber::message(0, b"public", &pdu(GET, [1, 0, 0], &[SYS_NAME]));
    for mut bench in [crate::bench::Bench::new(), bench()] {
        assert_eq!(bench.raw(&message), Err(Dropped::Scan(ScanError::BadVersion(0))));
    }
}

#[test]
fn both_versions_are_spoken_side_by_side() {
    let params =
        AgentParams { v3: Some(params()), communities: vec![crate::bench::community()], ..AgentParams::default() };
    let mut bench = crate::bench::Bench::with(sample::snapshot(), params);
    assert_eq!(bench.get(&[SYS_NAME]).variables[0].text(), "edge-1");
    assert_eq!(bench.hears(&Asks::get(&[SYS_NAME])).pdu.variables[0].text(), "edge-1");
}

#[test]
fn every_datagram_is_counted_once_answered_reported_or_dropped() {
    let mut bench = bench();
    let good = Asks::get(&[SYS_UP_TIME]);
    for asks in [
        good.clone(),
        Asks { model: 9, ..good.clone() },
        Asks { flags: 2, ..good.clone() },
        Asks { user: b"nobody".to_vec(), ..good.clone() },
        Asks { user: b"nobody".to_vec(), flags: 3, ..good.clone() },
        Asks { max_size: 1, ..good.clone() },
        Asks { pdu: pdu(RESPONSE, [1, 0, 0], &[]), ..good },
    ] {
        let _ = bench.raw(&asks.message());
    }
    let counters = *bench.agent.counters();
    assert_eq!((counters.in_packets, counters.answered, counters.dropped()), (7, 2, 5));
}

#[test]
fn a_source_that_asks_too_often_is_not_listened_to_and_others_are() {
    let params = AgentParams { v3: Some(params()), requests_per_second: 10, ..AgentParams::default() };
    let mut bench = crate::bench::Bench::with(sample::snapshot(), params);
    let asks = Asks::get(&[SYS_NAME]).message();
    let answered = (0..30).filter(|_| bench.raw_from(&asks, "192.0.2.1").is_ok()).count();
    assert_eq!(answered, 10);
    assert_eq!(bench.raw_from(&asks, "192.0.2.1"), Err(Dropped::TooOften));
    assert!(bench.raw_from(&asks, "192.0.2.2").is_ok());
    bench.now = bench.now + std::time::Duration::from_secs(1);
    assert!(bench.raw_from(&asks, "192.0.2.1").is_ok());
}

#[test]
fn a_source_outside_the_access_list_is_dropped_before_anything_is_parsed() {
    let params =
        AgentParams { v3: Some(params()), sources: vec!["192.0.2.0/24".parse().unwrap()], ..AgentParams::default() };
    let mut bench = crate::bench::Bench::with(sample::snapshot(), params);
    let asks = Asks::get(&[SYS_NAME]).message();
    assert!(bench.raw_from(&asks, "192.0.2.1").is_ok());
    for datagram in [&asks[..], b"rubbish"] {
        assert_eq!(bench.raw_from(datagram, "198.51.100.1"), Err(Dropped::ForeignSource));
    }
}

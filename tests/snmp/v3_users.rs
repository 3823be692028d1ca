//! RFC 3414, RFC 7860 and RFC 3826: who is believed, when, and what the others are told. RFC 3415: what they see.

use crate::bench::{Bench, SYS_NAME, SYS_UP_TIME};
use crate::ber::{self, GET, GET_NEXT, RESPONSE, SET};
use crate::sample;
use crate::v3_manager::*;
use rais::snmp::v3::{EngineClock, MAX_BOOTS, Privacy, V3Params};
use rais::snmp::{AgentParams, Dropped, Fault, ScanError};
use std::collections::BTreeSet;

fn with(v3: V3Params) -> Bench {
    Bench::with(sample::snapshot(), AgentParams { v3: Some(v3), ..AgentParams::default() })
}

/// A GET by somebody whose user is configured with that hash and AES.
fn asks_with(hash: Hash, aes_256: bool, flags: u8) -> Asks {
    Asks { hash, aes_256, flags, ..Asks::get(&[SYS_NAME]) }
}

#[test]
fn rfc_7860_4_every_digest_and_rfc_3826_every_cipher_is_spoken_in_both_directions() {
    for (hash, ..) in Hash::ALL {
        for aes_256 in [false, true] {
            let long_enough = !matches!(hash, Hash::Sha1 | Hash::Sha224);
            if aes_256 && !long_enough {
                continue;
            }
            let privacy = if aes_256 { Privacy::Aes256 } else { Privacy::Aes128 };
            let mut bench = with(V3Params { users: vec![user("noc", hash, Some(privacy))], ..params() });
            let heard = bench.hears(&asks_with(hash, aes_256, 3));
            assert_eq!((heard.flags, heard.pdu.variables[0].text().as_str()), (3, "edge-1"), "{hash:?} {privacy:?}");
        }
    }
}

#[test]
fn rfc_3414_a_3_2_the_sample_key_of_sha_1_is_what_the_tests_compute_too() {
    let engine = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    let key = Hash::Sha1.localise(b"maplesyrup", &engine);
    let hex: String = key.iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(hex, "6695febc9288e36282235fc7151f128497b38f3f");
}

#[test]
fn rfc_3414_2_6_keys_of_every_digest_are_localised_as_computed_without_the_agent() {
    for (hash, theirs, _) in Hash::ALL {
        let hex: String = hash.localise(AUTHENTICATION, &ENGINE).iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(*theirs.localise(AUTHENTICATION, &engine()).unwrap().to_hex(), hex, "{hash:?}");
    }
}

#[test]
fn rfc_3414_4_discovery_in_two_steps_first_the_engine_id_then_the_time() {
    let mut bench = bench();
    // Step 1: noAuthNoPriv, no engine id, no user, no variable bindings.
    let nobody = Asks {
        flags: REPORTABLE,
        engine: Vec::new(),
        user: Vec::new(),
        boots: 0,
        time: 0,
        context_engine: Vec::new(),
        pdu: pdu(GET, [17, 0, 0], &[]),
        ..Asks::get(&[])
    };
    let heard = bench.hears(&nobody);
    assert_eq!(heard.reported(), (UNKNOWN_ENGINE_IDS.to_owned(), 1));
    assert_eq!((heard.flags, &heard.engine[..], heard.pdu.request_id), (0, &ENGINE[..], 17));
    // Step 2: authenticated, with boots and time zero.
    let heard = bench.hears(&Asks { boots: 0, time: 0, ..Asks::get(&[SYS_NAME]) });
    assert_eq!(heard.reported(), (NOT_IN_TIME_WINDOWS.to_owned(), 1));
    assert_eq!((heard.flags, heard.boots, heard.time), (1, 7, 3600), "authenticated, so that the time is believed");
    // And then it is believed.
    let heard = bench.hears(&Asks { boots: heard.boots, time: heard.time, ..Asks::get(&[SYS_NAME]) });
    assert_eq!(heard.pdu.pdu, RESPONSE);
}

#[test]
fn rfc_3414_4_discovery_in_one_step_tells_the_time_as_well() {
    let mut bench = bench();
    let heard = bench.hears(&Asks { engine: Vec::new(), flags: REPORTABLE, user: Vec::new(), ..Asks::get(&[]) });
    assert_eq!((heard.engine, heard.boots, heard.time), (ENGINE.to_vec(), 7, 3600));
}

#[test]
fn rfc_3414_3_2_3_an_unknown_engine_id_is_reported_whatever_else_is_wrong() {
    let mut bench = bench();
    for (engine, count) in [(&b""[..], 1), (b"x", 2), (&ENGINE[..16], 3), (&[0xff; 40], 4)] {
        let asks = Asks { flags: REPORTABLE, engine: engine.to_vec(), user: b"nobody".to_vec(), ..Asks::get(&[]) };
        assert_eq!(bench.hears(&asks).reported(), (UNKNOWN_ENGINE_IDS.to_owned(), count));
    }
}

#[test]
fn rfc_3414_3_2_4_an_unknown_user_is_reported() {
    let mut bench = bench();
    let names = [&b"nobody"[..], b"", b"no", b"nocc", b"NOC", &[b'n'; 32], b"\xff"];
    for (name, count) in names.into_iter().zip(1..) {
        let heard = bench.hears(&Asks { user: name.to_vec(), ..Asks::get(&[SYS_NAME]) });
        assert_eq!((heard.reported(), &heard.user[..], heard.flags), ((UNKNOWN_USER_NAMES.to_owned(), count), name, 0));
    }
}

#[test]
fn rfc_3414_2_4_a_user_name_of_33_octets_is_malformed() {
    let outcome = bench().ignores(&Asks { user: vec![b'n'; 33], ..Asks::get(&[SYS_NAME]) });
    assert!(matches!(outcome, Dropped::Scan(ScanError::Malformed(_))));
}

#[test]
fn rfc_3414_3_2_5_a_level_that_the_user_has_no_keys_for_is_reported() {
    let mut bench = bench();
    let table = [("anyone", 1, 1), ("anyone", 3, 2), ("some", 3, 3)];
    for (user, flags, count) in table {
        let asks = Asks { user: user.into(), flags: flags | REPORTABLE, ..Asks::get(&[SYS_NAME]) };
        let heard = bench.hears(&asks);
        assert_eq!((heard.reported(), heard.flags), ((UNSUPPORTED_LEVELS.to_owned(), count), 0));
    }
}

#[test]
fn rfc_3414_3_2_6_a_wrong_digest_is_reported_unprotected() {
    let mut bench = bench();
    let right = Asks::get(&[SYS_NAME]);
    let wrong = Asks { authentication: b"another phrase".to_vec(), ..right.clone() };
    let heard = right.hear(&bench.raw(&wrong.message()).unwrap());
    assert_eq!((heard.reported(), heard.flags), ((WRONG_DIGESTS.to_owned(), 1), 0));
}

/// A message whose digest is another one.
fn with_digest(asks: &Asks, digest: &[u8]) -> Vec<u8> {
    let good = asks.message();
    let blank = Asks { authentication: b"another phrase".to_vec(), ..asks.clone() };
    // Where the digest is: where two messages differ that differ in nothing else.
    let other = blank.message();
    let first = good.iter().zip(&other).position(|(one, other)| one != other).unwrap();
    let start = (first.saturating_sub(23)..=first).find(|at| good[at - 2..*at] == [4, 24]).unwrap();
    let security = |digest: &[u8]| {
        ber::sequence(&[
            ber::tlv(4, &asks.engine),
            ber::int(asks.boots),
            ber::int(asks.time),
            ber::tlv(4, &asks.user),
            ber::tlv(4, digest),
            ber::tlv(4, &asks.salt),
        ])
    };
    let header =
        ber::sequence(&[ber::int(asks.msg_id), ber::int(asks.max_size), ber::tlv(4, &[asks.flags]), ber::int(3)]);
    let data = good[start + 24 + 10..].to_vec();
    ber::sequence(&[ber::int(3), header, ber::tlv(4, &security(digest)), data])
}

#[test]
fn rfc_3414_6_3_2_a_digest_that_is_cut_missing_zero_or_too_long_is_wrong() {
    let mut bench = bench();
    let asks = Asks::get(&[SYS_NAME]);
    for (digest, count) in [(&[][..], 1), (&[0; 12], 2), (&[0; 24], 3), (&[0xff; 24], 4), (&[0; 23], 5), (&[0; 48], 6)]
    {
        let heard = asks.hear(&bench.raw(&with_digest(&asks, digest)).unwrap());
        assert_eq!(heard.reported(), (WRONG_DIGESTS.to_owned(), count), "{} octets", digest.len());
    }
}

#[test]
fn rfc_3414_3_2_6_one_bit_changed_anywhere_is_never_answered_with_a_response() {
    let mut bench = bench();
    let good = Asks::get(&[SYS_NAME]).message();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        if let Ok(answer) = bench.raw(&bad) {
            // A report that is at most of the time, which is authenticated but says nothing.
            let flags_of_a_response = answer.windows(3).any(|octets| octets == [4, 1, 3]);
            assert!(!flags_of_a_response, "bit {bit}");
        }
    }
}

#[test]
fn rfc_3414_3_2_7a_the_time_window_is_150_seconds_either_way_to_the_second() {
    let mut bench = bench();
    let table =
        [(3600, true), (3450, true), (3449, false), (3750, true), (3751, false), (0, false), (0x7fff_ffff, false)];
    for (time, believed) in table {
        let heard = bench.hears(&Asks { time, ..Asks::get(&[SYS_NAME]) });
        assert_eq!(heard.pdu.pdu == RESPONSE, believed, "{time}");
        if !believed {
            assert_eq!((heard.reported().0.as_str(), heard.flags), (NOT_IN_TIME_WINDOWS, 1));
        }
    }
}

#[test]
fn rfc_3414_3_2_7a_other_boots_are_out_of_the_window_whatever_the_time() {
    let mut bench = bench();
    for boots in [0, 6, 8, 0x7fff_ffff] {
        let heard = bench.hears(&Asks { boots, ..Asks::get(&[SYS_NAME]) });
        assert_eq!(heard.reported().0, NOT_IN_TIME_WINDOWS, "{boots}");
    }
}

#[test]
fn rfc_3414_2_2_2_an_engine_whose_boots_have_latched_believes_nothing_that_is_authenticated() {
    let clock = EngineClock::new(MAX_BOOTS, sample::STARTED);
    let mut bench = with(V3Params { clock, ..params() });
    for flags in [1, 3] {
        let heard = bench.hears(&Asks { boots: 0x7fff_ffff, flags: flags | REPORTABLE, ..Asks::get(&[SYS_NAME]) });
        assert_eq!((heard.reported().0.as_str(), heard.boots), (NOT_IN_TIME_WINDOWS, 0x7fff_ffff));
    }
    let anyone = Asks { user: b"anyone".to_vec(), flags: 0, ..Asks::get(&[SYS_NAME]) };
    assert_eq!(bench.hears(&anyone).pdu.pdu, RESPONSE);
}

#[test]
fn rfc_3414_3_2_7_the_window_is_not_asked_of_what_is_not_authenticated() {
    let anyone = Asks { user: b"anyone".to_vec(), flags: 0, boots: 0, time: 0, ..Asks::get(&[SYS_NAME]) };
    assert_eq!(bench().hears(&anyone).pdu.pdu, RESPONSE);
}

#[test]
fn rfc_3414_2_3_a_message_of_an_earlier_start_is_not_believed_after_it() {
    let recorded = Asks::get(&[SYS_NAME]).message();
    assert!(bench().raw(&recorded).is_ok());
    let mut restarted = with(V3Params { clock: EngineClock::new(BOOTS + 1, sample::STARTED), ..params() });
    let heard = Asks::get(&[]).hear(&restarted.raw(&recorded).unwrap());
    assert_eq!(heard.reported().0, NOT_IN_TIME_WINDOWS);
}

#[test]
fn rfc_3826_3_1_4_a_salt_that_has_not_8_octets_is_a_decryption_error() {
    let mut bench = bench();
    for (salt, count) in [(vec![], 1), (vec![1; 7], 2), (vec![1; 9], 3)] {
        let heard = bench.hears(&Asks { salt, ..Asks::get(&[SYS_NAME]) });
        assert_eq!((heard.reported(), heard.flags), ((DECRYPTION_ERRORS.to_owned(), count), 0));
    }
}

#[test]
fn rfc_3414_3_2_8_what_was_encrypted_with_another_key_is_garbage_and_malformed() {
    let outcome = bench().ignores(&Asks { privacy: b"another phrase".to_vec(), ..Asks::get(&[SYS_NAME]) });
    assert!(matches!(outcome, Dropped::Scan(ScanError::Malformed(_))), "{outcome:?}");
}

#[test]
fn rfc_3412_6_plain_data_that_claims_to_be_encrypted_and_the_other_way_round_is_malformed() {
    let mut bench = bench();
    let private = Asks::get(&[SYS_NAME]);
    let open = Asks { flags: 1 | REPORTABLE, user: b"some".to_vec(), ..private.clone() };
    for message in [private.message_around(&private.scoped()), open.message_around(&ber::tlv(4, &open.scoped()))] {
        assert!(matches!(bench.raw(&message), Err(Dropped::Scan(ScanError::Malformed(_)))));
    }
}

#[test]
fn rfc_3414_2_4_security_parameters_that_can_not_be_parsed_are_malformed() {
    let asks = Asks::get(&[SYS_NAME]);
    let header = ber::sequence(&[ber::int(1), ber::int(1472), ber::tlv(4, &[4]), ber::int(3)]);
    let good = [ber::tlv(4, b"x"), ber::int(0), ber::int(0), ber::tlv(4, b""), ber::tlv(4, b""), ber::tlv(4, b"")];
    let with = |at: usize, part: Vec<u8>| {
        let mut parts = good.to_vec();
        parts[at] = part;
        ber::sequence(&parts)
    };
    let table = [
        ("nothing", Vec::new()),
        ("no SEQUENCE", ber::null()),
        ("octets after it", [ber::sequence(&good), vec![0]].concat()),
        ("an engine id that is a number", with(0, ber::int(1))),
        ("negative boots", with(1, ber::int(-1))),
        ("negative time", with(2, ber::int(-1))),
        ("boots of 33 bits", with(1, ber::int(1 << 32))),
        ("a part too many", ber::sequence(&[&good[..], &[ber::null()]].concat())),
        ("a part too few", ber::sequence(&good[..5])),
    ];
    let mut bench = bench();
    for (what, security) in table {
        let message = ber::sequence(&[ber::int(3), header.clone(), ber::tlv(4, &security), asks.scoped()]);
        assert!(matches!(bench.raw(&message), Err(Dropped::Scan(ScanError::Malformed(_)))), "{what}");
    }
}

#[test]
fn rfc_3826_3_1_1_1_no_salt_is_used_twice() {
    let mut bench = bench();
    let salts: BTreeSet<_> = (0..500).map(|_| bench.hears(&Asks::get(&[SYS_UP_TIME])).salt).collect();
    assert_eq!(salts.len(), 500);
}

#[test]
fn rfc_3415_3_2_1_and_2_who_is_in_no_group_and_who_has_no_entry_gets_authorization_error() {
    let mut bench = bench();
    let table = [
        ("in no group", Asks { user: b"lost".to_vec(), ..Asks::get(&[SYS_NAME]) }),
        ("below the level of every entry", Asks { flags: 1, ..Asks::get(&[SYS_NAME]) }),
        (
            "in a context with no entry",
            Asks { user: b"some".to_vec(), flags: 1, context: b"lab".to_vec(), ..Asks::get(&[SYS_NAME]) },
        ),
        ("with no view to read", Asks { user: b"blind".to_vec(), flags: 1, ..Asks::get(&[SYS_NAME]) }),
    ];
    for (what, asks) in table {
        let heard = bench.hears(&asks);
        assert_eq!((heard.pdu.pdu, heard.pdu.status, heard.pdu.index), (RESPONSE, 16, 0), "{what}");
        // RFC 3413 §3.2 (4): with the variable bindings of the request.
        assert_eq!(heard.pdu.variables[0].dotted(), SYS_NAME);
    }
}

#[test]
fn rfc_3415_3_2_a_set_needs_a_view_to_write() {
    let mut bench = bench();
    let set = |user: &str, flags| Asks { user: user.into(), flags, ..Asks::noc(pdu(SET, [1, 0, 0], &[SYS_NAME])) };
    assert_eq!(bench.hears(&set("some", 1)).pdu.status, 16);
    assert_eq!(bench.hears(&Asks { context: b"lab".to_vec(), ..set("noc", 3) }).pdu.status, 16);
    assert_eq!(bench.hears(&set("noc", 3)).pdu.status, 17, "notWritable: it may write, but not this");
}

#[test]
fn rfc_3415_3_2_5_what_is_not_in_the_view_does_not_exist() {
    let mut bench = bench();
    let some = |tag, name| Asks { user: b"some".to_vec(), flags: 1, ..Asks::noc(pdu(tag, [1, 0, 0], &[name])) };
    assert_eq!(bench.hears(&some(GET, HIDDEN)).pdu.variables[0].tag, ber::NO_SUCH_OBJECT);
    assert_eq!(bench.hears(&some(GET, SYS_NAME)).pdu.variables[0].tag, 4);
    let next = bench.hears(&some(GET_NEXT, "1.3.6.1.2.1.1.1"));
    assert_eq!(next.pdu.variables[0].dotted(), "1.3.6.1.2.1.1.2.0");
    let anyone = Asks { user: b"anyone".to_vec(), flags: 0, ..Asks::noc(pdu(GET_NEXT, [1, 0, 0], &["1.3.6.1.2.1.2"])) };
    assert_eq!(bench.hears(&anyone).pdu.variables[0].tag, ber::END_OF_MIB_VIEW);
}

#[test]
fn rfc_3415_a_context_can_show_less_than_the_default_one() {
    let mut bench = bench();
    let in_lab = |name| Asks { context: b"lab".to_vec(), ..Asks::get(&[name]) };
    assert_eq!(bench.hears(&in_lab(SYS_NAME)).pdu.variables[0].tag, 4);
    let outside = bench.hears(&in_lab("1.3.6.1.2.1.11.1.0"));
    assert_eq!(outside.pdu.variables[0].tag, ber::NO_SUCH_OBJECT);
}

#[test]
fn what_can_not_be_authenticated_is_counted_for_authentication_failure() {
    let mut bench = bench();
    let failures = |bench: &Bench| bench.agent.counters().authentication_failures;
    let _ = bench.raw(&Asks { engine: Vec::new(), user: Vec::new(), flags: 4, ..Asks::get(&[]) }.message());
    let _ = bench.raw(&Asks { time: 0, ..Asks::get(&[]) }.message());
    assert_eq!(failures(&bench), 0, "who has yet to learn who and when we are does nothing wrong");
    let _ = bench.raw(&Asks { user: b"eve".to_vec(), ..Asks::get(&[]) }.message());
    let _ = bench.raw(&Asks { authentication: b"another phrase".to_vec(), ..Asks::get(&[]) }.message());
    assert_eq!(failures(&bench), 2);
    assert_eq!(bench.agent.counters().faults(Fault::WrongDigest), 1);
}

#[test]
fn the_engine_the_users_and_the_views_are_shown_and_no_key_ever() {
    let mut bench = bench();
    let mut name = "1.3.6.1.6.3.10".to_owned();
    let mut rows = Vec::new();
    loop {
        let next = bench.hears(&Asks::noc(pdu(GET_NEXT, [1, 0, 0], &[&name]))).pdu.variables.remove(0);
        if next.tag == ber::END_OF_MIB_VIEW {
            break;
        }
        assert!(ber::parse(&name) < next.name, "{} after {name}", next.dotted());
        name = next.dotted();
        rows.push(next);
    }
    let find = |name: &str| rows.iter().find(|row| row.dotted() == name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(find("1.3.6.1.6.3.10.2.1.1.0").content, ENGINE);
    assert_eq!(find("1.3.6.1.6.3.10.2.1.2.0").number(), 7);
    assert_eq!(find("1.3.6.1.6.3.10.2.1.3.0").number(), 3600);
    assert_eq!(find("1.3.6.1.6.3.10.2.1.4.0").number(), 1472);
    let engine: String = ENGINE.iter().map(|octet| format!(".{octet}")).collect();
    let noc = format!("17{engine}.3.110.111.99");
    let column = |number: u32| find(&format!("1.3.6.1.6.3.15.1.2.2.1.{number}.{noc}"));
    assert_eq!(ber::read_oid(&column(5).content), ber::parse("1.3.6.1.6.3.10.1.1.5"));
    assert_eq!(ber::read_oid(&column(8).content), ber::parse("1.3.6.1.6.3.10.1.2.4"));
    for key in [6, 7, 9, 10] {
        assert!(column(key).content.is_empty(), "a key reads as nothing");
    }
    // vacmAccessReadViewName of noc in the default context, user-based, authPriv.
    assert_eq!(find("1.3.6.1.6.3.16.1.4.1.5.3.110.111.99.0.3.3").text(), "all");
    // vacmViewTreeFamilyType: an excluded family of the view "some".
    assert_eq!(find("1.3.6.1.6.3.16.1.5.2.1.4.4.115.111.109.101.8.1.3.6.1.2.1.1.1").number(), 2);
    assert_eq!(rows.iter().filter(|row| row.dotted().starts_with("1.3.6.1.6.3.15.1.2.2.1.3.")).count(), 5);
    for row in &rows {
        for phrase in [AUTHENTICATION, PRIVACY] {
            let key = Hash::Sha256.localise(phrase, &ENGINE);
            assert!(!row.content.windows(8).any(|octets| octets == &key[..8]), "a key in {}", row.dotted());
        }
    }
}

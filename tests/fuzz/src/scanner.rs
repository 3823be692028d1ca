//! A datagram to the agent in version 2c: the strict scanner, and all that is behind it for somebody who may do anything.

use crate::agent::Asked;
use rais::snmp::{AgentParams, Community, View};
use snmp_parser::{PduType, parse_snmp_v2c};
use std::cell::RefCell;

thread_local! {
    static ASKED: RefCell<Asked> = RefCell::new(Asked::new(AgentParams {
        communities: vec![
            Community::with_views(b"public", Vec::new(), View::everything(), View::everything()).expect("a community"),
        ],
        ..AgentParams::default()
    }));
}

/// What is answered is an answer that others can read, if they can read what was asked: snmp-parser refuses some names of
/// communities, and negative numbers.
pub fn take(octets: &[u8]) {
    let answer = ASKED.with_borrow_mut(|asked| asked.ask(octets));
    let Ok(answer) = answer else { return };
    let Ok((rest, heard)) = parse_snmp_v2c(&answer) else {
        assert!(parse_snmp_v2c(octets).is_err(), "the question can be read, and its answer can not");
        return;
    };
    assert!(rest.is_empty(), "octets after the answer");
    assert_eq!((heard.version, heard.community.as_str(), heard.pdu_type()), (1, "public", PduType::Response));
}

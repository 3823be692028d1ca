//! A datagram to the agent in version 3, and what it holds under the right keys: a fuzzer never guesses a digest, so it is
//! given one.

use crate::agent::Asked;
use rais::snmp::v3::{Authentication, EngineClock, EngineId, Envelope, Level, Privacy, User, V3Params, seal};
use rais::snmp::{Access, AccessControl, AgentParams, ContextMatch, Dropped, Fault, Member, SecurityModel, View};
use snmp_parser::parse_snmp_v3;
use std::cell::RefCell;
use std::sync::LazyLock;

/// As in the seeds, which `tests/snmp/v3_mutation.rs` writes.
const ENGINE: &[u8] = b"\x80\x00\x7e\xd9\x05a box's name";
const BOOTS: u32 = 7;

static USER: LazyLock<User> = LazyLock::new(|| {
    let engine = EngineId::new(ENGINE).expect("an engine id");
    let (authentication, privacy) = (Authentication::Sha256, Privacy::Aes128);
    let key = authentication.localise(b"authentication phrase", &engine).expect("long enough");
    let private = privacy.localise(authentication, b"privacy phrase", &engine).expect("long enough");
    User::new(b"noc", engine, Some((authentication, key)), Some((privacy, private))).expect("a user")
});

fn params() -> AgentParams {
    let access = |group: &str, level| Access {
        group: String::from(group),
        context: String::new(),
        context_match: ContextMatch::Exact,
        model: Some(SecurityModel::User),
        level,
        read: Some(String::from("all")),
        write: Some(String::from("all")),
        notify: None,
    };
    let member =
        |name: &str| Member { model: SecurityModel::User, name: String::from(name), group: String::from(name) };
    let views = vec![(String::from("all"), View::everything())];
    let members = vec![member("noc"), member("anyone")];
    let accesses = vec![access("noc", Level::AuthPriv), access("anyone", Level::NoAuthNoPriv)];
    let anyone = User::new(b"anyone", *USER.engine(), None, None).expect("a user");
    let v3 = V3Params {
        engine: *USER.engine(),
        clock: EngineClock::new(BOOTS, crate::sample::STARTED),
        salt_seed: 1,
        users: vec![USER.clone(), anyone],
        access: AccessControl::new(vec![String::from("lab")], members, accesses, views),
    };
    AgentParams { v3: Some(v3), ..AgentParams::default() }
}

thread_local! {
    static ASKED: RefCell<Asked> = RefCell::new(Asked::new(params()));
}

/// The octets as they came, then in private from somebody who is believed.
pub fn take(octets: &[u8]) {
    ASKED.with_borrow_mut(|asked| {
        if let Ok(answer) = asked.ask(octets) {
            match parse_snmp_v3(&answer) {
                Ok((rest, _)) => assert!(rest.is_empty(), "octets after the answer"),
                // It refuses some names of users, and negative numbers, and so what was asked.
                Err(_) => assert!(parse_snmp_v3(octets).is_err(), "the question can be read, and its answer can not"),
            }
        }
        let envelope = Envelope {
            msg_id: 1,
            max_size: 1472,
            reportable: true,
            level: Level::AuthPriv,
            engine: ENGINE,
            boots: BOOTS,
            time: 3600,
            user_name: USER.name(),
            user: Some(&USER),
            context_engine: ENGINE,
            context_name: &[],
        };
        let mut sealed = Vec::new();
        seal(&envelope, [7; 8], octets, &mut sealed).expect("the user has keys");
        match asked.ask(&sealed) {
            // A notification is nobody's here, and its sender waits for no report.
            Ok(_) | Err(Dropped::Fault(Fault::UnknownPduHandler)) => {}
            Err(Dropped::Fault(fault)) => panic!("{fault:?}: what is authentic is not doubted"),
            Err(_) => {}
        }
    });
}

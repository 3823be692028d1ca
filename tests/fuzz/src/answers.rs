//! What comes back from a receiver of informs, in version 2c and 3. A fuzzer guesses neither keys nor, often, the
//! request-id: whatever it finds in version 3 is a forgery, unless it is given the keys.

use rais::snmp::View;
use rais::snmp::delivery::{Delivery, DeliveryParams, Notice, Security};
use rais::snmp::notify::Kind;
use rais::snmp::v3::{Authentication, EngineClock, EngineId, Envelope, Level, Privacy, Salts, User, seal};
use rais_core::time::{Duration, Instant};
use std::sync::{Arc, LazyLock};

const NOW: Instant = Instant::from_micros(1_000_000);

static USER: LazyLock<User> = LazyLock::new(|| {
    let engine = EngineId::new(b"\x80\x00\x7e\xd9\x05nms").expect("an engine id");
    let (authentication, privacy) = (Authentication::Sha256, Privacy::Aes128);
    let key = authentication.localise(b"correct horse", &engine).expect("long enough");
    let private = privacy.localise(authentication, b"battery staple", &engine).expect("long enough");
    User::new(b"noc", engine, Some((authentication, key)), Some((privacy, private))).expect("a user")
});

fn told(security: Security) -> Delivery {
    let (timeout, throttle) = (Duration::from_secs(2), Duration::ZERO);
    let view = View::everything();
    let params = DeliveryParams { kind: Kind::Inform, security, view, timeout, retries: 2, throttle };
    let mut delivery = Delivery::new(params, 100);
    delivery.offer(Arc::new(Notice { about: String::new(), bindings: Vec::new() }), NOW);
    assert!(delivery.poll(NOW).is_some());
    delivery
}

/// What a receiver says is believed once, or counted as a stray; what nobody could sign is never believed.
pub fn take(octets: &[u8]) {
    let mut plain = told(Security::Community(b"public".to_vec()));
    let believed = plain.receive(octets, NOW).is_ok();
    let counters = *plain.counters();
    assert_eq!(counters.acknowledged + counters.refused, u64::from(believed));
    assert_eq!(counters.strays, u64::from(!believed));
    let (engine, clock) = (*USER.engine(), EngineClock::new(1, NOW));
    let user = || Security::User { user: USER.clone(), level: Level::AuthPriv, engine, clock, salts: Salts::new(1) };
    let mut sealed = told(user());
    assert!(sealed.receive(octets, NOW).is_err(), "forged");
    assert!(sealed.poll(NOW + Duration::from_secs(2)).is_some(), "it is sent again");
    // The same octets as a PDU, said by the receiver itself.
    let envelope = Envelope {
        msg_id: 101,
        max_size: 1472,
        reportable: false,
        level: Level::AuthPriv,
        engine: USER.engine().as_bytes(),
        boots: 3,
        time: 77,
        user_name: USER.name(),
        user: Some(&USER),
        context_engine: USER.engine().as_bytes(),
        context_name: &[],
    };
    let mut authentic = Vec::new();
    seal(&envelope, [7; 8], octets, &mut authentic).expect("the user has keys");
    let mut sealed = told(user());
    let believed = sealed.receive(&authentic, NOW).is_ok();
    let counters = *sealed.counters();
    assert!(counters.acknowledged + counters.refused <= u64::from(believed));
    assert_eq!(counters.strays, u64::from(!believed));
}

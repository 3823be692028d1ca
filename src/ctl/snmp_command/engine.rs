//! `raisctl snmp engine`: asks a receiver of notifications which SNMP engine it is (RFC 3414 §4).
//!
//! Anybody on the way can answer in its stead. That costs informs, and no secret: keys for the wrong engine fit nowhere.

use super::SnmpCommandError;
use crate::os::random;
use crate::snmp::v3::{EngineId, Level, Peer, User};
use rais_core::time::Instant;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// Where notifications go if no port is given: RFC 3417 §3.
const TRAP_PORT: u16 = 162;
/// A datagram may be lost.
const ATTEMPTS: u32 = 3;
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// A report is short.
const MAX_ANSWER: usize = 2048;

/// An address and perhaps a port.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let alone = || text.parse().map(|address: IpAddr| SocketAddr::new(address, TRAP_PORT));
    text.parse().or_else(|_| alone()).map_err(|_| String::from("an address, or an address and a port"))
}

/// Asks the engine there who it is.
///
/// # Errors
/// [`SnmpCommandError::Io`] if nothing can be sent, [`SnmpCommandError::Silent`] if nobody answers.
pub(super) fn ask(address: SocketAddr) -> Result<EngineId, SnmpCommandError> {
    let from: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((from, 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(ANSWER_WITHIN))?;
    let id = random::octets().map(i32::from_be_bytes).map_err(SnmpCommandError::Random)? & i32::MAX;
    let question = Peer::discovery(id, id, MAX_ANSWER).map_err(|error| SnmpCommandError::Random(error.to_string()))?;
    let mut buffer = [0; MAX_ANSWER];
    for _ in 0..ATTEMPTS {
        // Nobody listens there shows as an error of the next call.
        match socket.send(&question).and_then(|_| socket.recv(&mut buffer)) {
            Ok(length) => {
                if let Some(engine) = engine_in(buffer.get(..length).unwrap_or_default(), id) {
                    return Ok(engine);
                }
            }
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => break,
            Err(error) => return Err(error.into()),
        }
    }
    Err(SnmpCommandError::Silent(address))
}

/// The engine that a report to our question is from.
fn engine_in(answer: &[u8], id: i32) -> Option<EngineId> {
    let anybody = EngineId::new(b"anybody").ok()?;
    let nobody = User::new(b"nobody", anybody, None, None).ok()?;
    let mut peer = Peer::new(None);
    let opened = peer.open(answer, &nobody, Level::NoAuthNoPriv, Instant::ZERO).ok()?;
    peer.engine().copied().filter(|_| opened.msg_id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_go_without_its_port() {
        let rows = [
            ("10.9.0.254", Some("10.9.0.254:162")),
            ("10.9.0.254:1162", Some("10.9.0.254:1162")),
            ("fd00::9", Some("[fd00::9]:162")),
            ("[fd00::9]:1162", Some("[fd00::9]:1162")),
            ("nms.example.net", None),
        ];
        for (text, expected) in rows {
            assert_eq!(address(text).ok(), expected.map(|expected| expected.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn where_nobody_listens_nobody_is_found() {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(ask(port), Err(SnmpCommandError::Silent(silent)) if silent == port));
    }
}

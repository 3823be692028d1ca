//! What passes an interface of a namespace, in its order.

use super::fuzz::in_namespace;
use rais::wire::{Codec, Key, KeyId};
use rais_core::info_message::Message;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io::Read;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Everything, both ways.
const ETH_P_ALL: u16 = 3;
/// The longest that a capture outlives whoever started it.
const PATIENCE: Duration = Duration::from_millis(200);

/// A frame, and when it was seen.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) at: Instant,
    octets: Vec<u8>,
}

/// Listens to all interfaces of a namespace until it is dropped.
pub(super) struct Capture(Arc<Mutex<Vec<Frame>>>);

impl Capture {
    /// Begins.
    pub(super) fn start(namespace: &str) -> Self {
        let mut socket = in_namespace(namespace, || {
            let all = Protocol::from(i32::from(ETH_P_ALL.to_be()));
            Socket::new(Domain::PACKET, Type::RAW, Some(all)).unwrap()
        });
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let frames = Arc::<Mutex<Vec<Frame>>>::default();
        let seen = Arc::downgrade(&frames);
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Some(seen) = seen.upgrade() {
                if let Ok(length) = socket.read(&mut buffer) {
                    seen.lock().unwrap().push(Frame { at: Instant::now(), octets: buffer[..length].to_vec() });
                }
            }
        });
        Self(frames)
    }

    /// What was seen so far.
    pub(super) fn frames(&self) -> Vec<Frame> {
        self.0.lock().unwrap().clone()
    }

    /// What boxes of the lab's group said so far, signed with the lab's key.
    pub(super) fn messages(&self) -> Vec<(Instant, Message)> {
        let codec = codec(&[(1, "5a")], 1);
        let said = |frame: Frame| Some((frame.at, codec.decode(frame.datagram(7077)?, 255).ok()?));
        self.frames().into_iter().filter_map(said).collect()
    }
}

/// A codec of the lab's group, whose keys consist of these octets, in hexadecimal.
pub(super) fn codec(keys: &[(u8, &str)], send_key: u8) -> Codec {
    let keys: BTreeMap<_, _> =
        keys.iter().map(|(id, octet)| (KeyId(*id), Key::from_hex(&octet.repeat(32)).unwrap())).collect();
    Codec::new("http".parse().unwrap(), &keys, KeyId(send_key)).unwrap()
}

/// Who an ARP frame is for, who its sender says it is, and what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arp {
    pub(super) to: [u8; 6],
    pub(super) operation: u8,
    pub(super) mac: [u8; 6],
    pub(super) address: Ipv4Addr,
    pub(super) target: Ipv4Addr,
}

impl Frame {
    /// What a UDP datagram over IPv4 to this port carries.
    fn datagram(&self, port: u16) -> Option<&[u8]> {
        let packet = self.octets.get(14..).filter(|_| self.octets[12..14] == [0x08, 0x00])?;
        let header = usize::from(packet.first()? & 0x0f) * 4;
        let udp = packet.get(header..).filter(|_| packet.get(9) == Some(&17))?;
        (udp.get(2..4)? == port.to_be_bytes()).then(|| udp.get(8..)).flatten()
    }

    /// It as ARP over Ethernet for IPv4.
    pub(super) fn arp(&self) -> Option<Arp> {
        if self.octets.get(12..20)? != [0x08, 0x06, 0, 1, 0x08, 0, 6, 4] {
            return None;
        }
        let address = |at: usize| Some(Ipv4Addr::from(*self.octets.get(at..)?.first_chunk::<4>()?));
        Some(Arp {
            to: *self.octets.first_chunk()?,
            operation: *self.octets.get(21)?,
            mac: *self.octets.get(22..)?.first_chunk()?,
            address: address(28)?,
            target: address(38)?,
        })
    }
}

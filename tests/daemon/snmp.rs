//! As much of a management station as these tests need: a receiver of traps, and one request.

use super::fuzz::in_namespace;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Notes when traps come, and from where.
pub(super) struct Receiver(Arc<Mutex<Vec<(u64, String)>>>);

impl Receiver {
    /// Listens in a namespace until the process ends.
    pub(super) fn start(namespace: &str, listen: &'static str) -> Self {
        Self::listen(namespace, listen, false)
    }

    /// Listens, and answers informs.
    pub(super) fn answering(namespace: &str, listen: &'static str) -> Self {
        Self::listen(namespace, listen, true)
    }

    fn listen(namespace: &str, listen: &'static str, answer: bool) -> Self {
        let socket = in_namespace(namespace, move || UdpSocket::bind(listen).unwrap());
        let traps = Arc::<Mutex<Vec<(u64, String)>>>::default();
        let noted = Arc::clone(&traps);
        std::thread::spawn(move || {
            let mut buffer = [0; 2000];
            while let Ok((length, source)) = socket.recv_from(&mut buffer) {
                if answer {
                    // The answer to an inform is the inform with another tag (RFC 3416 §4.2.7): the PDU is behind the
                    // version and the community.
                    let community = usize::from(buffer[1] > 0x80) * usize::from(buffer[1] & 0x7f) + 2 + 3;
                    let pdu = community + 2 + usize::from(buffer[community + 1]);
                    assert_eq!(buffer[pdu], 0xa6, "an inform");
                    buffer[pdu] = 0xa2;
                    socket.send_to(&buffer[..length], source).unwrap();
                }
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                noted.lock().unwrap().push((u64::try_from(now.as_millis()).unwrap(), source.ip().to_string()));
            }
        });
        Self(traps)
    }

    /// When traps came from an address, in milliseconds since 1970.
    pub(super) fn from(&self, source: &str) -> Vec<u64> {
        self.0.lock().unwrap().iter().filter(|(_, from)| from == source).map(|(at, _)| *at).collect()
    }

    /// Where they came from.
    pub(super) fn sources(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(_, from)| from.clone()).collect()
    }
}

/// Asks an agent and returns its answer, if one comes from the very address that was asked.
pub(super) fn get_next(namespace: &str, agent: &'static str, community: &[u8]) -> Option<Vec<u8>> {
    let request = get_next_request(community);
    in_namespace(namespace, move || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect((agent, 161)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        socket.send(&request).unwrap();
        let mut buffer = [0; 2000];
        let length = socket.recv(&mut buffer).ok()?;
        Some(buffer[..length].to_vec())
    })
}

/// A version 2c GETNEXT of 1.3.6.1.2.1.
pub(super) fn get_next_request(community: &[u8]) -> Vec<u8> {
    let tlv = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let binding = tlv(0x30, &[tlv(0x06, &[0x2b, 6, 1, 2, 1]), tlv(0x05, &[])].concat());
    let fields = [tlv(2, &[1]), tlv(2, &[0]), tlv(2, &[0]), tlv(0x30, &binding)].concat();
    tlv(0x30, &[tlv(2, &[1]), tlv(4, community), tlv(0xa1, &fields)].concat())
}

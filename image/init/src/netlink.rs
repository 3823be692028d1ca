//! As much rtnetlink (RFC 3549, `linux/rtnetlink.h`) as the first process needs: addresses of this box, and `lo` up.
//!
//! Messages are built and read as bytes in host order; a socket only carries them. raisd has a whole library for this;
//! PID 1 must act when raisd is gone, without a heap of code that could fail.

/// `RTM_NEWLINK`.
const NEW_LINK: u16 = 16;
/// `RTM_NEWADDR`: also what a dump answers with.
const NEW_ADDRESS: u16 = 20;
/// `RTM_DELADDR`.
const DELETE_ADDRESS: u16 = 21;
/// `RTM_GETADDR`.
const GET_ADDRESS: u16 = 22;
/// `NLMSG_ERROR`: the answer to a request that asked for one; code 0 is success.
const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
const DONE: u16 = 3;
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const DUMP: u16 = 0x300;
/// Octets of a message's header.
const HEADER: usize = 16;
/// Octets of `struct ifaddrmsg`.
const ADDRESS_HEADER: usize = 8;
/// `IFA_PROTO`: who configured an address.
const ORIGIN: u16 = 11;

/// One message of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// An address that is configured: what follows the message's header, as the kernel wrote it.
    Address(&'a [u8]),
    /// A request was done (0) or refused (an errno).
    Answer(i32),
    /// Nothing more of this dump.
    End,
    /// Something not asked for.
    Other,
}

/// Asks for all addresses of all interfaces.
pub(crate) fn list_addresses() -> Vec<u8> {
    message(GET_ADDRESS, REQUEST | DUMP, &[0; ADDRESS_HEADER])
}

/// Asks to delete an address, given as the kernel described it.
pub(crate) fn delete_address(address: &[u8]) -> Vec<u8> {
    message(DELETE_ADDRESS, REQUEST | ACKNOWLEDGE, address)
}

/// Asks to add an address, described as the kernel would describe it.
#[cfg(test)]
pub(crate) fn add_address(address: &[u8]) -> Vec<u8> {
    const CREATE: u16 = 0x400;
    message(NEW_ADDRESS, REQUEST | ACKNOWLEDGE | CREATE, address)
}

/// Asks to bring up the interface with this index.
pub(crate) fn bring_up(index: u32) -> Vec<u8> {
    const UP: u32 = 1;
    let mut link = vec![0; 4];
    for field in [index, UP, UP] {
        link.extend_from_slice(&field.to_ne_bytes());
    }
    message(NEW_LINK, REQUEST | ACKNOWLEDGE, &link)
}

/// Who configured the address: the number it was marked with, if any.
pub(crate) fn origin(address: &[u8]) -> Option<u8> {
    let mut attributes = address.get(ADDRESS_HEADER..)?;
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        let value = attributes.get(4..length)?;
        // The two highest bits are flags.
        if u16_at(attributes, 2)? & 0x3fff == ORIGIN {
            return value.first().copied();
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

/// The messages of a datagram.
pub(crate) fn messages(mut datagram: &[u8]) -> Vec<Message<'_>> {
    let mut found = Vec::new();
    while let Some(length) = u32_at(datagram, 0).and_then(|length| usize::try_from(length).ok()) {
        let Some(payload) = datagram.get(HEADER..length) else { break };
        found.push(match u16_at(datagram, 4) {
            Some(NEW_ADDRESS) => Message::Address(payload),
            Some(DONE) => Message::End,
            // The kernel writes the errno as a negative number.
            Some(ERROR) => Message::Answer(u32_at(payload, 0).map_or(0, |code| code.cast_signed().wrapping_neg())),
            _ => Message::Other,
        });
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + payload.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    // Sequence number and port: there is one request at a time on a socket, and the kernel knows the port.
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(payload);
    bytes
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 address as the kernel dumps it, marked with `origin`.
    fn address(origin: Option<u8>) -> Vec<u8> {
        let mut bytes = vec![2, 32, 0, 0, 3, 0, 0, 0];
        bytes.extend_from_slice(&[8, 0, 1, 0, 10, 9, 0, 101]);
        if let Some(origin) = origin {
            bytes.extend_from_slice(&[5, 0, 11, 0, origin, 0, 0, 0]);
        }
        bytes
    }

    #[test]
    fn the_mark_of_an_address_is_found_behind_other_attributes() {
        assert_eq!(origin(&address(Some(42))), Some(42));
        assert_eq!(origin(&address(None)), None);
        assert_eq!(origin(&[0; 3]), None);
        assert_eq!(origin(&[0; 12]), None, "an attribute of length 0 must not be walked for ever");
    }

    #[test]
    fn a_datagram_is_split_into_its_messages() {
        let mut datagram = message(NEW_ADDRESS, 2, &address(Some(1)));
        datagram.extend(message(ERROR, 0, &(-95_i32).to_ne_bytes()));
        datagram.extend(message(DONE, 2, &[0; 4]));
        let expected = [Message::Address(&address(Some(1))[..]), Message::Answer(95), Message::End];
        assert_eq!(messages(&datagram), expected);
        assert_eq!(messages(&datagram[..39]), [], "cut short");
        assert_eq!(messages(&[0; 64]), []);
    }
}

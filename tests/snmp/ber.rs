//! BER by hand: what the tests send, and how they read what comes back.

/// A message as it came back, read strictly: every length has to be right and minimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub version: i64,
    pub community: Vec<u8>,
    pub pdu: u8,
    pub request_id: i64,
    pub status: i64,
    pub index: i64,
    pub variables: Vec<Variable>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: Vec<u32>,
    pub tag: u8,
    pub content: Vec<u8>,
}

pub const NO_SUCH_OBJECT: u8 = 0x80;
pub const NO_SUCH_INSTANCE: u8 = 0x81;
pub const END_OF_MIB_VIEW: u8 = 0x82;

pub const GET: u8 = 0xa0;
pub const GET_NEXT: u8 = 0xa1;
pub const RESPONSE: u8 = 0xa2;
pub const SET: u8 = 0xa3;
pub const GET_BULK: u8 = 0xa5;

impl Variable {
    pub fn dotted(&self) -> String {
        dotted(&self.name)
    }

    pub fn number(&self) -> i64 {
        number(&self.content)
    }

    pub fn text(&self) -> String {
        assert_eq!(self.tag, 4, "{self:?} is no text");
        String::from_utf8(self.content.clone()).unwrap()
    }
}

pub fn dotted(name: &[u32]) -> String {
    name.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

pub fn parse(name: &str) -> Vec<u32> {
    name.split('.').map(|arc| arc.parse().unwrap()).collect()
}

pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..0x80 => out.push(short as u8),
        long @ 0x80..0x100 => out.extend([0x81, long as u8]),
        longer => out.extend([0x82, (longer >> 8) as u8, longer as u8]),
    }
    out.extend(content);
    out
}

pub fn int(number: i64) -> Vec<u8> {
    let mut octets = number.to_be_bytes().to_vec();
    while octets.len() > 1 && ((octets[0] == 0 && octets[1] < 0x80) || (octets[0] == 0xff && octets[1] >= 0x80)) {
        octets.remove(0);
    }
    tlv(2, &octets)
}

pub fn oid(name: &[u32]) -> Vec<u8> {
    let mut content = Vec::new();
    let head = u64::from(name[0]) * 40 + u64::from(name[1]);
    for arc in std::iter::once(head).chain(name[2..].iter().map(|arc| u64::from(*arc))) {
        let mut septets = vec![(arc & 0x7f) as u8];
        let mut rest = arc >> 7;
        while rest > 0 {
            septets.insert(0, 0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        content.extend(septets);
    }
    tlv(6, &content)
}

pub fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub fn null() -> Vec<u8> {
    tlv(5, &[])
}

pub fn binding(name: &[u32], value: &[u8]) -> Vec<u8> {
    sequence(&[oid(name), value.to_vec()])
}

pub fn pdu(tag: u8, fields: [i64; 3], bindings: &[Vec<u8>]) -> Vec<u8> {
    tlv(tag, &[int(fields[0]), int(fields[1]), int(fields[2]), sequence(bindings)].concat())
}

pub fn message(version: i64, community: &[u8], pdu: &[u8]) -> Vec<u8> {
    sequence(&[int(version), tlv(4, community), pdu.to_vec()])
}

/// A version 2c request for names, with NULL for values.
pub fn request(tag: u8, fields: [i64; 3], names: &[&str]) -> Vec<u8> {
    let bindings: Vec<_> = names.iter().map(|name| binding(&parse(name), &null())).collect();
    message(1, super::bench::COMMUNITY, &pdu(tag, fields, &bindings))
}

pub fn number(content: &[u8]) -> i64 {
    assert!((1..=9).contains(&content.len()), "{content:?} is no number");
    assert!(content.len() == 1 || content[0] != 0 || content[1] >= 0x80, "{content:?} has idle octets");
    let sign = if content[0] < 0x80 { 0 } else { -1 };
    content.iter().fold(sign, |sum, octet| (sum << 8) | i64::from(*octet))
}

fn take<'a>(rest: &mut &'a [u8]) -> (u8, &'a [u8]) {
    let (tag, length, from) = match **rest {
        [tag, short @ 0..=0x7f, ..] => (tag, usize::from(short), 2),
        [tag, 0x81, length @ 0x80..=0xff, ..] => (tag, usize::from(length), 3),
        [tag, 0x82, high @ 1..=0xff, low, ..] => (tag, usize::from(high) << 8 | usize::from(low), 4),
        ref other => panic!("no minimal tag and length: {other:02x?}"),
    };
    let content = &rest[from..from + length];
    *rest = &rest[from + length..];
    (tag, content)
}

pub fn expect<'a>(rest: &mut &'a [u8], tag: u8) -> &'a [u8] {
    let (found, content) = take(rest);
    assert_eq!(found, tag);
    content
}

pub fn read_oid(content: &[u8]) -> Vec<u32> {
    let mut arcs = Vec::new();
    let mut sum = 0u64;
    for octet in content {
        sum = sum << 7 | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            if arcs.is_empty() {
                let top = (sum / 40).min(2);
                arcs.push(top as u32);
                sum -= top * 40;
            }
            arcs.push(u32::try_from(sum).unwrap());
            sum = 0;
        }
    }
    arcs
}

pub fn read(octets: &[u8]) -> Message {
    let mut rest = octets;
    let mut message = expect(&mut rest, 0x30);
    assert!(rest.is_empty(), "octets after the message");
    let version = number(expect(&mut message, 2));
    let community = expect(&mut message, 4).to_vec();
    let (tag, mut fields) = take(&mut message);
    assert!(message.is_empty(), "octets after the PDU");
    let [request_id, status, index] = [(); 3].map(|()| number(expect(&mut fields, 2)));
    let mut list = expect(&mut fields, 0x30);
    assert!(fields.is_empty(), "octets after the variable bindings");
    let mut variables = Vec::new();
    while !list.is_empty() {
        let mut parts = expect(&mut list, 0x30);
        let name = read_oid(expect(&mut parts, 6));
        let (tag, content) = take(&mut parts);
        assert!(parts.is_empty(), "octets after a value");
        variables.push(Variable { name, tag, content: content.to_vec() });
    }
    Message { version, community, pdu: tag, request_id, status, index, variables }
}

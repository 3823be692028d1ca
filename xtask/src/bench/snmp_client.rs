//! As much of a management station as the benchmark needs: GET and GETBULK in version 2c, by hand, so that the client is
//! far cheaper than either agent.

use anyhow::{Context, Result, bail, ensure};
use std::cell::Cell;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// An answer that takes longer has been lost: snmpd reads 10,000 addresses anew while a question waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// The client speaks from so many addresses by turns: an agent may limit what one source asks.
const SOURCES: u8 = 8;

/// A client of the agent at a port of this namespace.
pub struct Client {
    sockets: Vec<UdpSocket>,
    community: Vec<u8>,
    asked: Cell<u32>,
}

impl Client {
    /// Asks nothing yet. Must be made inside the namespace.
    pub fn new(port: u16, community: &str) -> Result<Self> {
        let socket = |source: u8| {
            let socket = UdpSocket::bind((std::net::Ipv4Addr::new(127, 0, 1, source), 0))?;
            socket.connect(("127.0.0.1", port))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok(socket)
        };
        let sockets = (1..=SOURCES).map(socket).collect::<Result<_>>()?;
        Ok(Self { sockets, community: community.as_bytes().to_vec(), asked: Cell::new(0) })
    }

    /// So many GETs, one after the other; gives how many.
    pub fn gets(&self, name: &[u32], count: usize) -> Result<usize> {
        for _ in 0..count {
            self.ask(0xa0, [0, 0], name)?;
        }
        Ok(count)
    }

    /// How long each GET took, in milliseconds, a thousand a second for a while. What is lost took as long as was waited.
    pub fn response_times(&self, name: &[u32], length: Duration) -> Result<Vec<f64>> {
        let (start, mut times) = (Instant::now(), Vec::new());
        while start.elapsed() < length {
            let asked = Instant::now();
            let _ = self.ask(0xa0, [0, 0], name);
            times.push(asked.elapsed().as_secs_f64() * 1e3);
            std::thread::sleep(Duration::from_millis(1).saturating_sub(asked.elapsed()));
        }
        Ok(times)
    }

    /// Walks a column; gives how many rows it has.
    pub fn walk(&self, column: &[u32], repetitions: i64) -> Result<usize> {
        let (mut name, mut rows) = (column.to_vec(), 0);
        loop {
            let answer = self.ask(0xa5, [0, repetitions], &name)?;
            let names = bindings(&answer)?;
            ensure!(!names.is_empty(), "an answer without rows");
            for next in names {
                if !next.starts_with(column) {
                    return Ok(rows);
                }
                ensure!(next > name, "names do not increase");
                name = next;
                rows += 1;
            }
        }
    }

    fn ask(&self, pdu: u8, fields: [i64; 2], name: &[u32]) -> Result<Vec<u8>> {
        let id = self.asked.get() + 1;
        self.asked.set(id);
        let binding = tlv(0x30, &[tlv(6, &oid(name)), tlv(5, &[])].concat());
        let content = [integer(i64::from(id)), integer(fields[0]), integer(fields[1]), tlv(0x30, &binding)].concat();
        let message = tlv(0x30, &[integer(1), tlv(4, &self.community), tlv(pdu, &content)].concat());
        let socket = self.sockets.get(id as usize % self.sockets.len()).context("no socket")?;
        socket.send(&message)?;
        let mut answer = vec![0; 65_535];
        loop {
            let length =
                socket.recv(&mut answer).with_context(|| format!("no answer from {:?}", socket.peer_addr()))?;
            // One that came too late is not taken for this one's.
            let known = element(&answer[..length])
                .and_then(|(_, message, _)| element(element(element(message)?.2)?.2))
                .and_then(|(_, pdu, _)| element(pdu))
                .is_some_and(|(_, found, _)| tlv(2, found) == integer(i64::from(id)));
            if known {
                answer.truncate(length);
                return Ok(answer);
            }
        }
    }
}

/// The sample that so many of a thousand do not exceed.
pub fn per_mille(mut samples: Vec<f64>, rank: usize) -> Option<f64> {
    samples.sort_by(f64::total_cmp);
    let at = (samples.len() * rank).div_ceil(1000).saturating_sub(1);
    samples.get(at.min(samples.len().saturating_sub(1))).copied()
}

/// The names in an answer.
fn bindings(answer: &[u8]) -> Result<Vec<Vec<u32>>> {
    let list = || {
        let (_, message, _) = element(answer)?;
        let (_, pdu, _) = element(element(element(message)?.2)?.2)?;
        let (_, status, rest) = element(element(pdu)?.2)?;
        let (_, list, _) = element(element(rest)?.2)?;
        Some((status == [0], list))
    };
    let (fine, mut list) = list().context("no response")?;
    if !fine {
        bail!("the agent refused");
    }
    let mut names = Vec::new();
    while let Some((_, binding, rest)) = element(list) {
        let (_, name, value) = element(binding).context("no name")?;
        // endOfMibView: the walk is over, and the name is the one that was asked.
        if value.first() == Some(&0x82) {
            names.push(vec![u32::MAX]);
        } else {
            names.push(arcs(name));
        }
        list = rest;
    }
    Ok(names)
}

/// Tag, content, and what follows.
fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = octets.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (length.iter().fold(0, |sum, octet| (sum << 8) | usize::from(*octet)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..0x80 => out.push(short as u8),
        long => out.extend([0x82, (long >> 8) as u8, long as u8]),
    }
    out.extend_from_slice(content);
    out
}

fn integer(number: i64) -> Vec<u8> {
    let octets = number.to_be_bytes();
    let idle = octets.windows(2).take_while(|pair| pair[0] == 0 && pair[1] < 0x80).count();
    tlv(2, &octets[idle..])
}

fn oid(arcs: &[u32]) -> Vec<u8> {
    let mut out = vec![(arcs[0] * 40 + arcs[1]) as u8];
    for arc in &arcs[2..] {
        let septets = (32 - arc.leading_zeros()).div_ceil(7).max(1);
        out.extend((0..septets).rev().map(|at| (arc >> (at * 7)) as u8 & 0x7f | if at > 0 { 0x80 } else { 0 }));
    }
    out
}

fn arcs(octets: &[u8]) -> Vec<u32> {
    let mut out = octets.first().map_or_else(Vec::new, |first| vec![u32::from(first / 40), u32::from(first % 40)]);
    let mut arc = 0;
    for octet in octets.iter().skip(1) {
        arc = (arc << 7) | u32::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            out.push(arc);
            arc = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read_as_they_are_written() {
        let name = [1, 3, 6, 1, 4, 1, 32473, 1, 0, 127, 128, 16384, u32::MAX];
        assert_eq!(arcs(&oid(&name)), name);
        let table: [(i64, &[u8]); 4] =
            [(0, &[2, 1, 0]), (127, &[2, 1, 127]), (128, &[2, 2, 0, 128]), (70_000, &[2, 3, 1, 17, 112])];
        for (number, octets) in table {
            assert_eq!(integer(number), octets);
        }
    }

    #[test]
    fn the_999th_of_a_thousand_is_that() {
        assert_eq!(per_mille((1..=1000).map(f64::from).collect(), 999), Some(999.0));
        assert_eq!(per_mille(vec![3.0, 1.0, 2.0], 500), Some(2.0));
        assert_eq!(per_mille(Vec::new(), 999), None);
    }
}

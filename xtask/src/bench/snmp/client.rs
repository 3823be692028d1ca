//! As much of a management station as the benchmark needs: GET and GETBULK in version 2c, GET in version 3, by hand, so
//! that the client is far cheaper than either agent.

use super::user::{self, User};
use anyhow::{Context, Result, bail, ensure};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// An answer that takes longer has been lost. An agent that reads its tables anew while a question waits is given time.
const PATIENCE: Duration = Duration::from_secs(30);
/// The client speaks from so many addresses by turns where it can: an agent may limit what one source asks.
pub const SOURCES: u8 = 8;
/// How many questions are made in advance, to be asked again and again.
const QUESTIONS: i64 = 250;

/// A client of an agent.
#[derive(Debug)]
pub struct Client {
    sockets: Vec<UdpSocket>,
    community: Vec<u8>,
    asked: AtomicU32,
}

impl Client {
    /// A client of the agent at a port of this namespace. Asks nothing yet. Must be made inside the namespace.
    pub fn local(port: u16, community: &str) -> Result<Self> {
        let agent = SocketAddr::from(([127, 0, 0, 1], port));
        let sources = (1..=SOURCES).map(|source| SocketAddr::from(([127, 0, 1, source], 0)));
        Self::new(agent, sources, community)
    }

    /// A client of an agent elsewhere, from whatever address the kernel chooses.
    pub fn remote(agent: SocketAddr, community: &str) -> Result<Self> {
        Self::new(agent, std::iter::once(SocketAddr::from(([0, 0, 0, 0], 0))), community)
    }

    fn new(agent: SocketAddr, sources: impl Iterator<Item = SocketAddr>, community: &str) -> Result<Self> {
        let socket = |source: SocketAddr| {
            let socket = UdpSocket::bind(source)?;
            socket.connect(agent)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok(socket)
        };
        let sockets = sources.map(socket).collect::<Result<_>>()?;
        Ok(Self { sockets, community: community.as_bytes().to_vec(), asked: AtomicU32::new(1) })
    }

    /// The same, that gives an answer up sooner.
    pub fn patient_for(self, patience: Duration) -> Result<Self> {
        self.sockets.iter().try_for_each(|socket| socket.set_read_timeout(Some(patience)))?;
        Ok(self)
    }

    /// One GET; gives whether it was answered in time.
    pub fn get(&self, name: &[u32]) -> bool {
        self.ask(0xa0, [0, 0], name).is_ok()
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
            let names = self.step(&name, repetitions)?;
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

    /// The names that come after one.
    pub fn step(&self, name: &[u32], repetitions: i64) -> Result<Vec<Vec<u32>>> {
        bindings(&self.ask(0xa5, [0, repetitions], name)?)
    }

    fn ask(&self, pdu: u8, fields: [i64; 2], name: &[u32]) -> Result<Vec<u8>> {
        let id = i64::from(self.asked.load(Ordering::Relaxed));
        self.exchange(&self.message(pdu, id, fields, &[name]), |answer| request_id(answer) == Some(id))
    }

    /// A version 2c message.
    fn message(&self, pdu: u8, id: i64, fields: [i64; 2], names: &[&[u32]]) -> Vec<u8> {
        let content = self::pdu(pdu, id, fields, names);
        tlv(0x30, &[integer(1), tlv(4, &self.community), content].concat())
    }

    /// Sends from the next address, and waits for the answer.
    fn exchange(&self, message: &[u8], expected: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
        let turn = self.asked.fetch_add(1, Ordering::Relaxed);
        let socket = self.sockets.get(turn as usize % self.sockets.len()).context("no socket")?;
        socket.send(message)?;
        self.receive(socket, expected)
    }

    /// Waits for what `expected` knows for the answer; one that came too late is not taken for this one's.
    fn receive(&self, socket: &UdpSocket, expected: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
        let mut answer = vec![0; 4096];
        loop {
            let length =
                socket.recv(&mut answer).with_context(|| format!("no answer from {:?}", socket.peer_addr()))?;
            if expected(&answer[..length]) {
                answer.truncate(length);
                return Ok(answer);
            }
        }
    }

    /// Asks so many questions, of which so many are open at a time; gives how many. The last answer is looked at whole.
    pub fn gets(&self, questions: &Questions, count: usize, open: usize) -> Result<usize> {
        let (mut last, mut asked) = (Vec::new(), 0);
        let mut cycle = questions.messages.iter().zip(self.sockets.iter().cycle()).cycle();
        while asked < count {
            let batch: Vec<_> = cycle.by_ref().take(open.min(count - asked)).collect();
            for ((_, message), socket) in &batch {
                socket.send(message)?;
            }
            for ((id, _), socket) in &batch {
                last = self.receive(socket, |answer| questions.id_of(answer) == Some(*id))?;
            }
            asked += batch.len();
        }
        questions.check(&last)?;
        Ok(asked)
    }

    /// Questions for these names in version 2c.
    pub fn plain_questions(&self, objects: &[&[u32]]) -> Questions {
        let message = |id| (id, self.message(0xa0, id, [0, 0], objects));
        Questions { user: None, messages: (1000..1000 + QUESTIONS).map(message).collect() }
    }

    /// Questions for these names in version 3, to the agent that is there; good for two minutes.
    pub fn sealed_questions(&self, name: &str, phrases: [&str; 2], objects: &[&[u32]]) -> Result<Questions> {
        let report = self.exchange(&user::discovery(), |_| true)?;
        let engine = user::see(&report).context("no report")?.engine.to_vec();
        let user = User::new(name, &engine, phrases);
        let get = |id| pdu(0xa0, id, [0, 0], objects);
        // RFC 3414 §4: the report that is not in the time window tells what the time is.
        let report = self.exchange(&user.seal(2, [0, 0], &get(2)), |_| true)?;
        let seen = user::see(&report).context("no report")?;
        let clock = [seen.boots, seen.time];
        let messages = (1000..1000 + QUESTIONS).map(|id| (id, user.seal(id, clock, &get(id)))).collect();
        Ok(Questions { user: Some(user), messages })
    }
}

/// Messages made in advance, so that what they cost the client is not there while an agent is measured.
#[derive(Debug)]
pub struct Questions {
    /// Who says them, in version 3.
    user: Option<User>,
    /// With request-id or msgID.
    messages: Vec<(i64, Vec<u8>)>,
}

impl Questions {
    fn id_of(&self, answer: &[u8]) -> Option<i64> {
        match self.user {
            // A report does not answer it.
            Some(_) => user::see(answer).filter(user::Seen::is_protected).map(|seen| seen.id),
            None => request_id(answer),
        }
    }

    /// Is it a response without an error?
    fn check(&self, answer: &[u8]) -> Result<()> {
        let pdu = match &self.user {
            Some(user) => user.open(answer)?,
            None => {
                let pdu = || Some(element(element(element(answer)?.1)?.2)?.2.to_vec());
                pdu().context("no response")?
            }
        };
        let status = || {
            let (tag, content, _) = element(&pdu)?;
            Some((tag, element(element(content)?.2)?.1.to_vec()))
        };
        ensure!(status() == Some((0xa2, vec![0])), "the agent refused");
        Ok(())
    }
}

/// Which question of version 2c it answers.
fn request_id(answer: &[u8]) -> Option<i64> {
    let (_, message, _) = element(answer)?;
    let (_, pdu, _) = element(element(element(message)?.2)?.2)?;
    let (_, id, _) = element(pdu)?;
    Some(id.iter().fold(0, |sum, octet| (sum << 8) | i64::from(*octet)))
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
pub fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
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

/// An element.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..0x80 => out.push(short as u8),
        long => out.extend([0x82, (long >> 8) as u8, long as u8]),
    }
    out.extend_from_slice(content);
    out
}

/// An INTEGER.
pub fn integer(number: i64) -> Vec<u8> {
    let octets = number.to_be_bytes();
    let idle = octets.windows(2).take_while(|pair| pair[0] == 0 && pair[1] < 0x80).count();
    tlv(2, &octets[idle..])
}

/// A PDU: request-id, the two fields that follow it, and names.
pub fn pdu(tag: u8, id: i64, fields: [i64; 2], names: &[&[u32]]) -> Vec<u8> {
    let bindings: Vec<u8> =
        names.iter().flat_map(|name| tlv(0x30, &[tlv(6, &oid(name)), tlv(5, &[])].concat())).collect();
    let [second, third] = fields.map(integer);
    tlv(tag, &[integer(id), second, third, tlv(0x30, &bindings)].concat())
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
}

//! How soon is a trap on the wire? A box is quiesced and put to work again, by turns, and tells of each.
//!
//! When that happened is what the box says of the event; when the trap came is the kernel's stamp on it.

use super::agents::{self, Agent, Programs, RECEIVER};
use super::figures::{Line, Target};
use crate::interrupt;
use anyhow::{Context, Result, ensure};
use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

/// Events of a round.
const EVENTS: usize = 20;
/// A trap that takes longer has been lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// What raisd says of an event.
#[derive(Deserialize)]
struct Event {
    /// When it happened, in microseconds since the machine started.
    at: u64,
}

/// Measures it.
pub fn delay(rounds: u32, programs: &Programs) -> Result<Line> {
    let mut line = Line::new("from an event to its trap on the wire", "ms", Target::AtMost(2.0));
    let mut progress = programs.progress(line.what);
    let namespace = agents::namespace("snmp-traps")?;
    let receiver = namespace.inside(|| {
        let receiver = UdpSocket::bind(RECEIVER)?;
        receiver.set_read_timeout(Some(PATIENCE))?;
        setsockopt(&receiver, ReceiveTimestampns, &true)?;
        Ok(receiver)
    })?;
    let agent = Agent::ours(programs, &namespace, 1, true)?;
    for round in 1..=rounds {
        let mut came = Vec::new();
        for order in ["quiesce", "unquiesce"].into_iter().cycle().take(EVENTS) {
            interrupt::check()?;
            agent.order(&programs.kit.raisctl, &[order])?;
            came.push(arrival(&receiver).context("no trap")?);
        }
        let shown = agent.order(&programs.kit.raisctl, &["events", "--json", "--count", &EVENTS.to_string()])?;
        let happened: Vec<Event> = shown.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        ensure!(happened.len() == came.len(), "{} events, {} traps", happened.len(), came.len());
        for (event, came) in happened.iter().zip(came) {
            let took = came.checked_sub(Duration::from_micros(event.at)).context("a trap came before its event")?;
            line.ours.push(took.as_secs_f64() * 1e3);
        }
        progress.at(round, rounds, "");
    }
    progress.end(&line.in_short());
    Ok(line)
}

/// When the next trap came, since the machine started.
fn arrival(receiver: &UdpSocket) -> Result<Duration> {
    let (mut trap, mut control) = ([0; 1500], cmsg_space!(TimeSpec));
    let mut slices = [IoSliceMut::new(&mut trap)];
    let message = recvmsg::<()>(receiver.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())?;
    let stamp = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
        _ => None,
    });
    // The stamp is in the time of day, the event's is not: as long ago by one clock as by the other.
    let (now, today) = (Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?), SystemTime::now());
    let stamp = SystemTime::UNIX_EPOCH + Duration::from(stamp.context("no time stamp")?);
    now.checked_sub(today.duration_since(stamp).unwrap_or_default()).context("before the machine started")
}

//! What a box costs while nothing happens: on the wire, in processor time and in memory. Nobody probes.

use super::Kit;
use super::arena::{Arena, Client, Rest};
use super::figures::Outcome;
use super::progress::Progress;
use super::subject::{Setup, Subject};
use crate::interrupt::pause;
use crate::lab::{CONTROL, LAN, Machine};
use anyhow::{Context, Result};
use nix::unistd::{Pid, SysconfVar, sysconf};
use std::time::{Duration, Instant};

/// How long frames are counted.
const WIRE_WINDOW: u32 = 15;
/// How long processor time is counted: a hundredth of a second of it is then 0.03 %.
const COST_WINDOW: u32 = 30;
/// What was set off by the start has ended by then: keepalived announces again after 5 s.
const CALM: u32 = 8;

/// Frames and octets a second that a box sends on a network of the protocol; the box that sends most.
///
/// keepalived talks on the segment. Ours sends every message on each of two control networks; it is counted on the one
/// that carries nothing else, and what it sends on the segment is noted.
pub fn wire(kit: &Kit, subject: Subject, progress: &mut Progress, addresses: u16) -> Result<Outcome> {
    let mut arena = Arena::start(kit, subject, Setup::new(100, addresses).apart(), Client::Silent)?;
    arena.settle(Rest::Brief)?;
    seconds(progress, CALM)?;
    let count = |nic: &str| -> Result<Vec<_>> {
        arena.machines().iter().map(|machine| arena.network().sent(machine.plan(), nic)).collect()
    };
    let nics = match subject {
        Subject::Keepalived => [LAN, CONTROL],
        Subject::Ours => [CONTROL, LAN],
    };
    let (since, before) = (Instant::now(), [count(nics[0])?, count(nics[1])?]);
    seconds(progress, WIRE_WINDOW)?;
    let (elapsed, after) = (since.elapsed().as_secs_f64(), [count(nics[0])?, count(nics[1])?]);
    let rates = |network: usize| {
        let both = before[network].iter().zip(&after[network]);
        let rates = both.map(|(before, after)| {
            let per_second = |before: u64, after: u64| after.saturating_sub(before) as f64 / elapsed;
            (per_second(before.packets, after.packets), per_second(before.bytes, after.bytes) / 1e3)
        });
        rates.fold((0.0_f64, 0.0_f64), |most, rate| (most.0.max(rate.0), most.1.max(rate.1)))
    };
    let ((pps, kbps), (other_pps, other_kbps)) = (rates(0), rates(1));
    let other = format!("on {}: {other_pps:.1} pps, {other_kbps:.2} kB/s", nics[1]);
    Ok(Outcome { lines: vec![vec![pps], vec![kbps]], notes: vec![other], error: None })
}

/// Processor time and memory of a box's daemon, all its processes together; the box that needs most.
pub fn cost(kit: &Kit, subject: Subject, progress: &mut Progress, addresses: u16) -> Result<Outcome> {
    let mut arena = Arena::start(kit, subject, Setup::new(100, addresses).apart(), Client::Silent)?;
    arena.settle(Rest::Brief)?;
    seconds(progress, CALM)?;
    let busy = |machine: &Machine| -> Result<Duration> { machine.processes()?.into_iter().map(processor_time).sum() };
    let all = |arena: &Arena| arena.machines().iter().map(busy).collect::<Result<Vec<_>>>();
    let (since, before) = (Instant::now(), all(&arena)?);
    seconds(progress, COST_WINDOW)?;
    let (elapsed, after) = (since.elapsed(), all(&arena)?);
    let used = before.iter().zip(&after).map(|(before, after)| after.saturating_sub(*before));
    let shares: Vec<f64> = used.map(|used| 100.0 * used.as_secs_f64() / elapsed.as_secs_f64()).collect();
    let memory = arena.machines().iter().map(|machine| memory_mb(&machine.processes()?));
    let memory = memory.collect::<Result<Vec<_>>>()?;
    let note = format!(
        "box by box: {}; {}",
        joined(&shares, |share| format!("{share:.2} %")),
        joined(&memory, |mb| format!("{mb:.1} MB"))
    );
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    Ok(Outcome { lines: vec![vec![most(&shares)], vec![most(&memory)]], notes: vec![note], error: None })
}

fn joined(values: &[f64], show: impl Fn(&f64) -> String) -> String {
    values.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn seconds(progress: &mut Progress, count: u32) -> Result<()> {
    for second in 1..=count {
        pause(Duration::from_secs(1))?;
        progress.at(second, count, "seconds");
    }
    Ok(())
}

/// What a process has used so far, all its threads together, those that ended too.
fn processor_time(pid: Pid) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
    // The name in parentheses may hold anything; what follows it are numbers. utime and stime are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    let per_second = sysconf(SysconfVar::CLK_TCK)?.context("no clock tick")?;
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

/// Memory of a daemon's processes in MB: what each has for itself, and once what they have from files, which they share.
fn memory_mb(pids: &[Pid]) -> Result<f64> {
    let (mut own, mut files) = (0.0, 0.0_f64);
    for pid in pids {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kib = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_whitespace().nth(1).and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0)
        };
        own += kib("RssAnon:");
        files = files.max(kib("RssFile:") + kib("RssShmem:"));
    }
    Ok((own + files) * 1024.0 / 1e6)
}

//! What the machine is and does, from `/proc`, `/sys` and statvfs(2).
//!
//! One [`Sampler`] is asked now and then; a sample costs some ten short reads. It keeps what a figure over a minute needs,
//! and nothing else. A file that is not there, or says something this version does not understand, leaves its figures at
//! zero: none of them decides anything.

mod parse;

use super::clock;
use crate::machine::{Hardware, InterfaceCounters, IpFigures, Sample, Storage};
use nix::sys::statvfs::statvfs;
use parse::CpuShare;
use rais_core::time::{Duration, Instant};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;

/// The time that hrProcessorLoad looks back.
const WINDOW: Duration = Duration::from_secs(60);
/// File systems shown: more than a box has.
const MAX_STORAGE: usize = 32;
/// Kinds of file systems that hold something, and never wait for a network.
const STORAGE_KINDS: [&str; 10] =
    ["ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "vfat", "squashfs", "tmpfs", "overlay"];

/// Takes samples.
#[derive(Debug, Default)]
pub struct Sampler {
    /// Processor times of the last minute, and the newest before that.
    shares: VecDeque<(Instant, Vec<CpuShare>)>,
}

impl Sampler {
    /// Takes one now. Blocks for some 100 µs.
    pub fn sample(&mut self) -> Sample {
        let stat = text("/proc/stat");
        let (load_hundredths, processes) = parse::load(&text("/proc/loadavg"));
        let (v4, v6) = (parse::ip(&text("/proc/net/snmp")), parse::ip6(&text("/proc/net/snmp6")));
        Sample {
            memory: parse::memory(&text("/proc/meminfo")),
            load_hundredths,
            processes,
            busy_percent: self.busy(clock::now(), parse::cpu_shares(&stat)),
            processor_time: parse::processor_time(&stat),
            storage: storage(),
            ip: [
                v4,
                IpFigures { forwarding: number("/proc/sys/net/ipv6/conf/all/forwarding") == 1, ..with_limits(v6) },
            ],
            up_hundredths: parse::uptime(&text("/proc/uptime")),
            unix_ms: clock::unix_ms(),
        }
    }

    /// The share of the last minute in which each processor was busy; since the first sample, until that is a minute
    /// ago.
    fn busy(&mut self, now: Instant, shares: Vec<CpuShare>) -> Vec<u32> {
        while self.shares.get(1).is_some_and(|(at, _)| now.since(*at) >= WINDOW) {
            self.shares.pop_front();
        }
        let earlier = self.shares.front().map(|(_, earlier)| earlier.as_slice()).unwrap_or_default();
        let percent = |(number, share): (usize, &CpuShare)| {
            earlier.get(number).map_or(0, |earlier| share.busy_percent_since(earlier))
        };
        let busy = shares.iter().enumerate().map(percent).collect();
        self.shares.push_back((now, shares));
        busy
    }
}

fn with_limits(mut figures: IpFigures) -> IpFigures {
    figures.hop_limit = number("/proc/sys/net/ipv6/conf/default/hop_limit");
    figures.reassembly_seconds = number("/proc/sys/net/ipv6/ip6frag_time");
    figures
}

/// What every interface carried, by name, in the network namespace of this thread.
#[must_use]
pub fn interface_counters() -> BTreeMap<String, InterfaceCounters> {
    parse::interface_counters(&text("/proc/thread-self/net/dev"))
}

/// What the machine is. Asked once.
#[must_use]
pub fn hardware() -> Hardware {
    let dmi = |name: &str| text(Path::new("/sys/class/dmi/id").join(name)).trim().to_owned();
    let command_line = text("/proc/cmdline").trim().to_owned();
    let machine_id = text("/data/state/machine-id").trim().to_owned();
    Hardware {
        vendor: dmi("sys_vendor"),
        model: dmi("product_name"),
        revision: dmi("product_version"),
        serial: dmi("product_serial"),
        firmware: dmi("bios_version"),
        processor: parse::processor_model(&text("/proc/cpuinfo")),
        kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
        slot: command_line.split(' ').rev().find_map(|word| word.strip_prefix("rais.slot=")).map(str::to_owned),
        machine_id: (!machine_id.is_empty()).then_some(machine_id),
        command_line,
    }
}

/// The speed of an interface in megabits a second. sysfs shows the network namespace it was mounted in, which may not be
/// ours, so it is believed only if it knows the name by the same index.
#[must_use]
pub fn speed_mbit(name: &str, index: u32) -> Option<u32> {
    let directory = Path::new("/sys/class/net").join(name);
    let same = text(directory.join("ifindex")).trim() == index.to_string();
    // A NIC without a carrier says -1, a virtual one nothing.
    same.then(|| text(directory.join("speed")).trim().parse().ok()).flatten()
}

fn storage() -> Vec<Storage> {
    let mut storage: Vec<Storage> = Vec::new();
    for (path, kind) in parse::mounts(&text("/proc/self/mounts")) {
        if storage.len() == MAX_STORAGE {
            break;
        }
        if !STORAGE_KINDS.contains(&kind.as_str()) || storage.iter().any(|known| known.path == path) {
            continue;
        }
        let Ok(stat) = statvfs(path.as_str()) else { continue };
        let (units, free) = (stat.blocks(), stat.blocks_free());
        if units > 0 {
            let used = units.saturating_sub(free);
            storage.push(Storage { in_memory: kind == "tmpfs", unit_octets: stat.fragment_size(), units, used, path });
        }
    }
    storage
}

fn number(path: &str) -> u32 {
    text(path).trim().parse().unwrap_or(0)
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read(path).map(|octets| String::from_utf8_lossy(&octets).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernel_is_understood() {
        let mut sampler = Sampler::default();
        let first = sampler.sample();
        assert!(first.memory.total > first.memory.free && first.memory.available > 0, "{:?}", first.memory);
        assert!(first.processes > 0 && !first.busy_percent.is_empty() && first.up_hundredths > 0);
        assert!(first.processor_time.user > 0 && first.processor_time.context_switches > 0);
        assert!(first.storage.iter().all(|storage| storage.units >= storage.used && storage.unit_octets > 0));
        assert!(first.ip[0].counters.contains_key("InReceives") && first.ip[0].hop_limit > 0, "{:?}", first.ip);
        assert!(interface_counters().contains_key("lo"));
        assert!(!hardware().kernel.is_empty());
    }

    #[test]
    fn a_processor_is_as_busy_as_it_was_within_the_last_minute() {
        let mut sampler = Sampler::default();
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        let share = |busy, total| vec![CpuShare { busy, total }];
        let rows = [
            // Seconds, busy and all ticks so far, per cent.
            (0, share(0, 0), 0),
            (10, share(1000, 1000), 100),
            (60, share(1000, 6000), 16),
            // From here on the busy seconds are more than a minute ago.
            (70, share(1000, 7000), 0),
            (71, share(1100, 7100), 1),
        ];
        for (seconds, shares, percent) in rows {
            assert_eq!(sampler.busy(at(seconds), shares), [percent], "at {seconds} s");
        }
        assert!(sampler.shares.len() <= 4);
    }
}

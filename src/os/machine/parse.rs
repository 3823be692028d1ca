//! The texts of `/proc`: text in, figures out. Formats: proc(5).

use crate::machine::{InterfaceCounters, IpFigures, Memory, ProcessorTime};
use std::collections::BTreeMap;

/// Ticks of one processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CpuShare {
    pub(super) busy: u64,
    pub(super) total: u64,
}

impl CpuShare {
    pub(super) fn busy_percent_since(&self, earlier: &Self) -> u32 {
        let total = self.total.saturating_sub(earlier.total);
        // Waiting for the disk may run backwards, so that busy seems to have grown by more than everything did.
        let busy = self.busy.saturating_sub(earlier.busy).min(total);
        u32::try_from((busy * 100).checked_div(total).unwrap_or(0)).unwrap_or(100)
    }
}

fn numbers(text: &str) -> Vec<u64> {
    text.split_ascii_whitespace().map(|word| word.parse().unwrap_or(0)).collect()
}

fn nth(numbers: &[u64], position: usize) -> u64 {
    numbers.get(position).copied().unwrap_or(0)
}

/// `/proc/stat`, a line for each processor.
pub(super) fn cpu_shares(stat: &str) -> Vec<CpuShare> {
    let lines = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
    let share = |line: &str| {
        let times = numbers(line.split_once(' ').map_or("", |(_, times)| times));
        // What follows the first eight (guest) is in user and nice already.
        let total = times.iter().take(8).sum();
        CpuShare { busy: total - nth(&times, 3) - nth(&times, 4), total }
    };
    lines.map(share).collect()
}

/// `/proc/stat`, all processors. The kernel's ticks are hundredths of a second on every machine that rais runs on.
pub(super) fn processor_time(stat: &str) -> ProcessorTime {
    let field = |name: &str| {
        let line = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        numbers(line.unwrap_or(""))
    };
    let times = field("cpu");
    ProcessorTime {
        user: nth(&times, 0),
        nice: nth(&times, 1),
        system: nth(&times, 2),
        idle: nth(&times, 3),
        io_wait: nth(&times, 4),
        interrupt: nth(&times, 5),
        soft_interrupt: nth(&times, 6),
        steal: nth(&times, 7),
        interrupts: nth(&field("intr"), 0),
        context_switches: nth(&field("ctxt"), 0),
    }
}

/// `/proc/loadavg`: hundredths, and how many processes there are.
pub(super) fn load(loadavg: &str) -> ([u32; 3], u32) {
    let mut words = loadavg.split_ascii_whitespace();
    let mut hundredths = || words.next().and_then(|word| word.replace('.', "").parse().ok()).unwrap_or(0);
    let load = [hundredths(), hundredths(), hundredths()];
    let processes = words.next().and_then(|word| word.split_once('/')?.1.parse().ok()).unwrap_or(0);
    (load, processes)
}

/// `/proc/meminfo`
pub(super) fn memory(meminfo: &str) -> Memory {
    let mut memory = Memory::default();
    for (name, value) in meminfo.lines().filter_map(|line| line.split_once(':')) {
        let field = match name {
            "MemTotal" => &mut memory.total,
            "MemFree" => &mut memory.free,
            "MemAvailable" => &mut memory.available,
            "Buffers" => &mut memory.buffers,
            "Cached" => &mut memory.cached,
            "Shmem" => &mut memory.shared,
            "SwapTotal" => &mut memory.swap_total,
            "SwapFree" => &mut memory.swap_free,
            _ => continue,
        };
        *field = nth(&numbers(value), 0);
    }
    memory
}

/// `/proc/uptime`, in hundredths of a second.
pub(super) fn uptime(uptime: &str) -> u64 {
    uptime.split(' ').next().and_then(|seconds| seconds.replace('.', "").parse().ok()).unwrap_or(0)
}

/// `/proc/net/dev`
pub(super) fn interface_counters(dev: &str) -> BTreeMap<String, InterfaceCounters> {
    let counters = |line: &str| {
        // An interface's name may hold anything but a blank or a slash.
        let (name, figures) = line.rsplit_once(':')?;
        let figures = numbers(figures);
        let counters = InterfaceCounters {
            in_octets: nth(&figures, 0),
            in_packets: nth(&figures, 1),
            in_errors: nth(&figures, 2),
            in_discards: nth(&figures, 3),
            in_multicast: nth(&figures, 7),
            out_octets: nth(&figures, 8),
            out_packets: nth(&figures, 9),
            out_errors: nth(&figures, 10),
            out_discards: nth(&figures, 11),
        };
        Some((name.trim().to_owned(), counters))
    };
    dev.lines().skip(2).filter_map(counters).collect()
}

/// `/proc/net/snmp`: two lines that begin with `Ip:`, names and figures.
pub(super) fn ip(snmp: &str) -> IpFigures {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Ip:"));
    let names = lines.next().unwrap_or("").split_ascii_whitespace().map(str::to_owned);
    let counters: BTreeMap<_, _> = names.zip(numbers(lines.next().unwrap_or(""))).collect();
    let figure = |name| counters.get(name).copied().and_then(|figure| u32::try_from(figure).ok()).unwrap_or(0);
    IpFigures {
        forwarding: figure("Forwarding") == 1,
        hop_limit: figure("DefaultTTL"),
        reassembly_seconds: figure("ReasmTimeout"),
        counters,
    }
}

/// `/proc/net/snmp6`: a line for each figure.
pub(super) fn ip6(snmp6: &str) -> IpFigures {
    let figure = |line: &str| {
        let (name, figure) = line.strip_prefix("Ip6")?.split_once(char::is_whitespace)?;
        Some((name.to_owned(), figure.trim().parse().ok()?))
    };
    IpFigures { counters: snmp6.lines().filter_map(figure).collect(), ..IpFigures::default() }
}

/// `/proc/self/mounts`: where, and what kind.
pub(super) fn mounts(mounts: &str) -> Vec<(String, String)> {
    let mount = |line: &str| {
        let mut words = line.split(' ').skip(1);
        // Blanks and the like are written in octal.
        let path = words.next()?.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\");
        Some((path, words.next()?.to_owned()))
    };
    mounts.lines().filter_map(mount).collect()
}

/// `/proc/cpuinfo`
pub(super) fn processor_model(cpuinfo: &str) -> String {
    let name = cpuinfo.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == "model name");
    name.map_or_else(String::new, |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_read_each_and_together() {
        let stat = "cpu  100 1 50 800 50 3 4 5 9 9\ncpu0 50 0 25 400 25 0 0 0 0 0\ncpu1 50 1 25 400 25 3 4 5 0 0\n\
                    intr 77 1 2\nctxt 99\n";
        assert_eq!(cpu_shares(stat), [CpuShare { busy: 75, total: 500 }, CpuShare { busy: 88, total: 513 }]);
        let time = processor_time(stat);
        assert_eq!((time.user, time.idle, time.steal), (100, 800, 5));
        assert_eq!((time.interrupts, time.context_switches), (77, 99));
        let none = CpuShare { busy: 0, total: 0 };
        let table = [((0, 0), 0), ((5, 10), 50), ((99, 10), 100)];
        for ((busy, total), percent) in table {
            assert_eq!(CpuShare { busy, total }.busy_percent_since(&none), percent);
        }
    }

    #[test]
    fn load_memory_and_uptime_are_read() {
        assert_eq!(load("10.60 8.22 0.07 11/174 4458\n"), ([1060, 822, 7], 174));
        assert_eq!(load("nonsense"), ([0; 3], 0));
        let memory =
            memory("MemTotal:  1000 kB\nMemFree: 10 kB\nSwapTotal: 0 kB\nShmem: 3 kB\nCached: 4 kB\nHuge: 1\n");
        assert_eq!((memory.total, memory.free, memory.shared, memory.cached), (1000, 10, 3, 4));
        assert_eq!((uptime("12345.67 999.00\n"), uptime("")), (1_234_567, 0));
    }

    #[test]
    fn interfaces_are_read_whatever_they_are_called() {
        let dev = "Inter-| Receive\n face |bytes\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n\
                   eth0:1:5000000000 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        let counters = interface_counters(dev);
        let lo = InterfaceCounters {
            in_octets: 1,
            in_packets: 2,
            in_errors: 3,
            in_discards: 4,
            in_multicast: 8,
            out_octets: 9,
            out_packets: 10,
            out_errors: 11,
            out_discards: 12,
        };
        assert_eq!(counters["lo"], lo);
        assert_eq!(counters["eth0:1"].in_octets, 5_000_000_000);
    }

    #[test]
    fn ip_figures_are_read_by_name() {
        let v4 = ip("Ip: Forwarding DefaultTTL InReceives ReasmTimeout\nIp: 2 64 173663 30\nIcmp: x\nIcmp: 1\n");
        assert_eq!((v4.forwarding, v4.hop_limit, v4.reassembly_seconds), (false, 64, 30));
        assert_eq!(v4.counters["InReceives"], 173_663);
        assert!(ip("Ip: Forwarding\nIp: 1\n").forwarding);
        let v6 = ip6("Ip6InReceives                   \t104\nIcmp6InMsgs 7\n");
        assert_eq!(v6.counters, BTreeMap::from([(String::from("InReceives"), 104)]));
    }

    #[test]
    fn mounts_are_read_with_blanks_in_them() {
        let mounts = mounts("/dev/vda5 /data ext4 rw 0 0\ntmpfs /mnt/a\\040b tmpfs rw 0 0\n");
        let expected = [("/data", "ext4"), ("/mnt/a b", "tmpfs")].map(|(path, kind)| (path.into(), kind.into()));
        assert_eq!(mounts, expected);
        assert_eq!(processor_model("processor\t: 0\nmodel name\t: Some CPU\n"), "Some CPU");
    }
}

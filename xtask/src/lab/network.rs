//! The lab's network: one namespace that is the switch, one that is the client, and one per box or a tap per NIC.
//!
//! Everything it makes carries the process id of its maker in its name, so that what a crashed run left behind is
//! recognised and removed by the next. It knows nothing about raisd, groups or service addresses.

use super::plan::{BoxPlan, CLIENT_V4, CLIENT_V6};
use crate::prerequisites;
use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// What every name of every lab begins with.
const PREFIX: &str = "rais-";
/// The NIC of a box on the segment, as the box's kernel calls it in namespaces.
pub const LAN: &str = "lan";
/// The NIC of a box on the control network.
pub const CONTROL: &str = "control";

/// A network namespace; removed when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

/// The switch namespace with its two bridges, and the client.
#[derive(Debug)]
pub struct Network {
    /// Where the client's programs run.
    pub client: Namespace,
    /// Where the bridges, the boxes' ports and QEMU live.
    pub switch: Namespace,
    ports: PortControl,
    number: u32,
}

impl Namespace {
    /// Makes `rais-<pid>-<role>` with its loopback up.
    pub fn create(role: &str) -> Result<Self> {
        /// The first of all namespaces makes the directory they are in, and two at once would mount it twice.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let name = format!("{PREFIX}{}-{role}", std::process::id());
        let one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        ip(&["netns", "add", &name])?;
        drop(one);
        let namespace = Self { name };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Its name, as `ip netns exec` wants it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run inside.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = prerequisites::command("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs `ip` commands inside, one a line; stops at the first that fails.
    pub fn ip(&self, lines: &str) -> Result<()> {
        let mut child = prerequisites::command("ip")
            .args(["-n", &self.name, "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("ip does not start")?;
        // Closed by the drop at the end of the statement: `ip` runs until its input ends.
        child.stdin.take().context("ip has no input")?.write_all(lines.as_bytes())?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ip in {}: {}", self.name, said.trim());
        Ok(())
    }

    /// Runs a program inside to its end, with `input` on its standard input, and gives what it printed.
    pub fn run(&self, program: &str, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = self.command(prerequisites::find(program).unwrap_or_else(|| program.into()));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("{program} does not start"))?;
        child.stdin.take().with_context(|| format!("{program} has no input"))?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program} in {}: {}", self.name, said.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Sets a kernel parameter of the namespace (`net.ipv4.ip_default_ttl`).
    pub fn sysctl(&self, assignment: &str) -> Result<()> {
        let output = self.command("sysctl").args(["-q", "-w", assignment]).output()?;
        ensure!(output.status.success(), "sysctl {assignment}: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    /// Moves the calling *thread* inside. The thread should end there: there is no way back.
    pub fn enter(&self) -> Result<()> {
        let file = File::open(self.path()).with_context(|| format!("namespace {}", self.name))?;
        setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("can not enter {}", self.name))
    }

    /// Runs `work` on a thread inside and waits for it.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.enter()?;
                work()
            });
            thread.join().unwrap_or_else(|_| bail!("a thread in {} panicked", self.name))
        })
    }

    /// The processes inside, ours never among them.
    pub fn pids(&self) -> Vec<Pid> {
        pids_inside(&self.name)
    }

    fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = remove_namespace(&self.name) {
            eprintln!("warning: {error:#}");
        }
    }
}

impl Network {
    /// Builds the switch and the client.
    pub fn create() -> Result<Self> {
        /// How many this process has made. Several may exist side by side.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = 1 + MADE.fetch_add(1, Ordering::Relaxed);
        let switch = Namespace::create(&role(number, "switch"))?;
        let client = Namespace::create(&role(number, "client"))?;
        // A switch carries frames. Linux's bridges show each of them to the packet filter first, at three times the cost;
        // where the kernel has no such thing there is nothing to say.
        for family in ["iptables", "ip6tables", "arptables"] {
            switch.run("sysctl", &["-e", "-q", "-w", &format!("net.bridge.bridge-nf-call-{family}=0")], "")?;
        }
        // No querier here, so snooping would only make the first seconds differ from the rest.
        switch.ip(&format!(
            "link add segment type bridge mcast_snooping 0 forward_delay 0\n\
             link add control type bridge mcast_snooping 0 forward_delay 0\n\
             link set segment up\n\
             link set control up\n\
             link add client type veth peer name lan netns {client}\n\
             link set client master segment\n\
             link set client up\n",
            client = client.name
        ))?;
        client.ip(&format!(
            "addr add {CLIENT_V4}/24 dev lan\n\
             addr add {CLIENT_V6}/64 dev lan nodad\n\
             link set lan up\n"
        ))?;
        let ports = PortControl::open(&switch)?;
        Ok(Self { client, switch, ports, number })
    }

    /// Makes the namespace of a box and cables both its NICs. raisd configures them.
    pub fn attach_namespace(&self, a_box: &BoxPlan) -> Result<Namespace> {
        let namespace = Namespace::create(&role(self.number, &a_box.name))?;
        for (nic, bridge, mac) in [(LAN, "segment", a_box.lan_mac()), (CONTROL, "control", a_box.control_mac())] {
            let port = port(a_box, nic);
            self.switch.ip(&format!(
                "link add {port} type veth peer name {nic} netns {} address {mac}\n\
                 link set {port} master {bridge}\n\
                 link set {port} up\n",
                namespace.name
            ))?;
        }
        // Each kernel signs its answers, for whoever reads a capture (`protocol.md` §10); the prober goes by MAC.
        namespace.sysctl(&format!("net.ipv4.ip_default_ttl={}", 100 + u32::from(a_box.number)))?;
        Ok(namespace)
    }

    /// Makes the taps of a VM, in the switch's namespace: first the segment's, then the control network's.
    pub fn attach_taps(&self, a_box: &BoxPlan) -> Result<[String; 2]> {
        for (nic, bridge) in [(LAN, "segment"), (CONTROL, "control")] {
            let port = port(a_box, nic);
            self.switch.ip(&format!(
                "tuntap add dev {port} mode tap\nlink set {port} master {bridge}\nlink set {port} up\n"
            ))?;
        }
        Ok([port(a_box, LAN), port(a_box, CONTROL)])
    }

    /// Takes both cables of a box off the switch, at once. They come back with a new [`Self::attach_namespace`].
    pub fn cut(&self, a_box: &BoxPlan) -> Result<()> {
        self.plug(a_box, LAN, false)?;
        self.plug(a_box, CONTROL, false)
    }

    /// Pulls one cable of a box, [`LAN`] or [`CONTROL`], or plugs it in again: its kernel sees the carrier go or come.
    pub fn plug(&self, a_box: &BoxPlan, nic: &str, plugged: bool) -> Result<()> {
        self.ports.set(&port(a_box, nic), plugged)
    }

    /// Takes both ports of a box out of the switch, or puts them back: frames stop with no sign of it at either end.
    pub fn isolate(&self, a_box: &BoxPlan, isolated: bool) -> Result<()> {
        let line = |nic, bridge| match isolated {
            true => format!("link set {} nomaster\n", port(a_box, nic)),
            false => format!("link set {} master {bridge}\n", port(a_box, nic)),
        };
        self.switch.ip(&format!("{}{}", line(CONTROL, "control"), line(LAN, "segment")))
    }

    /// What a box has sent on a NIC so far, as its switch port counted it.
    pub fn sent(&self, a_box: &BoxPlan, nic: &str) -> Result<Sent> {
        let port = port(a_box, nic);
        let text = output(&["-n", self.switch.name(), "-j", "-s", "link", "show", "dev", &port])?;
        let value: serde_json::Value = serde_json::from_str(&text).context("ip -j -s link")?;
        let count = |what: &str| {
            let path = format!("/0/stats64/rx/{what}");
            value.pointer(&path).and_then(serde_json::Value::as_u64).with_context(|| format!("{port} counts no {what}"))
        };
        Ok(Sent { packets: count("packets")?, bytes: count("bytes")? })
    }

    /// Removes what [`Self::attach_namespace`] put on the switch, so that the box can be attached anew. A namespace's
    /// own removal takes its cables too, but only some time later.
    pub fn detach(&self, a_box: &BoxPlan) -> Result<()> {
        self.switch.ip(&format!("link del {}\nlink del {}\n", port(a_box, LAN), port(a_box, CONTROL)))
    }
}

/// Frames of a NIC, and their octets with the Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Frames.
    pub packets: u64,
    /// Octets.
    pub bytes: u64,
}

/// What a namespace of one of this process's networks is called after the process id. Of the first just what it is: where
/// people type it, there is one.
fn role(network: u32, what: &str) -> String {
    if network == 1 { what.to_owned() } else { format!("{network}-{what}") }
}

/// The switch's port for a box's NIC: `edge-1-lan`. Within the kernel's 15 characters for up to 99 boxes.
fn port(a_box: &BoxPlan, nic: &str) -> String {
    let short = if nic == CONTROL { "ctl" } else { nic };
    format!("{}-{short}", a_box.name)
}

/// A socket that was opened inside the switch's namespace: it can pull a cable in microseconds, where a command takes
/// milliseconds that would count as the box's own.
#[derive(Debug)]
struct PortControl(OwnedFd);

impl PortControl {
    fn open(switch: &Namespace) -> Result<Self> {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
        switch.inside(|| Ok(Self(socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?)))
    }

    fn set(&self, port: &str, up: bool) -> Result<()> {
        // SAFETY: an all-zero `ifreq` is valid; it is plain data.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        ensure!(port.len() < request.ifr_name.len(), "{port} is too long for an interface's name");
        for (to, from) in request.ifr_name.iter_mut().zip(port.bytes()) {
            *to = from.cast_signed();
        }
        // A port of a bridge has no other flags that matter here.
        request.ifr_ifru.ifru_flags = if up { libc::c_short::try_from(libc::IFF_UP)? } else { 0 };
        // SAFETY: `request` is a valid `ifreq` with a name that ends in a zero octet, and outlives the call.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
        nix::errno::Errno::result(result).with_context(|| format!("can not take port {port} up or down"))?;
        Ok(())
    }
}

/// Removes namespaces and directories of labs whose maker is gone, with the processes inside.
pub fn remove_stale() -> Result<()> {
    for name in namespaces()? {
        if maker(&name).is_some_and(|pid| !is_alive(pid)) {
            eprintln!("removing {name}, left behind by an earlier run");
            for pid in pids_inside(&name) {
                // It may have ended by itself meanwhile.
                let _ = kill(pid, Signal::SIGKILL);
            }
            remove_namespace(&name)?;
        }
    }
    for entry in std::fs::read_dir(std::env::temp_dir())?.flatten() {
        let stale = entry.file_name().to_str().and_then(maker).is_some_and(|pid| !is_alive(pid));
        if stale && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // Somebody else's, if it can not be removed.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// A directory for one lab, readable by its owner alone; removed when dropped.
pub fn directory() -> Result<tempfile::TempDir> {
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir().context("no temporary directory")
}

/// The process that made a namespace or directory of this name, if it is one of a lab.
fn maker(name: &str) -> Option<u32> {
    let (pid, _role) = name.strip_prefix(PREFIX)?.split_once('-')?;
    pid.parse().ok()
}

/// A lab's maker still runs: the id lives and was not given to another program since.
fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "xtask")
}

fn namespaces() -> Result<Vec<String>> {
    let listed = output(&["netns", "list"])?;
    Ok(listed.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

fn pids_inside(namespace: &str) -> Vec<Pid> {
    let listed = output(&["netns", "pids", namespace]).unwrap_or_default();
    listed
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .map(Pid::from_raw)
        .filter(|p| *p != Pid::this())
        .collect()
}

fn remove_namespace(name: &str) -> Result<()> {
    ip(&["netns", "del", name])
}

fn ip(arguments: &[&str]) -> Result<()> {
    output(arguments).map(drop)
}

fn output(arguments: &[&str]) -> Result<String> {
    let output = prerequisites::command("ip").args(arguments).output().context("ip does not start")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", arguments.join(" "), said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maker_of_a_lab_is_read_from_its_names_and_from_no_others() {
        let table = [
            ("rais-4711-switch", Some(4711)),
            ("rais-4711-edge-1", Some(4711)),
            ("rais-4711-12-edge-1", Some(4711)),
            ("rais-edge-1", None),
            ("rais-4711", None),
            ("other-4711-switch", None),
        ];
        for (name, pid) in table {
            assert_eq!(maker(name), pid, "{name}");
        }
    }

    #[test]
    fn no_two_networks_have_a_namespace_of_the_same_name() {
        let all = (1..=3).flat_map(|network| ["switch", "client", "edge-1", "edge-2"].map(|what| role(network, what)));
        let all: Vec<_> = all.collect();
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn a_process_that_is_no_xtask_is_not_the_maker() {
        assert!(!is_alive(1));
        assert!(!is_alive(u32::MAX));
    }
}

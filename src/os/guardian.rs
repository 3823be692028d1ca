//! The guardian: a process that does nothing but wait for the daemon's death, and then takes its service addresses off
//! the interfaces and says its goodbyes (G-68).
//!
//! A daemon that is killed, crashes or panics is gone in an instant; without a guardian the others wait for the dead
//! interval, and its kernel keeps the addresses for the lease. The guardian hears of it twice. First by a signal, when
//! the thread ends that it is a child of: that one has priority and nothing to close, so it dies before everybody else
//! in the daemon, whatever keeps the processors busy. Then by the end of the pipe that only the daemon held open, when
//! the last thread is gone and the kernel has closed its sockets, which takes tens of milliseconds for some: what a
//! dying thread was just about to configure is removed then.
//!
//! It has no keys: the goodbyes were signed by the daemon beforehand, under the highest number there is, so each is good
//! for the very life it was signed for and for no other.
//!
//! It is the same program, run by the daemon with [`ARGUMENT`], in a process group of its own. Its orders are lines of
//! JSON on its standard input: a list of farewells, which replaces the one before, or `null`: stand down.

use super::multicast::{ControlSocket, ControlSocketParams};
use super::{netlink, process};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::runtime::Handle;

/// The one argument that makes the program a guardian.
pub const ARGUMENT: &str = "--guardian";
/// A goodbye is not answered, so it is said this often.
const GOODBYES: u32 = 3;
const BETWEEN_GOODBYES: Duration = Duration::from_millis(3);
/// Below the event loop, above everything ordinary: when it is to act, whoever keeps the processor busy can wait.
const PRIORITY: i32 = 40;
/// What tells it that the thread is gone that it is a child of.
const PARENT_DIED: Signal = Signal::SIGUSR1;
/// How long it waits for the rest of a dying daemon: the lease ends what that leaves.
const DIES_WITHIN_MS: u16 = 2_000;

/// A goodbye, and where it is to be said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Farewell {
    /// A group on a control interface.
    pub to: ControlSocketParams,
    /// The boxes that are told one by one, with [`Reach::Unicast`](super::multicast::Reach::Unicast).
    pub peers: Vec<IpAddr>,
    /// The datagram, signed.
    pub datagram: Vec<u8>,
}

/// The daemon's hold on its guardian. If it is dropped without having stood down, the guardian takes it for the daemon's
/// death.
#[derive(Debug)]
pub struct Guardian {
    process: Child,
    orders: ChildStdin,
    /// With this ends the thread that it is a child of, and the guardian hears of that.
    _parent: mpsc::Sender<Infallible>,
}

impl Guardian {
    /// Starts one, on a runtime. Until it has orders it does nothing.
    ///
    /// # Errors
    /// The kernel's: no more processes or threads, or no `/proc`.
    pub fn start() -> io::Result<Self> {
        let (parent, until_dropped) = mpsc::channel::<Infallible>();
        let (report, started) = mpsc::sync_channel(1);
        let runtime = Handle::current();
        let be_its_parent = move || {
            // Refused: then the guardian hears a little later of a death on a busy box.
            let _ = process::run_thread_first(PRIORITY);
            let _on_the_runtime = runtime.enter();
            let _ = report.send(spawn());
            let _ = until_dropped.recv();
        };
        thread::Builder::new().name(String::from("guardian")).stack_size(128 * 1024).spawn(be_its_parent)?;
        let (process, orders) = started.recv().map_err(io::Error::other)??;
        Ok(Self { process, orders, _parent: parent })
    }

    /// From now on these are its farewells.
    ///
    /// # Errors
    /// It is gone: start another.
    pub async fn instruct(&mut self, farewells: &[Farewell]) -> io::Result<()> {
        self.order(Some(farewells)).await
    }

    /// The daemon ends as it should: there is nothing left to do.
    ///
    /// # Errors
    /// It was gone already.
    pub async fn stand_down(mut self) -> io::Result<()> {
        self.order(None).await?;
        self.process.wait().await.map(drop)
    }

    /// Waits for its death, which should not come. May be cancelled.
    pub async fn gone(&mut self) {
        let _ = self.process.wait().await;
    }

    async fn order(&mut self, order: Option<&[Farewell]>) -> io::Result<()> {
        let mut line = serde_json::to_vec(&order)?;
        line.push(b'\n');
        self.orders.write_all(&line).await
    }
}

/// Runs the program as a guardian, as a child of this very thread.
fn spawn() -> io::Result<(Child, ChildStdin)> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("raisd").arg(ARGUMENT).env_clear().current_dir("/").process_group(0);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let orders = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    Ok((process, orders))
}

/// The guardian's whole life. Call it first thing in the process, before there is any other thread.
pub fn serve() {
    for stop in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        // Who stops a whole service or terminal stops the daemon too, and its end is what counts here.
        // SAFETY: ignoring a signal runs no handler.
        let _ = unsafe { signal(stop, SigHandler::SigIgn) };
    }
    // Refused: then it comes to act a little later on a busy box.
    let _ = process::run_thread_first(PRIORITY);
    let stdin = io::stdin();
    // Without notice of the parent's death the end of the pipe has to do.
    let notice = notice_of_death().ok();
    let Some(farewells) = wait_for_the_end(stdin.as_fd(), notice.as_ref()) else { return };
    let removed = netlink::remove_service_addresses();
    say(farewells);
    let _ = Wait { orders: stdin.as_fd(), notice: None }.for_something(PollTimeout::from(DIES_WITHIN_MS));
    let late = netlink::remove_service_addresses();
    match removed.and_then(|count| Ok(count + late?)) {
        Ok(count) => eprintln!("raisd is gone: its guardian removed {count} service addresses and said goodbye"),
        Err(error) => eprintln!("raisd is gone: its guardian said goodbye; their lease ends the addresses: {error}"),
    }
}

fn say(farewells: Vec<Farewell>) {
    let sockets: Vec<_> = farewells
        .into_iter()
        .filter_map(|Farewell { to, peers, datagram }| Some((ControlSocket::open(to).ok()?, peers, datagram)))
        .collect();
    for _ in 0..GOODBYES {
        for (socket, peers, datagram) in &sockets {
            socket.tell(datagram, peers.iter().copied());
        }
        thread::sleep(BETWEEN_GOODBYES);
    }
}

/// Has the kernel say when the thread ends that this process is a child of.
fn notice_of_death() -> Result<SignalFd, Errno> {
    let signals = SigSet::from(PARENT_DIED);
    signals.thread_block()?;
    let notice = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    prctl::set_pdeathsig(PARENT_DIED)?;
    Ok(notice)
}

/// Takes orders until the daemon is gone and returns the last; `None`: it was told to stand down, or to do nothing.
fn wait_for_the_end(orders: BorrowedFd<'_>, notice: Option<&SignalFd>) -> Option<Vec<Farewell>> {
    fcntl(orders, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).ok()?;
    let wait = Wait { orders, notice };
    let (mut last, mut buffer) = (LastOrder::default(), vec![0; 64 * 1024]);
    loop {
        // Heard of before the pipe is read: what was ordered before the death is in it.
        let died = wait.for_something(PollTimeout::NONE);
        loop {
            match nix::unistd::read(orders, &mut buffer) {
                Ok(0) => return last.farewells,
                Ok(length) => last.take(buffer.get(..length).unwrap_or_default()),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(_) => return last.farewells,
            }
        }
        if died || last.stood_down {
            return last.farewells;
        }
    }
}

/// What a guardian waits for.
struct Wait<'a> {
    orders: BorrowedFd<'a>,
    notice: Option<&'a SignalFd>,
}

impl Wait<'_> {
    /// `true`: there is notice of the death. `false`: something else, or nothing in time.
    fn for_something(&self, timeout: PollTimeout) -> bool {
        let notice = self.notice.map(|notice| PollFd::new(notice.as_fd(), PollFlags::POLLIN));
        let mut waited: Vec<_> = [PollFd::new(self.orders, PollFlags::POLLIN)].into_iter().chain(notice).collect();
        let _ = poll(&mut waited, timeout);
        waited.get(1).is_some_and(|notice| notice.any() == Some(true))
    }
}

/// What a guardian was told.
#[derive(Debug, Default)]
struct LastOrder {
    line: Vec<u8>,
    farewells: Option<Vec<Farewell>>,
    stood_down: bool,
}

impl LastOrder {
    /// Takes in what came through the pipe. A line that was cut short by the daemon's death is no order.
    fn take(&mut self, octets: &[u8]) {
        for part in octets.split_inclusive(|octet| *octet == b'\n') {
            self.line.extend_from_slice(part);
            if !part.ends_with(b"\n") {
                return;
            }
            if let Ok(order) = serde_json::from_slice::<Option<Vec<Farewell>>>(&std::mem::take(&mut self.line)) {
                self.stood_down |= order.is_none();
                self.farewells = order.filter(|_| !self.stood_down);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::multicast::Reach;
    use super::*;
    use std::io::Write;

    #[test]
    fn it_acts_on_its_last_orders_when_they_end_unless_it_was_told_to_stand_down() {
        let farewell = Farewell {
            to: ControlSocketParams {
                group: "239.77.0.1:7077".parse().unwrap(),
                reach: Reach::Unicast,
                interface: "eth0".into(),
                interface_index: 2,
                source: "10.9.0.1".parse().unwrap(),
            },
            peers: vec!["10.9.0.2".parse().unwrap()],
            datagram: vec![1, 2, 3],
        };
        let one = serde_json::to_string(&[&farewell]).unwrap();
        let table = [
            (String::new(), None),
            (format!("{one}\n"), Some(vec![farewell.clone()])),
            (format!("{one}\n[]\n"), Some(vec![])),
            (format!("{one}\n{}", &one[..20]), Some(vec![farewell])),
            (format!("{one}\nnull\n"), None),
            (format!("{one}\nnull\n{one}\n"), None),
        ];
        for (orders, expected) in table {
            let (reader, mut writer) = io::pipe().unwrap();
            for piece in orders.as_bytes().chunks(7) {
                writer.write_all(piece).unwrap();
            }
            drop(writer);
            assert_eq!(wait_for_the_end(reader.as_fd(), None), expected, "{orders}");
        }
    }

    /// The daemon's threads do not end at once: its pipe is open for a while.
    #[test]
    fn notice_of_the_death_is_enough_and_what_was_ordered_before_it_counts() {
        let signals = SigSet::from(PARENT_DIED);
        signals.thread_block().unwrap();
        let notice = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).unwrap();
        for (orders, expected) in [("[]\n", Some(vec![])), ("[]\nnull\n", None)] {
            let (reader, mut writer) = io::pipe().unwrap();
            writer.write_all(orders.as_bytes()).unwrap();
            nix::sys::signal::raise(PARENT_DIED).unwrap();
            assert_eq!(wait_for_the_end(reader.as_fd(), Some(&notice)), expected, "{orders}");
            notice.read_signal().unwrap();
            drop(writer);
        }
    }
}

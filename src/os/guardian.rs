//! The guardian: a process that does nothing but wait for the daemon's death, and then takes its service addresses off
//! the interfaces and says its goodbyes (G-68).
//!
//! A daemon that is killed, crashes or panics is gone in an instant; without a guardian the others wait for the dead
//! interval, and its kernel keeps the addresses for the lease. The guardian hears of it at once, because the pipe that
//! only the daemon held open ends. It has no keys: the goodbyes were signed by the daemon beforehand, under the highest
//! number there is, so each is good for the very life it was signed for and for no other.
//!
//! It is the same program, run by the daemon with [`ARGUMENT`], in a process group of its own. Its orders are lines of
//! JSON on its standard input: a list of farewells, which replaces the one before, or `null`: stand down.

use super::multicast::{ControlSocket, ControlSocketParams, Reach};
use super::{netlink, process};
use nix::sys::signal::{SigHandler, Signal, signal};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead};
use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

/// The one argument that makes the program a guardian.
pub const ARGUMENT: &str = "--guardian";
/// A goodbye is not answered, so it is said this often.
const GOODBYES: u32 = 3;
const BETWEEN_GOODBYES: Duration = Duration::from_millis(3);
/// Below the event loop, above everything ordinary: when it is to act, whoever keeps the processor busy can wait.
const PRIORITY: i32 = 40;

/// A goodbye, and where it is to be said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Farewell {
    /// A group on a control interface.
    pub to: ControlSocketParams,
    /// The boxes that are told one by one, with [`Reach::Unicast`].
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
}

impl Guardian {
    /// Starts one, on a runtime. Until it has orders it does nothing.
    ///
    /// # Errors
    /// The kernel's: no more processes, or no `/proc`.
    pub fn start() -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("raisd").arg(ARGUMENT).env_clear().current_dir("/").process_group(0);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let orders = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { process, orders })
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

/// The guardian's whole life. Call it first thing in the process, before there is any other thread.
pub fn serve() {
    for stop in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        // Who stops a whole service or terminal stops the daemon too, and its end is what counts here.
        // SAFETY: ignoring a signal runs no handler.
        let _ = unsafe { signal(stop, SigHandler::SigIgn) };
    }
    // Refused: then it comes to act a little later on a busy box.
    let _ = process::run_thread_first(PRIORITY);
    let Some(farewells) = wait_for_the_end(io::stdin().lock()) else { return };
    let removed = netlink::remove_service_addresses();
    let sockets: Vec<_> = farewells
        .into_iter()
        .filter_map(|Farewell { to, peers, datagram }| Some((ControlSocket::open(to).ok()?, peers, datagram)))
        .collect();
    for _ in 0..GOODBYES {
        for (socket, peers, datagram) in &sockets {
            match socket.params().reach {
                Reach::Multicast => socket.send(datagram),
                Reach::Unicast => peers.iter().for_each(|peer| socket.send_to(datagram, *peer)),
            }
        }
        std::thread::sleep(BETWEEN_GOODBYES);
    }
    match removed {
        Ok(count) => eprintln!("raisd is gone: its guardian removed {count} service addresses and said goodbye"),
        Err(error) => eprintln!("raisd is gone: its guardian said goodbye; their lease ends the addresses: {error}"),
    }
}

/// Takes orders until the daemon is gone and returns the last; `None`: it was told to stand down, or to do nothing.
fn wait_for_the_end(orders: impl BufRead) -> Option<Vec<Farewell>> {
    let mut farewells = None;
    for line in orders.lines().map_while(Result::ok) {
        // A line that was cut short by the daemon's death is no order.
        if let Ok(order) = serde_json::from_str::<Option<Vec<Farewell>>>(&line) {
            farewells = Some(order?);
        }
    }
    farewells
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (one.clone(), Some(vec![farewell.clone()])),
            (format!("{one}\n[]\n"), Some(vec![])),
            (format!("{one}\n{}", &one[..20]), Some(vec![farewell])),
            (format!("{one}\nnull\n"), None),
        ];
        for (orders, expected) in table {
            assert_eq!(wait_for_the_end(orders.as_bytes()), expected, "{orders}");
        }
    }
}

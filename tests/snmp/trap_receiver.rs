//! The real snmptrapd, which prints what it hears.

use crate::tools::{mib_path, tool};
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long it may take to print a line: far longer than it takes, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Receiver {
    child: Child,
    lines: mpsc::Receiver<String>,
    pub port: u16,
    _directory: tempfile::TempDir,
}

impl Receiver {
    /// One that hears everything in version 2c.
    pub fn start() -> Self {
        Self::start_with("authCommunity log public\n")
    }

    /// One with this configuration.
    pub fn start_with(text: &str) -> Self {
        // A port that was free a moment ago.
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        Self::start_at(&[free], text)
    }

    /// One with this configuration that listens there. In the network namespace of the thread that calls.
    pub fn start_at(listen: &[SocketAddr], text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let configuration = directory.path().join("snmptrapd.conf");
        std::fs::write(&configuration, text).unwrap();
        let mut command = tool("snmptrapd", "snmptrapd");
        command.env("SNMP_PERSISTENT_DIR", directory.path());
        let modules = "RAIS-MIB:SNMPv2-MIB:IF-MIB";
        // Who says so, by which words; then the variable bindings, a line for each notification.
        let form = "%P %N %V|%v\\n";
        command.args(["-f", "-n", "-C", "-Lo", "-M", &mib_path(), "-m", modules, "-F", form, "-c"]);
        command.arg(&configuration).arg("-p").arg(directory.path().join("pid"));
        command.args(listen.iter().map(|address| match address.ip() {
            IpAddr::V4(ip) => format!("udp:{ip}:{}", address.port()),
            IpAddr::V6(ip) => format!("udp6:[{ip}]:{}", address.port()),
        }));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let printed = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || printed.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let receiver = Self { child, lines, port: listen[0].port(), _directory: directory };
        while !receiver.line().contains("NET-SNMP version") {}
        receiver
    }

    /// Sends it a datagram and gives what it says.
    pub fn hear(&mut self, datagram: &[u8]) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(datagram, ("127.0.0.1", self.port)).unwrap();
        self.line()
    }

    /// The next thing it says.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("snmptrapd says something")
    }

    /// What it has said since it was last asked.
    pub fn said(&self) -> impl Iterator<Item = String> {
        self.lines.try_iter()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The real snmptrapd, which prints what it hears.

use crate::tools::{mib_path, tool};
use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::process::{Child, ChildStdout, Stdio};

pub struct Receiver {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
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
        let directory = tempfile::tempdir().unwrap();
        let configuration = directory.path().join("snmptrapd.conf");
        std::fs::write(&configuration, text).unwrap();
        // A port that was free a moment ago.
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = tool("snmptrapd", "snmptrapd");
        command.env("SNMP_PERSISTENT_DIR", directory.path());
        command.args([
            "-f",
            "-n",
            "-C",
            "-Lo",
            "-M",
            &mib_path(),
            "-m",
            "RAIS-MIB:SNMPv2-MIB:IF-MIB",
            "-F",
            "%N %V|%v\\n",
            "-c",
        ]);
        command.arg(&configuration).arg("-p").arg(directory.path().join("pid")).arg(format!("udp:127.0.0.1:{port}"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.by_ref().map_while(Result::ok).find(|line| line.contains("NET-SNMP version"));
        assert!(ready.is_some(), "snmptrapd did not start");
        Self { child, lines, port, _directory: directory }
    }

    /// Sends it a datagram and gives what it says.
    pub fn hear(&mut self, datagram: &[u8]) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(datagram, ("127.0.0.1", self.port)).unwrap();
        self.line()
    }

    /// The next thing it says.
    pub fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

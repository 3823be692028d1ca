//! Network namespaces that delete themselves, and veth pairs between them.

use std::future::Future;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A network namespace with its loopback up.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests make network namespaces: run them as root, `sudo -E cargo test --test netns_os`"
        );
        let name = format!("raisos-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        run(&format!("ip netns add {name}"));
        let namespace = Self { name };
        namespace.ip("link set lo up");
        namespace
    }

    /// Two namespaces with a cable between them: `eth0` in each, up, with a carrier.
    pub(crate) fn pair() -> (Self, Self) {
        let (one, other) = (Self::new(), Self::new());
        one.connect("eth0", &other, "eth0");
        (one, other)
    }

    pub(crate) fn connect(&self, here: &str, other: &Self, there: &str) {
        self.ip(&format!("link add {here} type veth peer name {there} netns {}", other.name));
        self.ip(&format!("link set {here} up"));
        other.ip(&format!("link set {there} up"));
        // Before the kernel says so of both ends, it may drop what is sent on the cable.
        let up = |end: &Self, port: &str| end.ip(&format!("-o link show dev {port}")).contains("state UP");
        self.wait_until("the cable has a carrier", || up(self, here) && up(other, there));
    }

    /// Runs `ip` in it and returns what it printed.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        run(&format!("ip -n {} {arguments}", self.name))
    }

    /// Runs a command in it; what it said if it failed.
    pub(crate) fn execute(&self, command: &str) -> Result<String, String> {
        let mut words = command.split_ascii_whitespace();
        let output = Command::new("ip").args(["netns", "exec", &self.name]).args(words.by_ref()).output().unwrap();
        let said = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
    }

    /// Runs a future in it, on a runtime and threads of its own.
    pub(crate) fn block_on<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        self.enter(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future))
    }

    /// Runs something in it, on a thread of its own.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = std::fs::File::open(format!("/run/netns/{}", self.name)).unwrap();
        let inside = || {
            nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            work()
        };
        match thread::scope(|scope| scope.spawn(inside).join()) {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    pub(crate) fn wait_until(&self, what: &str, condition: impl FnMut() -> bool) -> Duration {
        wait_until(what, Duration::from_secs(10), condition)
    }

    pub(crate) fn has(&self, address: &str) -> bool {
        self.ip("-o address show").split_ascii_whitespace().any(|word| word.split('/').next() == Some(address))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Waits for a condition and returns how long it took; panics if it takes longer than `limit`.
pub(crate) fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "after {limit:?} still not: {what}");
        thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

fn run(command: &str) -> String {
    let mut words = command.split_ascii_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

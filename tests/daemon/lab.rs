//! A small network in namespaces with real `raisd` processes on it.
//!
//! A namespace per box, one for the client, and one that is the switch: a bridge `lan` that carries the service
//! addresses and a bridge `control`. Box `n` is `10.99.0.n`. Every name begins with `raisd-` and this process's id, and
//! everything is removed again when the lab is dropped.

use rais::ctl::client;
use rais::ctl::protocol::{Request, Response, Runtime};
use rais::event::Event;
use rais::snapshot::Snapshot;
use rais_core::view::{AddressState, GroupView};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take that only has to come about: far beyond the protocol's own times, because the machine
/// that runs the tests may be busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The dead interval in every generated configuration.
pub(super) const DEAD_AFTER: Duration = Duration::from_millis(300);

/// The lease in every generated configuration.
pub(super) const LEASE: Duration = Duration::from_secs(1);

/// A switch, a client and some boxes.
pub(super) struct Lab {
    prefix: String,
    directory: tempfile::TempDir,
    boxes: Vec<Gateway>,
}

/// One box: its namespace, its files, and its raisd if it runs.
pub(super) struct Gateway {
    pub(super) number: u8,
    pub(super) namespace: String,
    directory: PathBuf,
    child: Option<Child>,
}

/// Runs a command to its end; its output is shown only if it fails.
pub(super) fn run(command: &str) -> String {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until `probe` returns something, and fails with `what` and the last refusal if it does not in [`PATIENCE`].
pub(super) fn until<T>(what: &str, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match probe() {
            Ok(found) => return found,
            Err(why) if Instant::now() > deadline => panic!("not within {PATIENCE:?}: {what}; last: {why}"),
            // Not a sleep for a fixed effect: the pace of looking.
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// The processes that `parent` started and that run.
fn children_of(parent: u32) -> Vec<nix::unistd::Pid> {
    let parent = format!("PPid:\t{parent}");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |id: &i32| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status.lines().any(|line| line == parent)
    };
    ids.filter(is_child).map(nix::unistd::Pid::from_raw).collect()
}

fn require_root() {
    let root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    assert!(root, "these tests make network namespaces: run them as root, e.g. `sudo -E cargo test --test daemon`");
}

impl Lab {
    /// A lab with boxes 1 to `count`, none of them started. Every box has a configuration with one preferred address
    /// `10.99.0.10n`; the pool holds `10.99.0.150` and `fd00:99::150`.
    pub(super) fn new(count: u8) -> Self {
        static LABS: AtomicU32 = AtomicU32::new(0);
        require_root();
        let prefix = format!("raisd-{}-{}", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::tempdir().unwrap();
        let mut lab = Self { prefix, directory, boxes: Vec::new() };
        let (switch, client) = (lab.namespace("sw"), lab.client());
        for namespace in [&switch, &client] {
            run(&format!("ip netns add {namespace}"));
        }
        for bridge in ["lan", "control"] {
            run(&format!("ip -n {switch} link add {bridge} type bridge forward_delay 0 mcast_snooping 0"));
            run(&format!("ip -n {switch} link set {bridge} up"));
        }
        lab.plug(&client, "c", "lan");
        run(&format!("ip -n {client} addr add 10.99.0.254/24 dev lan"));
        run(&format!("ip -n {client} addr add fd00:99::254/64 dev lan nodad"));
        run(&format!("ip -n {client} link set lan up"));
        for number in 1..=count {
            let gateway = Gateway::new(number, lab.namespace(&format!("b{number}")), lab.directory.path());
            run(&format!("ip netns add {}", gateway.namespace));
            run(&format!("ip -n {} link set lo up", gateway.namespace));
            // So that every answer names the box that gave it.
            let ttl = format!("net.ipv4.ip_default_ttl={}", 100 + number);
            run(&format!("ip netns exec {} sysctl -qw {ttl}", gateway.namespace));
            for bridge in ["lan", "control"] {
                lab.plug(&gateway.namespace, &format!("{}{number}", &bridge[..1]), bridge);
            }
            lab.boxes.push(gateway);
        }
        lab
    }

    fn namespace(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// The client's namespace.
    pub(super) fn client(&self) -> String {
        self.namespace("cl")
    }

    fn plug(&self, namespace: &str, port: &str, bridge: &str) {
        let switch = self.namespace("sw");
        run(&format!("ip -n {switch} link add {port}-{bridge} type veth peer name {bridge} netns {namespace}"));
        run(&format!("ip -n {switch} link set {port}-{bridge} master {bridge} up"));
    }

    /// Box `number`, counted from 1.
    pub(super) fn gateway(&mut self, number: u8) -> &mut Gateway {
        &mut self.boxes[usize::from(number) - 1]
    }

    /// What is gone when the lab is.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// All boxes.
    pub(super) fn gateways(&self) -> &[Gateway] {
        &self.boxes
    }

    /// Starts every box and waits until the group serves everything.
    pub(super) fn start(&mut self) {
        self.boxes.iter_mut().for_each(Gateway::start);
        self.settle();
    }

    /// Waits until every running box sees the same leader and every address online, and every kernel agrees.
    pub(super) fn settle(&self) {
        until("every address online on exactly one box, and every box of one mind", || {
            let mut leaders = Vec::new();
            for gateway in self.boxes.iter().filter(|gateway| gateway.child.is_some()) {
                let group = gateway.group()?;
                let unserved = group.addresses.iter().find(|row| row.state != AddressState::Online);
                if let Some(row) = unserved {
                    return Err(format!("box {}: {} is {}", gateway.number, row.address, row.state.as_str()));
                }
                if group.addresses.len() != self.boxes.len() + 2 {
                    return Err(format!("box {} knows of {} addresses", gateway.number, group.addresses.len()));
                }
                leaders.push(group.leader);
            }
            // The lowest of those that run: before it leads, it has not listened for long enough.
            let lowest = self.boxes.iter().find(|gateway| gateway.child.is_some()).map(|gateway| gateway.number);
            let expected = lowest.map(|number| format!("10.99.0.{number}"));
            if leaders.iter().any(|leader| leader.map(|id| id.to_string()) != expected) {
                return Err(format!("leaders {leaders:?}"));
            }
            self.each_on_one_kernel()
        });
    }

    /// What the kernels say: every service address on exactly one.
    pub(super) fn each_on_one_kernel(&self) -> Result<(), String> {
        for address in self.service_addresses() {
            let on: Vec<u8> = self.boxes.iter().filter(|gateway| gateway.has(&address)).map(|g| g.number).collect();
            if on.len() != 1 {
                return Err(format!("{address} is on boxes {on:?}"));
            }
        }
        Ok(())
    }

    /// Cuts the power of a box: its ports at the switch go dead and every process dies, and its kernel can say no more.
    pub(super) fn cut_power(&mut self, number: u8) {
        self.set_port(number, "lan", "nomaster");
        self.set_port(number, "control", "nomaster");
        self.gateway(number).kill_with_guardian();
    }

    /// Puts a box's port at the switch into a state, in the words of `ip link set`. `nomaster`: the carrier stays, and
    /// nothing passes; `down`: the box sees its carrier go.
    pub(super) fn set_port(&self, number: u8, bridge: &str, state: &str) {
        let switch = self.namespace("sw");
        run(&format!("ip -n {switch} link set {}{number}-{bridge} {state}", &bridge[..1]));
    }

    /// Takes a NIC out of a box.
    pub(super) fn pull_out(&self, number: u8, bridge: &str) {
        run(&format!("ip -n {} link del {}{number}-{bridge}", self.namespace("sw"), &bridge[..1]));
    }

    /// Puts a new one in its place.
    pub(super) fn plug_in(&self, number: u8, bridge: &str) {
        let namespace = &self.boxes[usize::from(number) - 1].namespace;
        self.plug(namespace, &format!("{}{number}", &bridge[..1]), bridge);
    }

    /// Every service address of the group.
    pub(super) fn service_addresses(&self) -> Vec<String> {
        let pool = ["10.99.0.150", "fd00:99::150"].map(String::from);
        self.boxes.iter().map(|gateway| format!("10.99.0.{}", 100 + gateway.number)).chain(pool).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for gateway in &mut self.boxes {
            gateway.kill();
            if std::thread::panicking() {
                let log = fs::read_to_string(gateway.log_path()).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(40).collect();
                eprintln!("--- box {}", gateway.number);
                tail.iter().rev().for_each(|line| eprintln!("{line}"));
            }
        }
        let others = [self.namespace("sw"), self.client()];
        for namespace in self.boxes.iter().map(|gateway| gateway.namespace.clone()).chain(others) {
            let _ = Command::new("ip").args(["netns", "delete", &namespace]).stderr(Stdio::null()).status();
        }
    }
}

impl Gateway {
    fn new(number: u8, namespace: String, parent: &Path) -> Self {
        let directory = parent.join(format!("box-{number}"));
        fs::create_dir_all(directory.join("config/secrets")).unwrap();
        let gateway = Self { number, namespace, directory, child: None };
        gateway.write_secret("http.key", &"5a".repeat(32));
        gateway.write_secret("community", "lab-community");
        gateway.write_configuration(&gateway.configuration());
        gateway
    }

    /// Puts a secret into the bundle.
    pub(super) fn write_secret(&self, name: &str, content: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.configuration_directory().join("secrets").join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A box of the lab's one group.
    pub(super) fn configuration(&self) -> String {
        let (n, lease) = (self.number, LEASE.as_millis());
        format!(
            r#"version = 1
[box]
name = "box-{n}"

[[interface]]
name = "lan"
kernel_name = "lan"
addresses = ["10.99.0.{n}/24", "fd00:99::{n}/64"]

[[interface]]
name = "control"
kernel_name = "control"
addresses = ["10.99.1.{n}/24"]

[[group]]
name = "http"
address = "239.77.0.1"
port = 7077
control_interfaces = ["lan", "control"]
service_interface = "lan"
preferred_addresses = ["10.99.0.{}"]
pool_addresses = ["10.99.0.150", "fd00:99::150"]
beat = "100ms"
dead_after = "300ms"
lease = "{lease}ms"
keys = [{{ id = 1, file = "secrets/http.key" }}]
send_key = 1

[snmp]
listen = ["0.0.0.0:161"]

[[snmp.community]]
file = "secrets/community"

[[snmp.receiver]]
address = "10.99.0.254:162"
community_file = "secrets/community"
throttle = "0ms"
"#,
            100 + n
        )
    }

    /// The bundle's directory.
    pub(super) fn configuration_directory(&self) -> PathBuf {
        self.directory.join("config")
    }

    /// Replaces the configuration's text; a running raisd does not notice before a reload.
    pub(super) fn write_configuration(&self, text: &str) {
        fs::write(self.configuration_directory().join("rais.toml"), text).unwrap();
    }

    /// The control socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.directory.join("raisd.sock")
    }

    /// The state directory.
    pub(super) fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// Where the log goes.
    pub(super) fn log_path(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// The log so far.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The command line of this box's raisd.
    pub(super) fn command(&self) -> Command {
        let mut command = self.signed_command();
        command.arg("--insecure-unsigned");
        command
    }

    /// The same without `--insecure-unsigned`.
    pub(super) fn signed_command(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, env!("CARGO_BIN_EXE_raisd")]);
        command.arg("--config").arg(self.configuration_directory());
        command.arg("--state-dir").arg(self.state()).arg("--socket").arg(self.socket());
        command
    }

    /// Where a raisd is to write its log: behind what stands there.
    pub(super) fn append_to_log(&self) -> fs::File {
        fs::OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap()
    }

    /// Starts raisd and waits until it answers.
    pub(super) fn start(&mut self) {
        let mut command = self.command();
        command.stderr(self.append_to_log());
        self.start_as(command);
    }

    /// Starts raisd by this command and waits until it answers.
    pub(super) fn start_as(&mut self, mut command: Command) {
        self.child = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
        until(&format!("raisd of box {} answers", self.number), || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            assert!(ended.is_none(), "raisd of box {} ended with {ended:?}:\n{}", self.number, self.log());
            self.ask(Request::Version)
        });
    }

    /// SIGKILL to the guardian first, and then to raisd: nobody is left to say goodbye.
    pub(super) fn kill_with_guardian(&mut self) {
        if let Some(child) = &self.child {
            for guardian in children_of(child.id()) {
                let _ = nix::sys::signal::kill(guardian, nix::sys::signal::Signal::SIGKILL);
            }
        }
        self.kill();
    }

    /// SIGKILL to raisd, as a crash would; its guardian lives on.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// raisd's process id. `ip netns exec` has become raisd by the time it answers, so the child is raisd itself.
    pub(super) fn process(&self) -> u32 {
        self.child.as_ref().expect("raisd runs").id()
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: nix::sys::signal::Signal) {
        let id = self.process();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id.try_into().unwrap()), signal).unwrap();
    }

    /// Waits for raisd's own end and returns its exit code.
    pub(super) fn wait(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("raisd runs");
        until("raisd ends", || child.try_wait().unwrap().ok_or_else(|| String::from("it runs"))).code()
    }

    /// It has not ended by itself.
    pub(super) fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Asks raisd.
    pub(super) fn ask(&self, request: Request) -> Result<Response, String> {
        client::ask(&self.socket(), request).map_err(|error| error.to_string())
    }

    /// raisd's picture and its own figures.
    pub(super) fn status(&self) -> Result<(Box<Snapshot>, Runtime), String> {
        match self.ask(Request::Status)? {
            Response::Status { snapshot, runtime } => Ok((snapshot, runtime)),
            other => Err(format!("{other:?}")),
        }
    }

    /// The lab's group as this box sees it.
    pub(super) fn group(&self) -> Result<GroupView, String> {
        let (snapshot, _) = self.status()?;
        snapshot.view.groups.into_iter().next().ok_or_else(|| String::from("no group"))
    }

    /// All events of this raisd's life.
    pub(super) fn events(&self) -> Vec<Event> {
        let all = self.all_events();
        let life = all.last().map(|event| event.incarnation);
        all.into_iter().filter(|event| Some(event.incarnation) == life).collect()
    }

    /// All events of all lives.
    pub(super) fn all_events(&self) -> Vec<Event> {
        match self.ask(Request::Events { since: Some(0), limit: 1000 }) {
            Ok(Response::Events { events, .. }) => events,
            other => panic!("{other:?}"),
        }
    }

    /// How many events of this life are about the group and what it serves.
    pub(super) fn moves(&self) -> usize {
        let of_the_box = |event: &Event| {
            use rais_core::notification::Notification as N;
            let box_alone =
                matches!(event.notification, N::ConfigApplied { .. } | N::ConfigRejected { .. } | N::ColdStart);
            box_alone || matches!(event.notification, N::WarmStart | N::AuthenticationFailure { .. })
        };
        self.events().iter().filter(|event| !of_the_box(event)).count()
    }

    /// Runs raisctl against this box.
    pub(super) fn raisctl(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_raisctl"));
        command.arg("--socket").arg(self.socket()).args(arguments.split_whitespace());
        command.env_remove("RAIS_SOCKET").output().unwrap()
    }

    /// What the kernel of this box says: is the address configured?
    pub(super) fn has(&self, address: &str) -> bool {
        let shown = run(&format!("ip -n {} -o addr show dev lan", self.namespace));
        shown.lines().any(|line| line.split_whitespace().any(|word| word.split('/').next() == Some(address)))
    }
}

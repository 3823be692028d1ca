//! A program of the lab that runs in the background: its output goes to a file, and it never outlives the lab.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with both its outputs appended to `log`, in a process group of its own: a Ctrl-C at the terminal
    /// is the lab's to handle, box by box. The kernel kills it if the calling thread ends, even by SIGKILL, so that must be
    /// one that lives as long as the lab.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(log)?;
        command.stdout(file.try_clone()?).stderr(file);
        Self::spawn(name, command, log)
    }

    /// Starts `command` with its standard output on a pipe, and the errors in `log`.
    pub fn start_piped(name: &str, mut command: Command, log: &Path) -> Result<(Self, ChildStdout)> {
        command.stdout(Stdio::piped()).stderr(File::create(log)?);
        let mut process = Self::spawn(name, command, log)?;
        let output = process.child.stdout.take().with_context(|| format!("{name} has no output"))?;
        Ok((process, output))
    }

    fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        command.stdin(Stdio::null()).process_group(0);
        // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
        unsafe { command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?)) };
        let child = command.spawn().with_context(|| format!("{name} does not start"))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// Its process id; `ip netns exec` has become the program by then.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).with_context(|| format!("can not send {signal} to {}", self.name))
    }

    /// Errs with the end of its log if it has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} has ended ({status}); it said:\n{}", self.name, tail(&self.log, 15)),
        }
    }

    /// Waits for its end for at most `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("{} did not end within {limit:?}; it said:\n{}", self.name, tail(&self.log, 15));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already ended is as good.
        let _ = self.kill();
    }
}

/// A box has its processor for itself, so the lab goes before whatever else this machine does. Everything that is started
/// from here on inherits it. Best effort: on a machine at rest it makes no difference.
pub fn go_first() {
    be_nice(-10);
}

/// What the calling thread does, and what it starts, is as important as anything. Best effort.
pub fn go_along() {
    be_nice(0);
}

/// What the calling thread does is only there to keep others busy: it goes after everything else. Best effort.
pub fn go_last() {
    be_nice(19);
}

fn be_nice(niceness: i32) {
    // SAFETY: a plain system call about the calling thread, and what it starts; failure changes nothing.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, niceness) };
}

/// The last lines of a file, indented; for error messages.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let last: Vec<String> = all.iter().skip(all.len().saturating_sub(lines)).map(|line| format!("  {line}")).collect();
    if last.is_empty() { String::from("  (nothing)") } else { last.join("\n") }
}

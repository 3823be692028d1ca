//! Runs an operator's executable: no shell, nothing inherited, and it ends in time together with all it started (G-35).
//!
//! A script is given its own process group, so that its time limit reaches its children and theirs too. It does not
//! know what an acquire or a release is: the caller names the variables.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time;

/// Lines of output that are logged per run and stream; a script that says more is cut short, not stopped.
const MAX_LINES: usize = 50;
/// Octets of one logged line; what is beyond is dropped.
const MAX_LINE: usize = 500;
/// How long output is still waited for once the script itself has ended: a child it left in the background may hold
/// the pipe open for ever.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// One run of an executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The executable, absolute.
    pub path: PathBuf,
    /// Its whole environment; nothing of the daemon's own is passed on.
    pub environment: Vec<(String, String)>,
    /// After this long its process group is killed.
    pub timeout: Duration,
}

/// Why a script did not do its work. What it had done until then stays done.
#[derive(Debug, Error)]
pub enum ScriptError {
    /// A relative path would depend on where raisd was started. It was not run: correct the configuration.
    #[error("{0}: not an absolute path")]
    Relative(PathBuf),
    /// It could not be started: missing, not executable, or the box is out of processes.
    #[error("{path}: {source}")]
    Start {
        /// The executable.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ended with another status than 0, or by a signal. Its output is in the log; the last line of it is here.
    #[error("{path}: {end}{}", last_words(.last_line))]
    Failed {
        /// The executable.
        path: PathBuf,
        /// `exit status 3`, `killed by SIGSEGV`.
        end: String,
        /// The last line it wrote, to standard error if it wrote any there.
        last_line: Option<String>,
    },
    /// It took too long; it and everything it started were killed.
    #[error("{path}: killed after {} ms{}", .timeout.as_millis(), last_words(.last_line))]
    TimedOut {
        /// The executable.
        path: PathBuf,
        /// The limit.
        timeout: Duration,
        /// The last line it wrote, to standard error if it wrote any there.
        last_line: Option<String>,
    },
}

fn last_words(line: &Option<String>) -> String {
    line.as_ref().map(|line| format!(": {line}")).unwrap_or_default()
}

/// Runs `script` to its end and returns the lines of its standard output (at most 50, each of at most 500 octets).
/// Both streams are logged, one event per line. If the future is dropped, the process group is killed.
///
/// # Errors
/// [`ScriptError`] unless it ended with status 0 in time.
pub async fn run(script: &Script) -> Result<Vec<String>, ScriptError> {
    if !script.path.is_absolute() {
        return Err(ScriptError::Relative(script.path.clone()));
    }
    let start_error = |source| ScriptError::Start { path: script.path.clone(), source };
    let mut child = Command::new(&script.path)
        .env_clear()
        .envs(script.environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(start_error)?;
    let mut group = ProcessGroup::of(&child);
    let mut stdout = Output::new(child.stdout.take(), &script.path, "stdout");
    let mut stderr = Output::new(child.stderr.take(), &script.path, "stderr");
    let ended = time::timeout(script.timeout, async {
        let status = {
            let drained = async { tokio::join!(stdout.drain(), stderr.drain()) };
            tokio::pin!(drained);
            tokio::select! {
                status = child.wait() => status,
                _ = &mut drained => child.wait().await,
            }
        };
        // It has ended: only now may its process id be reused, so the group is let go before anything else.
        group.forget();
        let _ = time::timeout(LAST_WORDS, async { tokio::join!(stdout.drain(), stderr.drain()) }).await;
        status
    })
    .await;
    let last_line = |stdout: &Output<_>, stderr: &Output<_>| stderr.last().or_else(|| stdout.last());
    match ended {
        Ok(Ok(status)) if status.success() => Ok(stdout.lines),
        Ok(Ok(status)) => Err(ScriptError::Failed {
            path: script.path.clone(),
            end: describe(status),
            last_line: last_line(&stdout, &stderr),
        }),
        Ok(Err(source)) => Err(start_error(source)),
        Err(_) => {
            drop(group);
            // Reaps it; after SIGKILL this takes no time worth bounding, unless it hangs in the kernel.
            let _ = time::timeout(Duration::from_secs(1), child.wait()).await;
            let last_line = last_line(&stdout, &stderr);
            Err(ScriptError::TimedOut { path: script.path.clone(), timeout: script.timeout, last_line })
        }
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(number)) => Signal::try_from(number)
            .map_or(format!("killed by signal {number}"), |signal| format!("killed by {signal}")),
        (None, None) => status.to_string(),
    }
}

/// A process group that is killed when it is dropped, unless its leader was seen to end.
#[derive(Debug)]
struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    fn forget(&mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(leader) = self.0.take() {
            // ESRCH: it ended by itself just now.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

/// One output stream, cut into lines, each logged once.
#[derive(Debug)]
struct Output<R> {
    source: Option<R>,
    name: &'static str,
    script: String,
    lines: Vec<String>,
    partial: Vec<u8>,
    dropped: usize,
}

impl<R: AsyncRead + Unpin> Output<R> {
    fn new(source: Option<R>, script: &Path, name: &'static str) -> Self {
        let script = script.display().to_string();
        Self { source, name, script, lines: Vec::new(), partial: Vec::new(), dropped: 0 }
    }

    /// Reads to the end. Safe to cancel and to call again: nothing read is lost.
    async fn drain(&mut self) {
        let mut buffer = [0; 4096];
        while let Some(source) = &mut self.source {
            match source.read(&mut buffer).await {
                Ok(0) | Err(_) => self.close(),
                Ok(length) => self.take(buffer.get(..length).unwrap_or_default()),
            }
        }
    }

    fn take(&mut self, octets: &[u8]) {
        for &octet in octets {
            if octet == b'\n' {
                self.end_line();
            } else if self.partial.len() < MAX_LINE {
                self.partial.push(octet);
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.partial).trim_end().to_owned();
        self.partial.clear();
        if self.lines.len() < MAX_LINES {
            tracing::info!(script = self.script, stream = self.name, line);
            self.lines.push(line);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn close(&mut self) {
        self.source = None;
        if !self.partial.is_empty() {
            self.end_line();
        }
        if self.dropped > 0 {
            tracing::warn!(
                script = self.script,
                stream = self.name,
                dropped = self.dropped,
                "more lines than are logged"
            );
        }
    }

    fn last(&self) -> Option<String> {
        let partial = String::from_utf8_lossy(&self.partial).trim().to_owned();
        if !partial.is_empty() {
            return Some(partial);
        }
        self.lines.iter().rev().find(|line| !line.is_empty()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::kill;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    struct Written {
        directory: tempfile::TempDir,
        script: Script,
    }

    fn written(text: &str, timeout: Duration) -> Written {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("script");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Written { directory, script: Script { path, environment: vec![], timeout } }
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_script_sees_its_own_variables_and_nothing_else() {
        let mut written = written("/usr/bin/env; pwd; cat", LONG);
        written.script.environment = vec![("RAIS_ADDRESS".into(), "10.9.0.101; rm -rf $HOME".into())];
        let mut lines = run(&written.script).await.unwrap();
        // What the shell sets by itself.
        lines.retain(|line| !line.starts_with("PWD=") && !line.starts_with("SHLVL=") && !line.starts_with("_="));
        assert_eq!(lines, ["RAIS_ADDRESS=10.9.0.101; rm -rf $HOME", "/"]);
    }

    #[tokio::test]
    async fn how_it_ended_is_said_in_words_with_its_last_line() {
        let rows = [
            ("echo fine; echo 'no licence' >&2; exit 3", "exit status 3: no licence"),
            ("echo 'on stdout'; exit 1", "exit status 1: on stdout"),
            ("printf 'no line end'; exit 1", "exit status 1: no line end"),
            ("exit 2", "exit status 2"),
            ("kill -SEGV $$", "killed by SIGSEGV"),
        ];
        for (text, end) in rows {
            let written = written(text, LONG);
            let error = run(&written.script).await.unwrap_err().to_string();
            assert_eq!(error, format!("{}: {end}", written.script.path.display()));
        }
    }

    #[tokio::test]
    async fn what_can_not_be_run_is_named() {
        let script = |path: &str| Script { path: path.into(), environment: vec![], timeout: LONG };
        assert!(matches!(run(&script("bin/true")).await, Err(ScriptError::Relative(_))));
        let error = run(&script("/nonexistent/acquire")).await.unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/acquire: No such file"), "{error}");
        assert!(matches!(run(&script("/etc/passwd")).await, Err(ScriptError::Start { .. })));
    }

    #[tokio::test]
    async fn the_time_limit_kills_its_grandchildren_too() {
        let written = written("(sleep 1000 & echo $! > pids; exec sleep 1000) & echo going; wait", LONG);
        let pids = written.directory.path().join("pids");
        let mut script = written.script.clone();
        let text = fs::read_to_string(&script.path).unwrap().replace("> pids", &format!("> {}", pids.display()));
        fs::write(&script.path, text).unwrap();
        script.timeout = Duration::from_millis(300);
        let error = run(&script).await.unwrap_err();
        assert!(error.to_string().ends_with("killed after 300 ms: going"), "{error}");
        let grandchild = Pid::from_raw(fs::read_to_string(pids).unwrap().trim().parse().unwrap());
        let deadline = Instant::now() + LONG;
        // A zombie, until whoever inherited it reaps it, is dead too.
        while kill(grandchild, None).is_ok() && !is_zombie(grandchild) {
            assert!(Instant::now() < deadline, "the grandchild survived");
            tokio::task::yield_now().await;
        }
    }

    fn is_zombie(process: Pid) -> bool {
        fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    }

    #[tokio::test]
    async fn a_run_that_is_given_up_leaves_no_process() {
        let written = written("echo $$ > pid; exec sleep 1000", LONG);
        let pid = written.directory.path().join("pid");
        let text = fs::read_to_string(&written.script.path).unwrap().replace("> pid", &format!("> {}", pid.display()));
        fs::write(&written.script.path, text).unwrap();
        let running = tokio::spawn({
            let script = written.script.clone();
            async move { run(&script).await }
        });
        let process = loop {
            if let Some(process) = fs::read_to_string(&pid).ok().and_then(|text| text.trim().parse().ok()) {
                break Pid::from_raw(process);
            }
            tokio::task::yield_now().await;
        };
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        let deadline = Instant::now() + LONG;
        while kill(process, None).is_ok() && !is_zombie(process) {
            assert!(Instant::now() < deadline, "it survived");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_child_left_in_the_background_holds_nothing_up_and_is_left_alone() {
        let written = written("sleep 1000 & echo $!", LONG);
        let start = Instant::now();
        let lines = run(&written.script).await.unwrap();
        assert!(start.elapsed() < LONG / 2, "waited for the background child");
        let background = Pid::from_raw(lines[0].parse().unwrap());
        assert!(kill(background, None).is_ok(), "a service that a script starts must live on");
        kill(background, Signal::SIGKILL).unwrap();
    }

    #[tokio::test]
    async fn a_flood_of_output_is_cut_and_stops_nobody() {
        let flood =
            "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; head -c 2000000 /dev/zero | tr '\\0' x";
        let lines = run(&written(flood, LONG).script).await.unwrap();
        assert_eq!(lines.len(), MAX_LINES);
        assert!(lines.iter().all(|line| line.len() <= MAX_LINE));
    }
}

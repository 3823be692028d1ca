//! Where agents and their client run while processor time is taken: on one processor.
//!
//! On a box the processor that hears a question from the network is the one that answers it. Here the client is a process
//! beside the agent; on another processor it would have to be woken over there for every answer, which costs a virtual
//! machine several times what the agent does. The scheduler has them on one or on two as it happens, for a whole figure
//! or for a part of it, and not the same for both agents.

use super::agents::Agent;
use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::path::Path;

/// Agents and the thread that made it are on one processor as long as it is there, with all that they start.
pub struct OnOneProcessor {
    anywhere: CpuSet,
    agents: Vec<u32>,
}

impl OnOneProcessor {
    /// Moves them there: to the last one that this thread may use.
    pub fn with(agents: &[&Agent]) -> Result<Self> {
        let anywhere = sched_getaffinity(ME).context("no processors")?;
        let last = (0..CpuSet::count()).rev().find(|number| anywhere.is_set(*number).unwrap_or(false));
        let mut one = CpuSet::new();
        one.set(last.context("no processor")?)?;
        let moved = Self { anywhere, agents: agents.iter().map(|agent| agent.id()).collect() };
        moved.put(&one)?;
        Ok(moved)
    }

    fn put(&self, processors: &CpuSet) -> Result<()> {
        sched_setaffinity(ME, processors)?;
        for agent in &self.agents {
            for thread in Path::new("/proc").join(agent.to_string()).join("task").read_dir()? {
                let name = thread?.file_name();
                let id = name.to_str().and_then(|name| name.parse().ok()).context("no thread")?;
                match sched_setaffinity(Pid::from_raw(id), processors) {
                    // It has ended meanwhile.
                    Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
                    Err(error) => return Err(error).context("a thread can not be moved"),
                }
            }
        }
        Ok(())
    }
}

impl Drop for OnOneProcessor {
    fn drop(&mut self) {
        if let Err(error) = self.put(&self.anywhere) {
            eprintln!("warning: agents stay on one processor: {error:#}");
        }
    }
}

/// The calling thread, to the scheduler.
const ME: Pid = Pid::from_raw(0);

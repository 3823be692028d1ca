//! The CPU load object: busy time of all processors between two samples of `/proc/stat` (N-2).
//!
//! The unit is the milli-processor: a box of four processors has a capacity of 4000, and a load of 1500 is one and a
//! half of them busy. Groups mix boxes of different size, so a share alone would not do.

use std::fs;
use std::io;
use thiserror::Error;

/// Why there is no figure. The last one stays valid.
#[derive(Debug, Error)]
pub enum LoadError {
    /// `/proc` is not mounted, or the process may not read it.
    #[error("/proc/stat: {0}")]
    Unreadable(#[from] io::Error),
    /// The kernel writes something this version does not understand.
    #[error("/proc/stat: no line of processor times")]
    Unintelligible,
}

/// Processor time since boot, in the kernel's ticks, over all processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTimes {
    busy: u64,
    total: u64,
    processors: u32,
}

impl CpuTimes {
    /// Reads them now.
    ///
    /// # Errors
    /// [`LoadError`] if `/proc/stat` can not be read or understood.
    pub fn read() -> Result<Self, LoadError> {
        Self::parse(&fs::read_to_string("/proc/stat")?).ok_or(LoadError::Unintelligible)
    }

    fn parse(stat: &str) -> Option<Self> {
        let mut lines = stat.lines();
        let mut fields = lines.next()?.strip_prefix("cpu ")?.split_ascii_whitespace().map(|field| field.parse::<u64>());
        let (mut busy, mut idle) = (0_u64, 0_u64);
        // user nice system idle iowait irq softirq steal; what follows (guest) is already in user and nice.
        for position in 0..8 {
            match (position, fields.next()) {
                (3 | 4, Some(Ok(ticks))) => idle = idle.saturating_add(ticks),
                (_, Some(Ok(ticks))) => busy = busy.saturating_add(ticks),
                (0..=3, None) | (_, Some(Err(_))) => return None,
                (_, None) => {}
            }
        }
        let processors = lines.take_while(|line| line.starts_with("cpu")).count();
        let processors = u32::try_from(processors).ok().filter(|count| *count > 0)?;
        Some(Self { busy, total: busy.saturating_add(idle), processors })
    }

    /// Load and capacity in milli-processors over the time since `earlier`; `None` if no tick passed in between.
    #[must_use]
    pub fn load_since(&self, earlier: &Self) -> Option<(u32, u32)> {
        let capacity = self.processors.saturating_mul(1000);
        let total = self.total.saturating_sub(earlier.total);
        // iowait may run backwards, so busy can seem to have grown by more than everything did.
        let busy = self.busy.saturating_sub(earlier.busy).min(total);
        let load = (u128::from(busy) * u128::from(capacity)).checked_div(u128::from(total))?;
        Some((u32::try_from(load).unwrap_or(capacity), capacity))
    }
}

/// A CPU load object: remembers its last sample.
#[derive(Debug)]
pub struct CpuLoad {
    last: CpuTimes,
    figures: (u32, u32),
}

impl CpuLoad {
    /// Takes the first sample. Until the next one the load is 0.
    ///
    /// # Errors
    /// [`LoadError`] if `/proc/stat` can not be read or understood.
    pub fn start() -> Result<Self, LoadError> {
        let last = CpuTimes::read()?;
        Ok(Self { last, figures: (0, last.processors.saturating_mul(1000)) })
    }

    /// Load and capacity in milli-processors since the sample before; asked again within one tick (10 ms), the same
    /// figures again.
    ///
    /// # Errors
    /// [`LoadError`]; the next sample then covers the time since the last good one.
    pub fn sample(&mut self) -> Result<(u32, u32), LoadError> {
        let now = CpuTimes::read()?;
        if let Some(figures) = now.load_since(&self.last) {
            self.last = now;
            self.figures = figures;
        }
        Ok(self.figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLIER: &str =
        "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 50 0 25 400 25 0 0 0 0 0\ncpu1 50 0 25 400 25 0 0 0 0 0\nintr 1\n";

    #[test]
    fn load_is_the_busy_share_of_all_processors_in_milli_processors() {
        let earlier = CpuTimes::parse(EARLIER).unwrap();
        let rows = [
            // now, load
            ("cpu  200 0 50 900 50 0 0 0 0 0\ncpu0 0\ncpu1 0\n", Some((1000, 2000))),
            ("cpu  100 0 50 1000 50 0 0 0 0 0\ncpu0 0\ncpu1 0\n", Some((0, 2000))),
            ("cpu  100 0 150 800 150 0 0 0 0 0\ncpu0 0\ncpu1 0\n", Some((1000, 2000))),
            ("cpu  100 0 50 800 50 30 20 50 0 0\ncpu0 0\ncpu1 0\n", Some((2000, 2000))),
            // guest time is part of user time and must not count twice
            ("cpu  200 0 50 800 50 0 0 0 100 0\ncpu0 0\ncpu1 0\n", Some((2000, 2000))),
            // iowait ran backwards
            ("cpu  200 0 50 800 20 0 0 0 0 0\ncpu0 0\ncpu1 0\n", Some((2000, 2000))),
            (EARLIER, None),
        ];
        for (text, expected) in rows {
            assert_eq!(CpuTimes::parse(text).unwrap().load_since(&earlier), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_processor_line_is_refused() {
        for text in ["", "intr 1\n", "cpu  1 2\ncpu0 1\n", "cpu  1 2 x 4\ncpu0 1\n", "cpu  1 2 3 4\n"] {
            assert_eq!(CpuTimes::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_running_kernel_is_understood() {
        let mut load = CpuLoad::start().unwrap();
        let (load, capacity) = load.sample().unwrap();
        assert!(capacity >= 1000 && load <= capacity, "{load}/{capacity}");
    }
}

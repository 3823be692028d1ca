//! One load object (N-2): when it is sampled, and the last figures.

use crate::address::LoadName;
use crate::params::LoadParams;
use crate::time::Instant;
use crate::view::LoadView;
use alloc::string::String;

/// Load and capacity of a box whose load nobody measures: empty, and as good as any other.
pub(crate) const UNMEASURED: (u32, u32) = (0, 1000);

/// A load object's state.
#[derive(Clone, Debug)]
pub(crate) struct LoadObject {
    params: LoadParams,
    figures: (u32, u32),
    next_sample: Instant,
    sampled: Option<Instant>,
    last_error: Option<String>,
}

impl LoadObject {
    /// A load object that is sampled at once.
    pub(crate) fn new(params: LoadParams, now: Instant) -> Self {
        Self { params, figures: UNMEASURED, next_sample: now, sampled: None, last_error: None }
    }

    /// Takes a new schedule; the figures stay.
    pub(crate) fn configure(&mut self, params: LoadParams, now: Instant) {
        self.next_sample = self.next_sample.min(now + params.interval);
        self.params = params;
    }

    /// Load and capacity at the last good sample.
    pub(crate) fn figures(&self) -> (u32, u32) {
        self.figures
    }

    /// When the next sample is due.
    pub(crate) fn timeout(&self) -> Instant {
        self.next_sample
    }

    /// Is a sample due? A sample that never answers only leaves the old figures standing.
    pub(crate) fn tick(&mut self, now: Instant) -> bool {
        let due = now >= self.next_sample;
        if due {
            self.next_sample = now + self.params.interval;
        }
        due
    }

    /// Takes in a sample; a failed one keeps the last figures.
    pub(crate) fn take(&mut self, result: Result<(u32, u32), String>, now: Instant) {
        match result {
            Ok(figures) => (self.figures, self.sampled, self.last_error) = (figures, Some(now), None),
            Err(error) => self.last_error = Some(error),
        }
    }

    /// Its row in the view.
    pub(crate) fn view(&self, name: &LoadName) -> LoadView {
        LoadView {
            name: name.clone(),
            load: self.figures.0,
            capacity: self.figures.1,
            sampled: self.sampled,
            last_error: self.last_error.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    #[test]
    fn a_failed_sample_keeps_the_last_figures_and_says_why() {
        let interval = Duration::from_secs(1);
        let mut load = LoadObject::new(LoadParams { interval }, Instant::ZERO);
        assert!(load.tick(Instant::ZERO));
        assert!(!load.tick(Instant::ZERO));
        load.take(Ok((7, 10)), Instant::ZERO);
        load.take(Err(String::from("no /proc")), Instant::ZERO + interval);
        assert_eq!(load.figures(), (7, 10));
        let view = load.view(&LoadName::new("cpu").unwrap());
        assert_eq!((view.sampled, view.last_error.as_deref()), (Some(Instant::ZERO), Some("no /proc")));
    }
}

//! What a box measures about itself: test objects say whether a service works here, load objects how full it is.
//!
//! The edge probes and samples; here is only the schedule and what the results mean. Neither ever delays a beat (G-10).

pub(crate) mod load_object;
pub(crate) mod test_object;

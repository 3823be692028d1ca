//! The seeds as tests: each claim and each numbered step that the product implements, named after it.
//!
//! A is WO 98/26553, "Load balancing and failover of network services"; B is EP 0 817 020, "A name service for a
//! redundant array of internet servers". A step that another step's test can not do without is named with it. Where the
//! product goes beyond a seed, the test keeps to the seed and says so. `src/core` has the finer unit tests; these are
//! here so that whoever holds a seed in hand finds the step in the product, and sees it fail when it is broken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod a_claims;
mod a_figure_2_messages;
mod a_figure_3_transmit;
mod a_figure_4_receive;
mod a_figure_5_scripts;
mod a_figure_6_control;
mod a_names_thread;
mod b_claims;
mod b_figure_3_service_monitor;
mod b_figures_5_6_name_binding;
mod bench;
mod cluster;

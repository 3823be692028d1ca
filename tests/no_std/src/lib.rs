//! Links `rais-core` into a program that has no std: with its own panic handler and allocator it can only link if
//! nothing pulls std in, because std brings a panic handler of its own and two do not link.
//!
//! Built for the ordinary target, because the point is what the core needs, not where it runs.
#![no_std]

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};
use rais_core::io::Input;
use rais_core::node::Node;
use rais_core::params::BoxParams;
use rais_core::quantity::{Generation, Incarnation};
use rais_core::time::Instant;

/// Hands out memory from one block and takes none back: enough to show what the core needs.
struct Bump {
    block: UnsafeCell<[u8; 1 << 20]>,
    used: AtomicUsize,
}

// SAFETY: the block is only handed out in pieces that do not overlap, `used` saying which are gone.
unsafe impl Sync for Bump {}

// SAFETY: every piece lies within the block, is aligned as asked for, and is handed out once.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.block.get().cast::<u8>();
        let room = layout.size() + layout.align();
        let start = self.used.fetch_add(room, Ordering::Relaxed);
        if start + room > 1 << 20 {
            return core::ptr::null_mut();
        }
        // SAFETY: `start + room` lies within the block, and aligning moves by less than `align`.
        unsafe {
            let piece = base.add(start);
            piece.add(piece.align_offset(layout.align()))
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump { block: UnsafeCell::new([0; 1 << 20]), used: AtomicUsize::new(0) };

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Runs a box without groups for one step and returns how many actions came of it; 0 is right.
#[unsafe(no_mangle)]
pub extern "C" fn rais_core_step() -> usize {
    let Ok(name) = rais_core::address::HostName::new("alone") else { return usize::MAX };
    let mut node = Node::new(
        BoxParams {
            name,
            incarnation: Incarnation(1),
            incarnation_is_guessed: false,
            generation: Generation(1),
            groups: alloc::collections::BTreeMap::new(),
            tests: alloc::collections::BTreeMap::new(),
            loads: alloc::collections::BTreeMap::new(),
            orders: rais_core::operator::StandingOrders::default(),
        },
        Instant::ZERO,
    );
    node.handle(Instant::from_micros(1), Input::Tick);
    core::iter::from_fn(|| node.poll_action()).count()
}

//! What a datagram costs in memory: nothing before its signature is found good (G-2), and then a small multiple of its
//! size (G-6). The whole test binary runs on a counting allocator; each thread counts for itself.

use crate::messages::{message, one_of_each};
use crate::{codec, signed, unsigned};
use proptest::prelude::*;
use proptest::sample::Index;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

fn count(octets: usize) {
    // A thread that is being torn down has no counter any more.
    let _ = ALLOCATED.try_with(|allocated| allocated.set(allocated.get() + octets));
}

// SAFETY: every call is passed on to the system's allocator as it came; counting touches only a thread-local cell that
// needs no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise about `layout` is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: `pointer` came from `System` with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Octets allocated in all while `work` runs, whether freed again or not.
fn allocated_by<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATED.get();
    let result = work();
    (result, ALLOCATED.get() - before)
}

/// The constant of the format's documentation.
const MOST_PER_OCTET: usize = 16;

#[test]
fn the_counter_counts() {
    assert!(allocated_by(|| vec![0u8; 1000]).1 >= 1000);
}

#[test]
fn nothing_is_allocated_for_a_datagram_that_is_not_authentic() {
    let codec = codec();
    for (name, message) in one_of_each() {
        let good = codec.encode(&message).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let (result, allocated) = allocated_by(|| codec.decode(&bad, 255));
            assert!(result.is_err());
            assert_eq!(allocated, 0, "{name}: bit {bit}");
        }
        assert_eq!(allocated_by(|| codec.decode(&good, 64)).1, 0);
    }
}

#[test]
fn encoding_into_a_used_buffer_allocates_nothing() {
    let codec = codec();
    let mut buffer = Vec::with_capacity(rais::wire::MAX_DATAGRAM);
    for (name, message) in one_of_each() {
        assert_eq!(allocated_by(|| codec.encode_into(&message, &mut buffer)), (Ok(()), 0), "{name}");
    }
}

#[test]
fn the_costliest_datagram_stays_within_the_bound() {
    // As many of the smallest rows as fit: the worst ratio of memory to octets.
    let (_, info) = one_of_each().swap_remove(1);
    let mut octets = unsigned(&codec().encode(&info).unwrap());
    let rows = (1400 - 32 - octets.len() - 8) / 6;
    let length = u16::try_from(5 + rows * 6).unwrap().to_be_bytes();
    octets.extend_from_slice(&[2, length[0], length[1], 0, 0, 0, 1, 0]);
    octets.extend((0..rows).flat_map(|_| [1, 4, 10, 0, 0, 1]));
    let datagram = signed(octets, 1);
    let codec = codec();
    let (result, allocated) = allocated_by(|| codec.decode(&datagram, 255));
    assert!(result.is_ok());
    assert!(allocated <= MOST_PER_OCTET * datagram.len(), "{allocated} octets for {}", datagram.len());
}

proptest! {
    #[test]
    fn an_authentic_datagram_costs_a_small_multiple_of_its_size(
        message in message(),
        changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 0..8),
    ) {
        let codec = codec();
        let mut body = unsigned(&codec.encode(&message).unwrap());
        for (at, to) in changes {
            *at.get_mut(&mut body) = to;
        }
        let datagram = signed(body, 1);
        let (_, allocated) = allocated_by(|| codec.decode(&datagram, 255));
        prop_assert!(allocated <= MOST_PER_OCTET * datagram.len(), "{allocated} octets for {}", datagram.len());
    }
}

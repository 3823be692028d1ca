//! Who leads: the lowest id address among the live boxes that have listened for a dead interval (G-40).
//!
//! Health does not matter: a box whose test fails still knows who serves what.

use crate::address::IdAddress;

/// The leader among `boxes`, each given as its id and whether it is settled; `None`: nobody is settled.
pub(crate) fn elect(boxes: impl Iterator<Item = (IdAddress, bool)>) -> Option<IdAddress> {
    boxes.filter(|(_, settled)| *settled).map(|(id, _)| id).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::id;

    #[test]
    fn the_lowest_settled_box_leads() {
        for (boxes, leader) in [
            (&[][..], None),
            (&[(1, false)], None),
            (&[(1, false), (2, false)], None),
            (&[(1, false), (2, true)], Some(2)),
            (&[(2, true), (1, true)], Some(1)),
            (&[(3, true), (2, true), (1, false)], Some(2)),
        ] {
            let got = elect(boxes.iter().map(|(n, settled)| (id(*n), *settled)));
            assert_eq!(got, leader.map(id), "{boxes:?}");
        }
    }
}

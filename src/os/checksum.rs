//! The Internet's checksum (RFC 1071).

/// The checksum over an even number of octets, with zeros where it is to stand.
pub(super) fn internet_checksum(octets: &[u8]) -> [u8; 2] {
    let (pairs, _) = octets.as_chunks::<2>();
    let sum: u32 = pairs.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let [_, _, high, low] = folded.to_be_bytes();
    [!high, !low]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        assert_eq!(internet_checksum(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]), [0x22, 0x0d]);
    }
}

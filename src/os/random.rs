//! Randomness from the kernel. The core takes none of it: it is for keys' neighbours, such as engine ids and salts.

/// As many random octets as asked for. The kernel gives them once it has gathered enough after a boot, which this waits
/// for.
///
/// # Errors
/// In words, if there is no such kernel; none has been met since Linux 3.17.
pub fn octets<const N: usize>() -> Result<[u8; N], String> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|error| format!("no randomness: {error}"))?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(octets::<16>().unwrap(), octets::<16>().unwrap());
    }
}

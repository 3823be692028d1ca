//! Matching a modalias against a module's alias pattern: `*`, `?` and `[a-f]`, as in `fnmatch(3)` without flags.

/// Does the whole text match the pattern?
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.as_bytes(), text.as_bytes());
    // Where to go on when a try fails: after the last star, with the text it had not eaten yet.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        let advanced = match (pattern, text) {
            ([], []) => return true,
            ([b'*', rest @ ..], _) => {
                retry = Some((rest, text));
                Some((rest, text))
            }
            ([b'[', rest @ ..], [byte, left @ ..]) => {
                class(rest, *byte).and_then(|(inside, rest)| inside.then_some((rest, left)))
            }
            ([b'?', rest @ ..], [_, left @ ..]) => Some((rest, left)),
            ([expected, rest @ ..], [byte, left @ ..]) if expected == byte => Some((rest, left)),
            _ => None,
        };
        (pattern, text) = match (advanced, retry) {
            (Some(next), _) => next,
            (None, Some((rest, [_, left @ ..]))) => {
                retry = Some((rest, left));
                (rest, left)
            }
            (None, _) => return false,
        };
    }
}

/// Is the byte in the class that starts here? And what follows the class. `None`: the class has no end.
fn class(mut rest: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let mut inside = false;
    loop {
        rest = match rest {
            [b']', after @ ..] => return Some((inside, after)),
            [low, b'-', high, after @ ..] if *high != b']' => {
                inside |= (*low..=*high).contains(&byte);
                after
            }
            [one, after @ ..] => {
                inside |= *one == byte;
                after
            }
            [] => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_shell_would_match_them() {
        let table = [
            ("virtio:d00000001v*", "virtio:d00000001v00001AF4", true),
            ("virtio:d00000001v*", "virtio:d00000002v00001AF4", false),
            ("pci:v*d*sv*sd*bc01sc06i01*", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", true),
            ("pci:v*d*sv*sd*bc01sc06i01*", "pci:v00008086d00002922sv00001AF4sd00001100bc02sc06i01", false),
            ("scsi:t-0x00*", "scsi:t-0x00", true),
            ("usb:v0BDAp815[2-5]d*", "usb:v0BDAp8153d3000", true),
            ("usb:v0BDAp815[2-5]d*", "usb:v0BDAp8156d3000", false),
            ("a[bc-]d", "a-d", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("", "x", false),
            ("a*b*c", "axxbyybzzc", true),
            ("a*b*c", "axxbyybzz", false),
            ("a[b", "ab", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}

//! raisd's output, line by line, to the console. It deliberately does not read what the lines say.

use crate::console;
use std::io::{BufRead, BufReader, PipeReader, Read};

/// Octets of a line; a longer one is cut into several.
const LINE: u64 = 4096;

/// Passes on everything that comes out of the pipe, until all who could write are gone.
pub(crate) fn pump(pipe: PipeReader) {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while let Ok(1..) = pipe.by_ref().take(LINE).read_until(b'\n', &mut line) {
            console::relay(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
    });
}

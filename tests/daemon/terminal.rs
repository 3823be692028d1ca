//! A pseudo-terminal in raw mode: a character device with two ends, as a virtio-serial port is one.

use rais::ctl::protocol::{Line, Lines, MAX_RESPONSE, Request, Response, decode_response, encode_request};
use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;

pub(super) struct Terminal {
    near: File,
    /// Keeps the device alive while nobody has it open.
    _far: OwnedFd,
    /// The device.
    pub(super) path: PathBuf,
}

impl Terminal {
    pub(super) fn open() -> Self {
        let (mut near, mut far, mut name) = (0, 0, [0; 64]);
        // SAFETY: all zeros is a valid `termios`, and `cfmakeraw` writes only to it.
        let raw = unsafe {
            let mut raw: libc::termios = std::mem::zeroed();
            libc::cfmakeraw(&raw mut raw);
            raw.c_cflag |= libc::CREAD;
            raw
        };
        let (near, far, path) = unsafe {
            // SAFETY: the pointers are live, and the name of a pseudo-terminal is shorter than 64 octets.
            let result =
                libc::openpty(&raw mut near, &raw mut far, name.as_mut_ptr(), &raw const raw, std::ptr::null());
            assert_eq!(result, 0, "no pseudo-terminal");
            // SAFETY: both were just opened and are nobody else's; the name ends with a zero.
            (File::from_raw_fd(near), OwnedFd::from_raw_fd(far), CStr::from_ptr(name.as_ptr()))
        };
        Self { near, _far: far, path: PathBuf::from(path.to_str().unwrap()) }
    }

    pub(super) fn write(&self, octets: &[u8]) {
        (&self.near).write_all(octets).unwrap();
    }

    /// Asks and waits for the answer.
    pub(super) fn ask(&self, id: u64, request: Request) -> Response {
        self.write(&encode_request(id, request));
        let mut lines = Lines::new(MAX_RESPONSE);
        let mut buffer = [0; 4096];
        loop {
            let length = (&self.near).read(&mut buffer).unwrap();
            for line in lines.feed(&buffer[..length]) {
                let Line::Complete(line) = line else { panic!("overlong") };
                if let Some(response) = decode_response(&line, id).unwrap() {
                    return response;
                }
            }
        }
    }
}

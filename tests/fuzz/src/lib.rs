//! What strangers can send, and what must be true whatever it is: a target is a module with `take`, which panics where
//! something is not.
//!
//! A fuzzer (`fuzz_targets`, a line each) looks for such octets, guided by the code it reaches. It begins with `seeds`,
//! which tests write, and what it found that is worth keeping is in `corpus`, as few files as reach the same code. Both
//! are taken here in every run of the tests, by any compiler, so that a target does not rot.
//!
//! ```text
//! cargo +nightly fuzz run v3 --fuzz-dir tests/fuzz --features link tests/fuzz/corpus/v3 tests/fuzz/seeds/v3
//! cargo +nightly fuzz cmin v3 --fuzz-dir tests/fuzz --features link      # afterwards: what is worth keeping
//! ```

mod agent;
pub mod answers;
pub mod scanner;
pub mod v3;
pub mod wire;

#[path = "../../snmp/sample.rs"]
#[allow(dead_code, unreachable_pub)]
mod sample;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    type Target = (&'static str, fn(&[u8]));
    const TARGETS: [Target; 4] = [
        ("answers", crate::answers::take),
        ("scanner", crate::scanner::take),
        ("v3", crate::v3::take),
        ("wire", crate::wire::take),
    ];

    fn files(directory: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(directory).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
    }

    #[test]
    fn every_target_takes_its_seeds_and_its_corpus() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (name, take) in TARGETS {
            let files: Vec<_> =
                ["seeds", "corpus"].iter().flat_map(|kind| files(&root.join(kind).join(name))).collect();
            assert!(files.len() >= 20, "{name}: {} files", files.len());
            for file in files {
                let octets = std::fs::read(&file).unwrap();
                // A panic without the file would help nobody.
                let outcome = std::panic::catch_unwind(|| take(&octets));
                assert!(outcome.is_ok(), "{}", file.display());
            }
        }
    }

    #[test]
    fn every_target_has_a_fuzzer() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut fuzzers = files(&root.join("fuzz_targets"));
        fuzzers.sort();
        let names: Vec<_> = fuzzers.iter().map(|file| file.file_stem().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, TARGETS.map(|(name, _)| name));
    }
}

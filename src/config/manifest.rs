//! `manifest.toml`: what a bundle holds, for which box, and which generation it is.

/// A file of a bundle that is not what the manifest says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// The content was changed after signing.
    #[error("{0} was changed after signing")]
    Changed(String),
    /// The manifest lists it, the bundle lacks it.
    #[error("{0} is missing")]
    Missing(String),
    /// The bundle has it, the manifest does not list it.
    #[error("{0} is not in the manifest")]
    Extra(String),
}

//! Who may sign: a keyring in OpenSSH's `allowed_signers` format, read more strictly than OpenSSH does.

/// Who may sign what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring {}

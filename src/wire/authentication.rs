//! How far a group has come with message authentication (G-70).
//!
//! A running group without keys is secured with no outage in three rounds over its boxes: `receive-any` with the key,
//! then `sign`, then `require`. In each round the boxes that have taken the step and those that have not understand each
//! other. Only `require` protects: before it, anybody on the link can speak for any box.

/// What a box sends, and what it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authentication {
    /// Sends unsigned; takes what nobody signed, and what was signed well.
    ReceiveAny,
    /// Sends signed; takes what nobody signed, and what was signed well.
    Sign,
    /// Sends signed; takes nothing else.
    #[default]
    Require,
}

impl Authentication {
    /// Every step with its word in the configuration, in their order.
    pub const ALL: [(&'static str, Self); 3] =
        [("receive-any", Self::ReceiveAny), ("sign", Self::Sign), ("require", Self::Require)];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReceiveAny => "receive-any",
            Self::Sign => "sign",
            Self::Require => "require",
        }
    }

    /// Its messages carry a signature.
    #[must_use]
    pub const fn signs(self) -> bool {
        match self {
            Self::ReceiveAny => false,
            Self::Sign | Self::Require => true,
        }
    }

    /// It takes messages that nobody signed.
    #[must_use]
    pub const fn takes_unsigned(self) -> bool {
        match self {
            Self::ReceiveAny | Self::Sign => true,
            Self::Require => false,
        }
    }
}

//! By what a service address is known in the kernel, to raisd and to the image's init, which compiles this file too and
//! knows nothing else of raisd.

/// `IFA_PROTO` of a service address: `R`.
pub(super) const SERVICE_MARK: u8 = 0x52;

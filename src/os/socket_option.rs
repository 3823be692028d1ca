//! Socket options that nix has no name for, by its own means.

use nix::{setsockopt_impl, sockopt_impl};

sockopt_impl!(
    /// `IP_MULTICAST_IF` with both an interface and an address: the index says where a datagram leaves, the address what
    /// it comes from.
    MulticastSource,
    SetOnly,
    libc::IPPROTO_IP,
    libc::IP_MULTICAST_IF,
    libc::ip_mreqn
);

sockopt_impl!(
    /// `ICMPV6_FILTER`, `linux/icmpv6.h`: a set bit blocks its type, the lowest of the first word type 0.
    BlockedIcmpv6Types,
    SetOnly,
    libc::IPPROTO_ICMPV6,
    ICMPV6_FILTER,
    [u32; 8]
);

/// Its number, which libc does not have.
const ICMPV6_FILTER: libc::c_int = 1;

sockopt_impl!(
    /// `NETLINK_EXT_ACK`: the kernel says in words why it refuses a request.
    NetlinkExplanations,
    SetOnly,
    libc::SOL_NETLINK,
    libc::NETLINK_EXT_ACK,
    bool
);

sockopt_impl!(
    /// `NETLINK_CAP_ACK`: a refusal does not repeat the request.
    NetlinkShortRefusals,
    SetOnly,
    libc::SOL_NETLINK,
    libc::NETLINK_CAP_ACK,
    bool
);

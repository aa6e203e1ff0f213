//! Where on the network an address lies.
//!
//! The tables are the special-purpose registries of IANA (RFC 6890 and its updates) and the addresses at which
//! clouds tell an instance its secrets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Where an address lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Somewhere in the internet.
    Public,
    /// In somebody's own network; what it is, in words.
    Private(&'static str),
    /// Where nothing is that a name may point to; what it is, in words.
    Forbidden(&'static str),
}

use Reach::{Forbidden, Private, Public};

const METADATA: Reach = Forbidden("the address of a cloud's metadata");

/// The first that fits decides.
const V4: &[([u8; 4], u8, Reach)] = &[
    ([169, 254, 169, 254], 32, METADATA),
    ([169, 254, 170, 2], 32, METADATA),
    ([169, 254, 170, 23], 32, METADATA),
    ([100, 100, 100, 200], 32, METADATA),
    ([168, 63, 129, 16], 32, METADATA),
    ([192, 0, 0, 192], 32, METADATA),
    ([0, 0, 0, 0], 8, Forbidden("this host")),
    ([10, 0, 0, 0], 8, Private("a private address")),
    ([100, 64, 0, 0], 10, Private("an address of a carrier's own network")),
    ([127, 0, 0, 0], 8, Forbidden("a loopback address")),
    ([169, 254, 0, 0], 16, Forbidden("a link-local address")),
    ([172, 16, 0, 0], 12, Private("a private address")),
    ([192, 0, 0, 0], 24, Forbidden("a protocol's own address")),
    ([192, 0, 2, 0], 24, Forbidden("an address of documentation")),
    ([192, 88, 99, 0], 24, Forbidden("a relay from IPv6 to IPv4")),
    ([192, 168, 0, 0], 16, Private("a private address")),
    ([198, 18, 0, 0], 15, Forbidden("an address of benchmarks")),
    ([198, 51, 100, 0], 24, Forbidden("an address of documentation")),
    ([203, 0, 113, 0], 24, Forbidden("an address of documentation")),
    ([224, 0, 0, 0], 4, Forbidden("a multicast address")),
    ([240, 0, 0, 0], 4, Forbidden("a reserved address")),
];

/// The first that fits decides; what fits none and is not of 2000::/3 is not in use.
const V6: &[([u16; 8], u8, Reach)] = &[
    ([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128, METADATA),
    ([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128, METADATA),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, Private("a private address")),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, Forbidden("a link-local address")),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Forbidden("a multicast address")),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, Forbidden("a loopback address")),
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, Forbidden("this host, or IPv4 inside IPv6")),
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 32, Forbidden("IPv4 inside IPv6")),
    // Teredo, ORCHID, benchmarks and other protocols' own addresses.
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, Forbidden("a protocol's own address")),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, Forbidden("an address of documentation")),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, Forbidden("IPv4 inside IPv6")),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, Forbidden("an address of documentation")),
    ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3, Public),
];

/// Judges an address.
pub(crate) fn judge(address: IpAddr) -> Reach {
    match address.to_canonical() {
        IpAddr::V4(address) => judge_v4(address),
        IpAddr::V6(address) => judge_v6(address),
    }
}

fn judge_v4(address: Ipv4Addr) -> Reach {
    for (first, length, reach) in V4 {
        let net = Ipv4Net::new_assert(Ipv4Addr::from(*first), *length);
        if net.contains(&address) {
            return *reach;
        }
    }
    Public
}

fn judge_v6(address: Ipv6Addr) -> Reach {
    // ISATAP (RFC 5214, 6.1) writes an IPv4 address behind 0000:5efe or 0200:5efe, whatever stands before.
    if let [_, _, _, _, 0 | 0x200, 0x5efe, _, _] = address.segments() {
        return Forbidden("IPv4 inside IPv6");
    }
    for (first, length, reach) in V6 {
        let net = Ipv6Net::new_assert(Ipv6Addr::from(*first), *length);
        if net.contains(&address) {
            return *reach;
        }
    }
    Forbidden("an address that nobody has")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(address: &str, expected: &str) {
        let told = match judge(address.parse().unwrap()) {
            Public => "public",
            Private(_) => "private",
            METADATA => "metadata",
            Forbidden(_) => "forbidden",
        };
        assert_eq!(told, expected, "{address}");
    }

    #[test]
    fn the_edges_of_every_range() {
        for (addresses, expected) in [
            ("1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0", "public"),
            (
                "172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255",
                "public",
            ),
            ("198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255", "public"),
            ("168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 192.88.98.255 192.88.100.0", "public"),
            ("10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255", "private"),
            ("100.64.0.0 100.127.255.255 fc00:: fdff:ffff::1 ::ffff:10.1.2.3", "private"),
            ("169.254.169.254 169.254.170.2 169.254.170.23 100.100.100.200 168.63.129.16", "metadata"),
            ("192.0.0.192 fd00:ec2::254 fd20:ce::254 ::ffff:169.254.169.254", "metadata"),
            ("0.0.0.0 0.255.255.255 127.0.0.1 127.255.255.255 169.254.0.1 192.0.0.1 192.0.2.1", "forbidden"),
            ("192.88.99.1 198.18.0.0 198.19.255.255 198.51.100.1 203.0.113.255 224.0.0.1", "forbidden"),
            ("239.255.255.255 240.0.0.1 255.255.255.255 ::ffff:127.0.0.1", "forbidden"),
            (":: ::1 ::7f00:1 64:ff9b::7f00:1 64:ff9b:1::1 100::1 2001::1 2001:0:7f00:1::", "forbidden"),
            (
                "2001:db8::1 2002:7f00:1:: 3fff::1 fe80::1 febf::1 fec0::1 ff02::1 4000::1 5f00::1",
                "forbidden",
            ),
            ("2a00:1450::5efe:7f00:1 2a00:1450::200:5efe:a00:1 1fff::1", "forbidden"),
            ("2000::1 2001:200::1 2001:4860:4860::8888 2606:4700::1111 2a00:1450:4001::1", "public"),
            ("2003::1 3ffe::1 3fff:1000::1", "public"),
        ] {
            for address in addresses.split(' ') {
                check(address, expected);
            }
        }
    }

    /// What the standard library knows of an address, which was written by others from the same registries.
    fn is_known_special(address: Ipv4Addr) -> bool {
        address.is_private()
            || address.is_loopback()
            || address.is_link_local()
            || address.is_broadcast()
            || address.is_documentation()
            || address.is_multicast()
            || address.is_unspecified()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn what_is_special_is_not_public(bits: u32, net in 0_usize..V4.len()) {
            let anywhere = Ipv4Addr::from(bits);
            prop_assert!(!(is_known_special(anywhere) && judge(anywhere.into()) == Public));
            // Any address in any range of the table, so that not chance decides how many are tried.
            let (first, length, _) = V4[net];
            let host_bits = u32::MAX.checked_shr(length.into()).unwrap_or(0);
            let inside = Ipv4Addr::from(u32::from_be_bytes(first) | (bits & host_bits));
            prop_assert!(judge(inside.into()) != Public, "{inside}");
        }

        #[test]
        fn ipv4_inside_ipv6_is_never_public_unless_it_is_public_itself(bits: u32) {
            let inner = Ipv4Addr::from(bits);
            prop_assert_eq!(judge(inner.to_ipv6_mapped().into()), judge(inner.into()));
            let [high, low] = [(bits >> 16) as u16, bits as u16];
            for outer in [
                [0, 0, 0, 0, 0, 0, high, low],
                [0, 0, 0, 0, 0xffff, 0, high, low],
                [0x64, 0xff9b, 0, 0, 0, 0, high, low],
                [0x64, 0xff9b, 1, 0, 0, 0, high, low],
                [0x2002, high, low, 0, 0, 0, 0, 1],
                [0x2001, 0, high, low, 0, 0, !high, !low],
                [0x2a00, 0, 0, 0, 0, 0x5efe, high, low],
            ] {
                let outer = Ipv6Addr::from(outer);
                prop_assert!(matches!(judge(outer.into()), Forbidden(_)), "{}", outer);
            }
        }

        #[test]
        fn only_global_unicast_is_public(bits: u128) {
            let address = Ipv6Addr::from(bits);
            if judge(address.into()) == Public && address.to_ipv4_mapped().is_none() {
                prop_assert_eq!(address.segments()[0] >> 13, 1);
                prop_assert!(!address.is_unique_local() && !address.is_unicast_link_local());
            }
        }
    }
}

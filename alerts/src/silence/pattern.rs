//! Text that a value must be like: itself, or with wildcards.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// The longest pattern, in bytes.
const LONGEST: usize = 500;
/// How many characters of a pattern with wildcards must be none.
const LEAST: usize = 3;

/// The shortest prefixes of networks of the two families that are taken for a name of something.
const LEAST_PREFIX: (u8, u8) = (8, 16);

/// A text, or one with `*` (any characters) and `?` (any one); `\` takes a wildcard's meaning away. Upper and
/// lower case are the same. A network (`198.51.100.0/24`, `2001:db8::/32`) is every address in it as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    written: String,
    parts: Vec<Part>,
    network: Option<IpNet>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    One(char),
    AnyOne,
    Any,
}

impl Pattern {
    /// Whether it is more than wildcards, and no network of half the world.
    pub fn names_something(&self) -> bool {
        match self.network {
            Some(IpNet::V4(network)) => return network.prefix_len() >= LEAST_PREFIX.0,
            Some(IpNet::V6(network)) => return network.prefix_len() >= LEAST_PREFIX.1,
            None => {}
        }
        let literal = self.parts.iter().filter(|part| matches!(part, Part::One(_))).count();
        literal >= LEAST || (literal > 0 && literal == self.parts.len())
    }

    /// Whether `text` is like it. Takes time in proportion to the two lengths' product at worst.
    pub fn matches(&self, text: &str) -> bool {
        if let Some(network) = &self.network
            && let Ok(address) = text.parse::<IpAddr>()
        {
            // IPv4 in IPv6's clothes is the same address.
            return network.contains(&address.to_canonical()) || network.contains(&address);
        }
        let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        let (mut part, mut at) = (0, 0);
        // Where to go on if the rest does not fit: behind the last `*`, one character further.
        let mut again: Option<(usize, usize)> = None;
        while let Some(&c) = text.get(at) {
            match self.parts.get(part) {
                Some(Part::Any) => {
                    again = Some((part, at));
                    part += 1;
                }
                Some(Part::AnyOne) => (part, at) = (part + 1, at + 1),
                Some(Part::One(one)) if *one == c => (part, at) = (part + 1, at + 1),
                _ => {
                    let Some((star, from)) = again else { return false };
                    (part, at) = (star + 1, from + 1);
                    again = Some((star, from + 1));
                }
            }
        }
        self.parts.iter().skip(part).all(|part| *part == Part::Any)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > LONGEST {
            return Err(format!("a value has 1 to {LONGEST} bytes"));
        }
        // `198.51.100.7/24` means the network that the address lies in.
        let network = text.parse::<IpNet>().ok().map(|network| network.trunc());
        let mut parts = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' if parts.last() == Some(&Part::Any) => {}
                '*' => parts.push(Part::Any),
                '?' => parts.push(Part::AnyOne),
                '\\' => {
                    // Before anything else it is itself, as in the names of Windows users.
                    let next = chars.clone().next().filter(|next| matches!(next, '*' | '?' | '\\'));
                    parts.extend(next.or(Some('\\')).map(Part::One));
                    if next.is_some() {
                        chars.next();
                    }
                }
                other => parts.extend(other.to_lowercase().map(Part::One)),
            }
        }
        Ok(Self { written: text.to_owned(), parts, network })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(pattern: &str, text: &str) -> bool {
        pattern.parse::<Pattern>().unwrap().matches(text)
    }

    #[test]
    fn texts_and_wildcards() {
        for (pattern, text, expected) in [
            ("svc-backup", "SVC-Backup", true),
            ("svc-backup", "svc-backup2", false),
            ("svc-*", "svc-", true),
            ("svc-*", "asvc-", false),
            ("*/admin", "arn:aws:iam::111122223333:user/Admin", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b", false),
            ("192.0.2.?", "192.0.2.7", true),
            ("192.0.2.?", "192.0.2.70", false),
            ("ÄRGER", "ärger", true),
            (r"100\*", "100*", true),
            (r"100\*", "1000", false),
            (r"CORP\dana", r"corp\dana", true),
            (r"a\\", r"a\", true),
            ("*", "", true),
            ("?", "", false),
            (".*", "x", false),
        ] {
            assert_eq!(check(pattern, text), expected, "{pattern} {text}");
        }
        assert!("".parse::<Pattern>().is_err() && "x".repeat(501).parse::<Pattern>().is_err());
    }

    #[test]
    fn networks_are_their_addresses() {
        for (pattern, text, expected) in [
            ("198.51.100.0/24", "198.51.100.255", true),
            ("198.51.100.0/24", "198.51.101.0", false),
            ("198.51.100.9/24", "198.51.100.1", true),
            ("198.51.100.7/32", "198.51.100.7", true),
            ("198.51.100.0/24", "::ffff:198.51.100.7", true),
            ("198.51.100.0/24", "198.51.100.0/24", true),
            ("198.51.100.0/24", "198.51.100.1.example.com", false),
            ("2001:db8::/32", "2001:DB8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("2001:db8::/32", "198.51.100.1", false),
            ("198.51.100.0/33", "198.51.100.1", false),
        ] {
            assert_eq!(check(pattern, text), expected, "{pattern} {text}");
        }
        let names = |text: &str| text.parse::<Pattern>().unwrap().names_something();
        assert!(names("198.51.100.0/24") && names("10.0.0.0/8") && names("2001:db8::/32"));
        for all in ["0.0.0.0/0", "128.0.0.0/1", "::/0", "2000::/3"] {
            assert!(!names(all), "{all}");
        }
    }

    #[test]
    fn wildcards_alone_name_nothing() {
        let names = |text: &str| text.parse::<Pattern>().unwrap().names_something();
        for text in ["*", "***", "?", "*?*", "*e*", "a?*", "*ab*"] {
            assert!(!names(text), "{text}");
        }
        for text in ["r1", "a", r"\*", "*abc*", "svc-*"] {
            assert!(names(text), "{text}");
        }
    }

    #[test]
    fn a_hostile_pattern_does_not_take_for_ever() {
        let pattern = format!("{}b", "a*".repeat(200));
        assert!(!check(&pattern, &"a".repeat(20_000)));
    }

    proptest! {
        #[test]
        fn any_text_is_like_itself_escaped(text in "[a-zA-Z*?\\\\é .]{1,40}") {
            let escaped: String =
                text.chars().flat_map(|c| ['*', '?', '\\'].contains(&c).then_some('\\').into_iter().chain([c])).collect();
            prop_assert!(check(&escaped, &text));
            let starred = format!("*{}*", escaped);
            let longer = format!("x{text}y");
            prop_assert!(check(&starred, &longer));
        }

        #[test]
        fn any_pattern_is_read(pattern in ".{1,100}", text in ".{0,100}") {
            if let Ok(pattern) = pattern.parse::<Pattern>() {
                pattern.matches(&text);
            }
        }
    }
}

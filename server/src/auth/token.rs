//! The text of tokens, and those of the configuration.
//!
//! A token is `sgm_`, 64 hexadecimal digits of 256 random bits, and 8 of a checksum: scanners for leaked
//! secrets know it by its beginning and can tell it from a lookalike without asking anybody.

use std::fmt;

use sha2::{Digest, Sha256};
use storage::accounts::SecretHash;

use super::Role;

/// What every token begins with.
pub(crate) const PREFIX: &str = "sgm_";
/// Hexadecimal digits of the random part.
const RANDOM_DIGITS: usize = 64;
/// And of the checksum.
const CHECK_DIGITS: usize = 8;
/// A longer text is no token.
pub(crate) const MAX_BYTES: usize = 512;

/// A token as the configuration holds it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is called in the history of alerts.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
    /// SHA-256 of its text. A fast hash suffices: the text is 256 random bits, not a password.
    pub(crate) hash: [u8; 32],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

impl Token {
    /// Reads 64 hexadecimal digits.
    pub(crate) fn parse_hash(text: &str) -> Option<[u8; 32]> {
        if text.len() != 64 {
            return None;
        }
        let mut hash = [0u8; 32];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(hash)
    }

    /// The hash of a token's text.
    pub(crate) fn hash_of(text: &str) -> [u8; 32] {
        Sha256::digest(text.as_bytes()).into()
    }
}

/// A new token's text and the hash of it.
///
/// # Errors
/// The system gives no randomness.
pub(crate) fn new_token() -> Result<(String, String), getrandom::Error> {
    let digits = random_hex()?;
    let text = format!("{PREFIX}{digits}{}", checksum(&digits));
    let hash = hex(&Token::hash_of(&text));
    Ok((text, hash))
}

/// Whether `text` could be a token that was made here; a typing error or a lookalike is not.
pub(crate) fn is_well_formed(text: &str) -> bool {
    let Some(digits) = text.strip_prefix(PREFIX) else { return false };
    let Some((random, check)) = digits.split_at_checked(RANDOM_DIGITS) else { return false };
    let is_lower_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_lower_hex && check.len() == CHECK_DIGITS && check == checksum(random)
}

fn checksum(digits: &str) -> String {
    let digest = Sha256::digest(format!("stormglass token {digits}").as_bytes());
    hex(&digest).chars().take(CHECK_DIGITS).collect()
}

/// A secret of 256 random bits, as 64 hexadecimal digits.
///
/// # Errors
/// The system gives no randomness.
pub(crate) fn random_hex() -> Result<String, getrandom::Error> {
    let mut random = [0u8; RANDOM_DIGITS / 2];
    getrandom::fill(&mut random)?;
    Ok(hex(&random))
}

/// The hash by which a secret is looked up.
pub(crate) fn secret_hash(text: &str) -> SecretHash {
    SecretHash(Token::hash_of(text))
}

/// `bytes` in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether two hashes are the same; the time does not tell where they differ.
pub(crate) fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_hashes_to_its_entry() {
        let (text, hash) = new_token().unwrap();
        assert!(text.starts_with("sgm_") && text.len() == 76);
        assert_eq!(Token::parse_hash(&hash), Some(Token::hash_of(&text)));
        assert_ne!(new_token().unwrap().0, text);
    }

    #[test]
    fn a_checksum_tells_lookalikes() {
        let (text, _) = new_token().unwrap();
        assert!(is_well_formed(&text));
        let turned: String = text
            .chars()
            .enumerate()
            .map(|(at, c)| if at == 10 { if c == '0' { '1' } else { '0' } } else { c })
            .collect();
        for bad in [
            turned,
            text.to_uppercase(),
            text.replace("sgm_", "sgm-"),
            text.chars().take(68).collect(),
            format!("{text}0"),
            String::new(),
            "sgm_é".repeat(30),
        ] {
            assert!(!is_well_formed(&bad), "{bad}");
        }
    }

    #[test]
    fn only_hashes_are_hashes() {
        assert_eq!(Token::parse_hash("0f"), None);
        assert_eq!(Token::parse_hash(&"zz".repeat(32)), None);
        assert_eq!(Token::parse_hash(&"é".repeat(32)), None);
        assert!(same(&[7; 32], &[7; 32]) && !same(&[7; 32], &[8; 32]));
    }

    #[test]
    fn a_token_never_shows_its_hash() {
        let token = Token { name: "a".into(), role: Role::admin(), hash: [7; 32] };
        assert!(!format!("{token:?}").contains('7'));
    }
}

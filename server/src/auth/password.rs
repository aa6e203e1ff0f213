//! Passwords: argon2id, and what makes one too weak to be taken.
//!
//! Parameters are those of OWASP's Password Storage Cheat Sheet, first choice among the equals that need
//! least memory: 19 MiB, two passes, one lane. What was hashed with weaker ones is hashed anew at the next
//! sign-in.

use anyhow::anyhow;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

/// Memory in KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// The shortest password, in characters (NIST SP 800-63B-4 asks for 15 where it is the only factor and 8
/// otherwise).
const LEAST_CHARACTERS: usize = 12;
/// The longest, in bytes: more is work for us and no help to anybody.
const MOST_BYTES: usize = 256;
/// Fewer different characters are no secret.
const LEAST_DIFFERENT: usize = 5;

/// What everybody tries first, in lower case and without what is not a letter or digit at the ends.
const OBVIOUS: &[&str] = &[
    "password",
    "passwort",
    "passw0rd",
    "p@ssword",
    "p@ssw0rd",
    "letmein",
    "welcome",
    "changeme",
    "changeit",
    "administrator",
    "admin",
    "root",
    "stormglass",
    "qwerty",
    "qwertz",
    "azerty",
    "asdfgh",
    "iloveyou",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "sunshine",
    "princess",
    "trustno",
    "security",
    "secret",
    "default",
    "winter",
    "summer",
    "spring",
    "autumn",
    "company",
    "test",
    "guest",
    "login",
    "master",
    "hunter",
];

/// Runs that keyboards and counting give.
const RUNS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "zxcvbnm",
];

fn argon2() -> anyhow::Result<Argon2<'static>> {
    let parameters =
        Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| anyhow!("argon2: {error}"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters))
}

/// Why `password` is not taken for the user `name`; `None` if it is.
pub(crate) fn weakness(password: &str, name: &str) -> Option<String> {
    if password.chars().count() < LEAST_CHARACTERS {
        return Some(format!("a password has at least {LEAST_CHARACTERS} characters; take a longer one"));
    }
    if password.len() > MOST_BYTES {
        return Some(format!("a password has at most {MOST_BYTES} bytes; take a shorter one"));
    }
    if password.chars().any(char::is_control) {
        return Some("a password has no control characters; leave them out".into());
    }
    let lower = password.to_lowercase();
    let different: std::collections::BTreeSet<char> = lower.chars().collect();
    if different.len() < LEAST_DIFFERENT {
        return Some("the password repeats a few characters; take another one".into());
    }
    let name = name.split('@').next().unwrap_or(name).to_lowercase();
    if name.len() >= 3 && lower.contains(&name) {
        return Some("the password contains the name of the user; take another one".into());
    }
    // What is left when everything obvious is taken out must still be something.
    let mut rest = lower;
    for word in OBVIOUS {
        rest = rest.replace(word, "");
    }
    for run in RUNS {
        rest = without_runs(&rest, run);
    }
    if rest.chars().filter(|c| c.is_alphabetic()).count()
        + rest.chars().filter(char::is_ascii_digit).count() / 2
        < 6
    {
        return Some("the password is made of what everybody tries first; take another one".into());
    }
    None
}

/// `text` without pieces of at least four characters of `run`, forwards or backwards.
fn without_runs(text: &str, run: &str) -> String {
    const LEAST: usize = 4;
    let backwards: String = run.chars().rev().collect();
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < characters.len() {
        let mut longest = 0;
        for end in (at + LEAST)..=characters.len().min(at + run.len()) {
            let piece: String = characters.iter().skip(at).take(end - at).collect();
            if !run.contains(&piece) && !backwards.contains(&piece) {
                break;
            }
            longest = end - at;
        }
        if longest == 0 {
            out.extend(characters.get(at));
            at += 1;
        } else {
            at += longest;
        }
    }
    out
}

/// What is kept of a password. Takes tens of milliseconds and 19 MiB.
///
/// # Errors
/// The system gives no randomness.
pub(crate) fn hash(password: &str) -> anyhow::Result<String> {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(|error| anyhow!("the system gives no randomness: {error}"))?;
    let salt = SaltString::encode_b64(&random).map_err(|error| anyhow!("argon2: {error}"))?;
    let hashed =
        argon2()?.hash_password(password.as_bytes(), &salt).map_err(|error| anyhow!("argon2: {error}"))?;
    Ok(hashed.to_string())
}

/// What a password is found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not the user's.
    Wrong,
    /// The user's.
    Right,
    /// The user's, and hashed with weaker parameters than those of today.
    RightButWeak,
}

/// A hash of nothing that anybody knows, so that a user who is not there costs as much time as one who is.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$U3Rvcm1nbGFzc05vYm9keQ$jzHXjZLXxRW1nmO6bqnKKsLIDiYcc3q6nZkkBlTIKJw";

/// Whether `password` is the one that was hashed; without a hash the same work is done for nothing.
pub(crate) fn verify(password: &str, hashed: Option<&str>) -> Verdict {
    if password.len() > MOST_BYTES {
        return Verdict::Wrong;
    }
    let Ok(parsed) = PasswordHash::new(hashed.unwrap_or(NOBODY)) else { return Verdict::Wrong };
    let Ok(argon2) = argon2() else { return Verdict::Wrong };
    // The parameters of the hash are used, not those of today.
    if argon2.verify_password(password.as_bytes(), &parsed).is_err() || hashed.is_none() {
        return Verdict::Wrong;
    }
    match Params::try_from(&parsed) {
        Ok(used)
            if parsed.algorithm.as_str() == "argon2id"
                && used.m_cost() >= MEMORY_KIB
                && used.t_cost() >= PASSES
                && used.p_cost() >= LANES =>
        {
            Verdict::Right
        }
        _ => Verdict::RightButWeak,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other() {
        let hashed = hash("seven tall lighthouses").unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert_ne!(hashed, hash("seven tall lighthouses").unwrap());
        assert_eq!(verify("seven tall lighthouses", Some(&hashed)), Verdict::Right);
        for wrong in ["seven tall lighthouse", "", "Seven tall lighthouses", &"x".repeat(MOST_BYTES + 1)] {
            assert_eq!(verify(wrong, Some(&hashed)), Verdict::Wrong, "{wrong}");
        }
        assert_eq!(verify("seven tall lighthouses", None), Verdict::Wrong);
        assert_eq!(verify("seven tall lighthouses", Some("no hash")), Verdict::Wrong);
    }

    /// Nobody's hash must be one, or a user who is not there would be answered at once.
    #[test]
    fn nobody_costs_as_much_as_somebody() {
        let parsed = PasswordHash::new(NOBODY).unwrap();
        let used = Params::try_from(&parsed).unwrap();
        assert_eq!((used.m_cost(), used.t_cost(), used.p_cost()), (MEMORY_KIB, PASSES, LANES));
        assert_eq!(parsed.hash.unwrap().len(), 32);
        assert_eq!(verify("nobody", Some(NOBODY)), Verdict::Wrong);
    }

    #[test]
    fn weaker_parameters_are_told() {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(1024, 1, 1, None).unwrap());
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        let hashed = weak.hash_password(b"seven tall lighthouses", &salt).unwrap().to_string();
        assert_eq!(verify("seven tall lighthouses", Some(&hashed)), Verdict::RightButWeak);
        assert_eq!(verify("six tall lighthouses", Some(&hashed)), Verdict::Wrong);
    }

    #[test]
    fn the_obvious_is_refused() {
        for (password, said) in [
            ("short", "at least 12"),
            ("elevenchars", "at least 12"),
            ("aaaaaaaaaaaaaaaa", "repeats"),
            ("abababababababab", "repeats"),
            ("passwordpassword", "everybody"),
            ("Password123456!", "everybody"),
            ("P@ssw0rd2026!!", "everybody"),
            ("Summer2026Summer", "everybody"),
            ("123456789012345", "everybody"),
            ("qwertyuiop1234", "everybody"),
            ("abcdefghijklmnop", "everybody"),
            ("zyxwvutsrqponm", "everybody"),
            ("stormglass2026", "everybody"),
            ("changeme-changeme", "everybody"),
            ("Ana.Example-rocks", "name of the user"),
            ("tall\nlighthouses", "control"),
        ] {
            let found = weakness(password, "ana.example").unwrap_or_default();
            assert!(found.contains(said), "{password}: {found}");
        }
        assert!(weakness(&"é!x2".repeat(80), "ana").unwrap().contains("at most 256"));
        for good in
            ["seven tall lighthouses", "gT4-vk0q_wz8x", "zaļš ābols un divi", "correct horse battery staple"]
        {
            assert_eq!(weakness(good, "ana"), None, "{good}");
        }
    }
}

//! Operating systems as sources call them.

/// OCSF `os.type_id`. Sources write `Windows 10`, `Windows10`, `Ios 17.1`, `MacOs`, `Mac OS X (iPhone)`,
/// `Linux`, `Chrome OS` and so on.
pub(crate) fn type_id(system: &str) -> i32 {
    let system = system.to_ascii_lowercase();
    if system.contains("(iphone)") {
        return 301;
    }
    if system.contains("(ipad)") {
        return 302;
    }
    let known = [
        ("windows phone", 101),
        ("windowsphone", 101),
        ("windows", 100),
        ("android", 201),
        ("linux", 200),
        ("ipados", 302),
        ("ios", 301),
        ("mac", 300),
    ];
    known.into_iter().find(|(name, _)| system.starts_with(name)).map_or(0, |(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_by_their_beginning() {
        for (system, expected) in [
            ("Windows 10", 100),
            ("Windows10", 100),
            ("WindowsPhone", 101),
            ("Ios 17.5", 301),
            ("MacOs", 300),
            ("Linux", 200),
            ("Android", 201),
            ("Mac OS X (iPhone)", 301),
            ("Unknown", 0),
        ] {
            assert_eq!(type_id(system), expected, "{system}");
        }
    }
}

//! The name that somebody may have meant.

/// The known name nearest to `name`, if it is near enough to be what was meant.
pub(crate) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (name.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// ``did you mean `x`?``, or `otherwise` where no name is near.
pub(crate) fn did_you_mean<'n>(
    name: &str,
    known: impl IntoIterator<Item = &'n str>,
    otherwise: impl Into<String>,
) -> String {
    nearest(name, known).map_or_else(|| otherwise.into(), |found| format!("did you mean `{found}`?"))
}

/// Whether `written` is likely `known` with a slip of the pen: one character more, fewer or other, from six
/// characters on two. Case does not count, and words of one or two characters are never near.
pub(crate) fn is_slip(written: &str, known: &str) -> bool {
    let limit = match written.chars().count().max(known.chars().count()) {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    (1..=limit).contains(&distance(written, known))
}

/// The number of characters to insert, delete or replace, ignoring case; text beyond 64 characters is
/// far from everything.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 64;
    let fold = |text: &str| text.chars().flat_map(char::to_lowercase).take(LONGEST + 1).collect::<Vec<_>>();
    let (a, b) = (fold(a), fold(b));
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = *cell;
            *cell = replaced.min(left + 1).min(*cell + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("eventName", "eventname", 0),
            ("evntName", "eventName", 1),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
        assert_eq!(distance(&"a".repeat(70), "a"), usize::MAX);
    }

    #[test]
    fn slips_of_the_pen() {
        for (written, known, expected) in [
            ("ipp", "ip", true),
            ("id", "ip", false),
            ("uid", "ip", false),
            ("nam", "name", true),
            ("type_id", "type", false),
            ("usrName", "userName", true),
            ("username", "userName", false),
            ("name", "name", false),
        ] {
            assert_eq!(is_slip(written, known), expected, "{written} {known}");
        }
    }

    #[test]
    fn only_near_names_are_offered() {
        let known = ["contains", "startswith", "endswith"];
        assert_eq!(nearest("contians", known), Some("contains"));
        assert_eq!(nearest("endwith", known), Some("endswith"));
        assert_eq!(nearest("xyz", known), None);
        assert_eq!(did_you_mean("conains", known, ""), "did you mean `contains`?");
    }
}

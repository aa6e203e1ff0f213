//! The name that somebody probably meant.

/// The name of `known` that is nearest to `wanted`, if any is near enough to be meant: one that differs in
/// a third of its letters, or that ends with what was written (`user_name`, `actor_user_name`).
pub(crate) fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let lower = name.to_lowercase();
        let distance = if lower == wanted {
            0
        } else if wanted.len() > 2 && lower.ends_with(&format!("_{wanted}")) {
            1
        } else {
            distance(&wanted, &lower)
        };
        let near = distance <= wanted.chars().count().max(lower.chars().count()) / 3;
        if near && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

/// The letters to add, drop, change or swap with their neighbour to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (row, letter) in one.chars().enumerate() {
        let mut next = vec![row + 1];
        for (column, other_letter) in other.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let change = at(&last, column) + usize::from(letter != *other_letter);
            let mut least = change.min(at(&last, column + 1) + 1).min(at(&next, column) + 1);
            let swapped = column > 0
                && previous == Some(*other_letter)
                && other.get(column - 1).is_some_and(|before| *before == letter);
            if swapped {
                least = least.min(at(&before_last, column - 1) + 1);
            }
            next.push(least);
        }
        before_last = std::mem::replace(&mut last, next);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "", 2),
            ("cuont", "count", 1),
            ("abc", "ca", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn small_mistakes_are_mended() {
        let known = ["time", "user_name", "actor_user_name", "event_uid", "src_endpoint_ip"];
        let cases = [
            ("usr_name", Some("user_name")),
            ("actor_usr_name", Some("actor_user_name")),
            ("TIME", Some("time")),
            ("tmie", Some("time")),
            ("eventuid", Some("event_uid")),
            ("endpoint_ip", Some("src_endpoint_ip")),
            ("password", None),
            ("x", None),
            ("", None),
        ];
        for (wanted, expected) in cases {
            assert_eq!(nearest(wanted, known), expected, "{wanted}");
        }
    }
}

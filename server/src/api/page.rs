//! Pages of lists that are in memory: each entry has a key, the list is in the order of the keys, and a page begins
//! behind the key that its cursor holds. So a page loses and repeats nothing, whatever is added and removed meanwhile.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Problem;

/// How many entries a page has where nothing else is asked for.
const USUAL: usize = 50;
/// And the most.
const MOST: usize = 500;

/// How many entries a page has.
pub(super) fn size(limit: Option<usize>) -> usize {
    limit.unwrap_or(USUAL).clamp(1, MOST)
}

/// A page, and where the next one begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    /// In order.
    pub(super) entries: Vec<T>,
    /// `None` on the last page.
    pub(super) next: Option<String>,
}

/// The page of `size` entries behind `cursor`. No two entries have the same key, and what an entry's key is stays.
///
/// # Errors
/// A problem with status 400: the cursor is none of such a list.
pub(super) fn page<T, K: Ord + Serialize + DeserializeOwned>(
    mut entries: Vec<T>,
    key: impl Fn(&T) -> K,
    cursor: Option<&str>,
    size: usize,
) -> Result<Page<T>, Problem> {
    if let Some(after) = cursor.map(decode::<K>).transpose()? {
        entries.retain(|entry| key(entry) > after);
    }
    entries.sort_by_cached_key(&key);
    let has_more = entries.len() > size;
    entries.truncate(size);
    let next = entries.last().filter(|_| has_more).map(|last| encode(&key(last)));
    Ok(Page { entries, next })
}

/// The text handed to clients.
fn encode(key: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

/// The key that a cursor holds.
///
/// # Errors
/// As of [`page`].
pub(super) fn decode<K: DeserializeOwned>(cursor: &str) -> Result<K, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| unknown())?;
    serde_json::from_slice(&bytes).map_err(|_| unknown())
}

/// The number that a cursor holds, of lists that are in the order of their numbers.
///
/// # Errors
/// As of [`page`].
pub(super) fn number(cursor: Option<&str>) -> Result<Option<u64>, Problem> {
    // None is larger than the database can hold, and each has one form.
    let read = |text: &str| {
        let number = text.parse::<i64>().ok().and_then(|number| u64::try_from(number).ok());
        number.filter(|number| number.to_string() == text).ok_or_else(unknown)
    };
    cursor.map(read).transpose()
}

fn unknown() -> Problem {
    Problem::bad_request("`cursor` is none that a page of this list has given")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Reverse;
    use std::collections::BTreeSet;

    type Key = (Reverse<u8>, String);

    #[derive(Debug, Clone)]
    enum Change {
        Add(Key),
        Remove(Key),
    }

    fn key() -> impl Strategy<Value = Key> {
        (0..8_u8, "[a-c]{0,2}").prop_map(|(time, name)| (Reverse(time), name))
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![key().prop_map(Change::Add), key().prop_map(Change::Remove)]
    }

    proptest! {
        /// Whatever is there all the time is given once; nothing is given twice; and each page is in order.
        #[test]
        fn pages_of_any_size_give_each_entry_once(
            first in proptest::collection::btree_set(key(), 0..40),
            sizes in proptest::collection::vec(1..6_usize, 1..8),
            changes in proptest::collection::vec(proptest::collection::vec(change(), 0..4), 0..50),
        ) {
            let mut there = first.clone();
            let mut always = first;
            let mut given: Vec<Key> = Vec::new();
            let mut cursor: Option<String> = None;
            let mut sizes = sizes.iter().cycle();
            let mut changes = changes.iter();
            loop {
                // In whatever order they are found.
                let found: Vec<_> = there.iter().rev().cloned().collect();
                let size = *sizes.next().unwrap();
                let page = page(found, Key::clone, cursor.as_deref(), size).unwrap();
                prop_assert!(page.entries.len() <= size);
                prop_assert!(page.next.is_none() || page.entries.len() == size);
                given.extend(page.entries);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
                for change in changes.next().into_iter().flatten() {
                    match change {
                        Change::Add(key) => { there.insert(key.clone()); }
                        Change::Remove(key) => {
                            there.remove(key);
                            always.remove(key);
                        }
                    }
                }
            }
            prop_assert!(given.is_sorted_by(|one, other| one < other), "{given:?}");
            let given: BTreeSet<_> = given.into_iter().collect();
            prop_assert!(always.is_subset(&given), "{always:?} of {given:?}");
        }

        #[test]
        fn any_text_is_a_cursor_or_refused(text in ".{0,40}") {
            drop(decode::<Key>(&text));
            drop(number(Some(&text)));
        }
    }

    #[test]
    fn only_cursors_of_such_a_list_are_read() {
        let at = encode(&(Reverse(3), "b"));
        let names = |cursor: &str| page(vec!["a", "b"], |name| (*name).to_owned(), Some(cursor), 1);
        assert!(decode::<Key>(&at).is_ok());
        for bad in ["", "!", at.as_str(), "YQ"] {
            assert_eq!(names(bad).unwrap_err().status, 400, "{bad}");
        }
        assert_eq!(names(&encode(&"a")).unwrap(), Page { entries: vec!["b"], next: None });
        assert_eq!(number(Some("17")).unwrap(), Some(17));
        assert_eq!(number(None).unwrap(), None);
        for bad in ["", "x", "-1", "+1", "01", "9223372036854775808"] {
            assert_eq!(number(Some(bad)).unwrap_err().status, 400, "{bad}");
        }
        assert_eq!((size(None), size(Some(0)), size(Some(7)), size(Some(9_999))), (50, 1, 7, 500));
    }
}

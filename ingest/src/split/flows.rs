//! Documents that hold many flows, as Azure's flow logs do.
//!
//! One record of such a log is a minute of a network interface: lists of rules (or of access lists), in each of
//! them lists of groups, in each of these a list `flowTuples`. A record becomes one event, so the document is cut:
//! each flow stands in a copy of it that holds no other, byte for byte as it was written. Such a copy is a
//! document of the log itself, which is not cut again.
//!
//! Copies are made one at a time: memory is bounded by the document and a few bytes for each flow.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::value::RawValue;

/// The member without which there is nothing to cut.
static TUPLES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"flowTuples\""));

/// A list, and what stands around it in the document.
#[derive(Debug)]
struct List<T> {
    /// From the first element's first byte to the last one's last.
    inside: Range<usize>,
    /// The elements: where they are, and what is in them.
    elements: Vec<(Range<usize>, T)>,
}

type Tuples = List<()>;
type Groups = List<Tuples>;

/// A document of several flows, and how many of them were handed out.
#[derive(Debug)]
pub(super) struct Flows {
    text: Vec<u8>,
    rules: List<Groups>,
    /// The places of the next flow: its rule, its group, itself.
    next: (usize, usize, usize),
}

impl Flows {
    /// The flows of a document; `None` for anything else, and where there is nothing to cut.
    pub(super) fn of(record: &[u8]) -> Option<Self> {
        TUPLES.find(record)?;
        let text = std::str::from_utf8(record).ok()?;
        let rules = rules(text)?;
        let flows: usize = rules
            .elements
            .iter()
            .flat_map(|(_, groups)| &groups.elements)
            .map(|(_, tuples)| tuples.elements.len())
            .sum();
        (flows > 1).then(|| Self { text: record.to_vec(), rules, next: (0, 0, 0) })
    }

    /// Writes the document of the next flow; `false` after the last.
    pub(super) fn next_into(&mut self, out: &mut Vec<u8>) -> bool {
        loop {
            let (rule, group, tuple) = self.next;
            let Some((rule_at, groups)) = self.rules.elements.get(rule) else { return false };
            let Some((group_at, tuples)) = groups.elements.get(group) else {
                self.next = (rule + 1, 0, 0);
                continue;
            };
            let Some((tuple_at, ())) = tuples.elements.get(tuple) else {
                self.next = (rule, group + 1, 0);
                continue;
            };
            self.next = (rule, group, tuple + 1);
            out.clear();
            for part in [
                0..self.rules.inside.start,
                rule_at.start..groups.inside.start,
                group_at.start..tuples.inside.start,
                tuple_at.clone(),
                tuples.inside.end..group_at.end,
                groups.inside.end..rule_at.end,
                self.rules.inside.end..self.text.len(),
            ] {
                out.extend_from_slice(self.text.get(part).unwrap_or_default());
            }
            return true;
        }
    }
}

/// `properties.flows[].flows[].flowTuples[]` of network security groups, `flowRecords.flows[].flowGroups[].flowTuples[]`
/// of virtual networks.
fn rules(text: &str) -> Option<List<Groups>> {
    let document = members(text)?;
    let around = document.get("properties").or_else(|| document.get("flowRecords"))?;
    list(text, members(around)?.get("flows")?, |rule| {
        let rule = members(rule)?;
        let groups = rule.get("flows").or_else(|| rule.get("flowGroups"))?;
        list(text, groups, |group| list(text, members(group)?.get("flowTuples")?, |_| Some(())))
    })
}

fn members(object: &str) -> Option<BTreeMap<String, &str>> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(object).ok()?;
    Some(members.into_iter().map(|(name, value)| (name, value.get())).collect())
}

/// The elements of a list that lies in `text`; `None` where one of them is not as it should be: then the document
/// is left whole.
fn list<T>(text: &str, list: &str, read: impl Fn(&str) -> Option<T>) -> Option<List<T>> {
    let values: Vec<&RawValue> = serde_json::from_str(list).ok()?;
    let mut elements = Vec::with_capacity(values.len());
    for value in values {
        elements.push((place(text, value.get())?, read(value.get())?));
    }
    let inside = match (elements.first(), elements.last()) {
        (Some((first, _)), Some((last, _))) => first.start..last.end,
        // Nothing is taken from it, so nothing needs to be around it.
        _ => 0..0,
    };
    Some(List { inside, elements })
}

/// Where `part`, a slice of `text`, lies in it.
fn place(text: &str, part: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    (start + part.len() <= text.len()).then_some(start..start + part.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(record: &str) -> Vec<String> {
        let Some(mut flows) = Flows::of(record.as_bytes()) else { return Vec::new() };
        let mut documents = Vec::new();
        let mut out = Vec::new();
        while flows.next_into(&mut out) {
            documents.push(String::from_utf8(out.clone()).unwrap());
        }
        documents
    }

    #[test]
    fn each_flow_keeps_what_stands_around_it() {
        let group = r#"{"time":"t","properties":{"Version":2,"flows":[ {"rule":"A","flows":[{"mac":"m","flowTuples":["1","2"]},{"mac":"n","flowTuples":["3"]}]},
            {"rule":"B","flows":[{"flowTuples":[ "4" ],"mac":"o"}],"x":1}, {"rule":"C","flows":[]} ]},"category":"c"}"#;
        let documents = cut(group);
        assert_eq!(
            documents,
            [
                r#"{"time":"t","properties":{"Version":2,"flows":[ {"rule":"A","flows":[{"mac":"m","flowTuples":["1"]}]} ]},"category":"c"}"#,
                r#"{"time":"t","properties":{"Version":2,"flows":[ {"rule":"A","flows":[{"mac":"m","flowTuples":["2"]}]} ]},"category":"c"}"#,
                r#"{"time":"t","properties":{"Version":2,"flows":[ {"rule":"A","flows":[{"mac":"n","flowTuples":["3"]}]} ]},"category":"c"}"#,
                r#"{"time":"t","properties":{"Version":2,"flows":[ {"rule":"B","flows":[{"flowTuples":[ "4" ],"mac":"o"}],"x":1} ]},"category":"c"}"#,
            ]
        );
        for document in documents {
            assert!(cut(&document).is_empty(), "{document} is cut again");
        }
        let network =
            r#"{"flowRecords":{"flows":[{"aclID":"a","flowGroups":[{"rule":"r","flowTuples":["1","2"]}]}]}}"#;
        assert_eq!(cut(network).len(), 2);
    }

    #[test]
    fn what_is_not_as_it_should_be_stays_whole() {
        for record in [
            r#"{"flowTuples":["1","2"]}"#,
            r#"{"properties":{"flows":[{"flows":[{"flowTuples":["1"]}]}]}}"#,
            r#"{"properties":{"flows":[{"flows":[{"flowTuples":["1","2"]},7]}]}}"#,
            r#"{"properties":{"flows":{"flowTuples":["1","2"]}}}"#,
            r#"{"properties":{"flows":[{"flows":[{"flowTuples":["1","2"]}]}]}"#,
            r#"{"properties":{"flows":[]},"x":"\"flowTuples\""}"#,
        ] {
            assert!(cut(record).is_empty(), "{record}");
        }
    }
}

//! The part of MITRE ATT&CK that is about clouds, which is data: `content/attack`.

use std::sync::LazyLock;

use crate::sigma::yaml::{self, Node, Placed};

/// Tactics, techniques, and the tags of earlier versions.
#[derive(Debug, Default)]
pub(crate) struct Attack {
    /// The version, such as `19`.
    pub(crate) version: String,
    /// In the order of an attack.
    pub(crate) tactics: Vec<Tactic>,
    /// Techniques and sub-techniques.
    pub(crate) techniques: Vec<Technique>,
    renamed: Vec<(String, Vec<String>)>,
}

/// Why something is done.
#[derive(Debug)]
pub(crate) struct Tactic {
    /// Such as `TA0001`.
    pub(crate) id: String,
    /// As in tags: `initial-access`.
    pub(crate) short: String,
    /// `Initial Access`.
    pub(crate) name: String,
}

/// How it is done.
#[derive(Debug)]
pub(crate) struct Technique {
    /// Such as `T1078.004`.
    pub(crate) id: String,
    pub(crate) name: String,
    /// Short names of its tactics.
    pub(crate) tactics: Vec<String>,
}

/// What comes with Stormglass.
pub(crate) static ATTACK: LazyLock<Attack> = LazyLock::new(|| {
    let sources = crate::content::attack();
    let mut attack = Attack::default();
    for node in sources.iter().flat_map(|source| yaml::documents(&source.text)).flatten() {
        attack.read(&node);
    }
    attack
});

impl Attack {
    fn read(&mut self, node: &Node) {
        self.version = text(node, "version");
        for (short, tactic) in entries(node, "tactics") {
            let (id, name) = (text(tactic, "id"), text(tactic, "name"));
            self.tactics.push(Tactic { id, short: short.value.clone(), name });
        }
        for (id, technique) in entries(node, "techniques") {
            let own = texts(technique.get("tactics"));
            let tactics = match id.value.split_once('.') {
                Some((parent, _)) if own.is_empty() => {
                    self.technique(parent).map_or_else(Vec::new, |parent| parent.tactics.clone())
                }
                _ => own,
            };
            let technique = Technique { id: id.value.clone(), name: text(technique, "name"), tactics };
            self.techniques.push(technique);
        }
        for (old, new) in entries(node, "renamed") {
            self.renamed.push((old.value.clone(), texts(Some(new))));
        }
    }

    /// The technique of that id.
    pub(crate) fn technique(&self, id: &str) -> Option<&Technique> {
        self.techniques.iter().find(|technique| technique.id == id)
    }

    /// The tags that took the place of a tag; none if it still stands.
    pub(crate) fn renamed(&self, tag: &str) -> &[String] {
        let found = self.renamed.iter().find(|(old, _)| old == tag);
        found.map_or(&[], |(_, new)| new.as_slice())
    }
}

/// The id of the technique that a tag names: `attack.t1078.004` is `T1078.004`.
pub(crate) fn technique_of(tag: &str) -> Option<String> {
    let name = tag.strip_prefix("attack.t")?;
    name.starts_with(|char: char| char.is_ascii_digit()).then(|| format!("T{name}"))
}

fn entries<'n>(node: &'n Node, key: &str) -> &'n [(Placed<String>, Node)] {
    node.get(key).and_then(Node::as_map).unwrap_or_default()
}

fn text(node: &Node, key: &str) -> String {
    node.get(key).and_then(Node::text).unwrap_or_default()
}

fn texts(node: Option<&Node>) -> Vec<String> {
    node.and_then(Node::as_list).unwrap_or_default().iter().filter_map(Node::text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_is_whole() {
        let attack = &*ATTACK;
        assert_eq!((attack.version.as_str(), attack.tactics.len()), ("19", 12));
        assert!(attack.techniques.len() > 120, "{}", attack.techniques.len());
        for technique in &attack.techniques {
            let id = &technique.id;
            assert!(!technique.name.is_empty() && !technique.tactics.is_empty(), "{id}");
            let known = |short: &String| attack.tactics.iter().any(|tactic| tactic.short == *short);
            assert!(technique.tactics.iter().all(known), "{id}: {:?}", technique.tactics);
            assert!(attack.renamed(&format!("attack.{}", id.to_lowercase())).is_empty(), "{id} is old");
        }
        assert_eq!(attack.renamed("attack.t1562.008"), ["attack.t1685.002"]);
        for (old, new) in &attack.renamed {
            assert!(!new.is_empty() && new.iter().all(|tag| attack.renamed(tag).is_empty()), "{old}");
        }
        assert_eq!(technique_of("attack.t1078.004").as_deref(), Some("T1078.004"));
        assert_eq!(technique_of("attack.ta0001"), None);
        assert_eq!(technique_of("attack.initial-access"), None);
    }
}

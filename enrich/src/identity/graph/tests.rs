use super::*;
use crate::identity::link::LinkKind;
use event::EventKey;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

fn node(text: &str) -> Node {
    text.parse().unwrap()
}

fn link(kind: LinkKind, a: &str, b: &str) -> Link {
    Link::new(kind, node(a), node(b), (0, 0), EventKey(0)).unwrap()
}

fn graph(links: &[Link]) -> IdentityGraph {
    let mut graph = IdentityGraph::new(1000);
    for link in links {
        graph.add(link);
    }
    graph
}

#[test]
fn the_name_of_an_identity_is_its_best() {
    let mut graph = IdentityGraph::new(10);
    let key = node("aws:key:ASIA1");
    assert_eq!(graph.canonical(&key), &key);
    let merged = graph.add(&link(LinkKind::AssumedRole, "aws:key:ASIA1", "aws:key:ASIA0"));
    let (kept, gone) = (node("aws:key:ASIA0"), node("aws:key:ASIA1"));
    assert_eq!(merged, Some(Change::Merged(Merged { kept, gone: vec![gone] })));
    graph.add(&link(LinkKind::Federated, "aws:key:ASIA0", "saml:idp#ana"));
    let merged = graph.add(&link(LinkKind::SameMail, "saml:idp#ana", "mail:ana@example.com"));
    let (kept, gone) = (node("mail:ana@example.com"), node("saml:idp#ana"));
    assert_eq!(merged, Some(Change::Merged(Merged { kept, gone: vec![gone] })));
    assert_eq!(graph.canonical(&key).as_str(), "mail:ana@example.com");
    assert_eq!(graph.component(&key).len(), 4);
    assert_eq!(graph.links_of(&key).len(), 3);
}

#[test]
fn who_acted_as_a_service_account_is_not_it() {
    let links =
        ["ana", "bob"].map(|who| link(LinkKind::Impersonates, &format!("gcp:user:{who}"), "gcp:sa:ci"));
    let graph = graph(&links);
    let ana = node("gcp:user:ana");
    assert_eq!(graph.component(&ana), [&ana]);
    assert_eq!(graph.links_of(&node("gcp:sa:ci")).len(), 2);
}

#[test]
fn a_session_that_two_keys_began_is_nobodys() {
    let session = node("aws:role-session:arn@1");
    let derived = |key: &str| Actor { node: node(key), session: Some(session.clone()) };
    let mut graph = graph(&[
        link(LinkKind::AssumedRole, "aws:key:ASIA1", "aws:user:ana"),
        link(LinkKind::SessionOf, "aws:key:ASIA1", "aws:role-session:arn@1"),
        link(LinkKind::AssumedRole, "aws:key:ASIA2", "aws:user:bob"),
    ]);
    assert_eq!(graph.resolve(&derived("aws:key:ASIA9")).as_str(), "aws:user:ana");
    let second = link(LinkKind::SessionOf, "aws:key:ASIA2", "aws:role-session:arn@1");
    let split = Split { whole: node("aws:user:ana"), parts: vec![node("aws:user:ana"), session.clone()] };
    assert_eq!(graph.add(&second), Some(Change::Split(split)));
    assert_eq!(graph.resolve(&derived("aws:key:ASIA9")).as_str(), "aws:key:ASIA9");
    assert_eq!(graph.resolve(&derived("aws:key:ASIA1")).as_str(), "aws:user:ana");
    assert_eq!(graph.resolve(&derived("aws:key:ASIA2")).as_str(), "aws:user:bob");
    let merged = Merged { kept: node("aws:user:ana"), gone: vec![session.clone()] };
    assert_eq!(graph.undo(second.id()), Some(Change::Merged(merged)));
}

#[test]
fn a_key_that_two_users_claim_is_neithers() {
    let mut graph = graph(&[
        link(LinkKind::OwnsKey, "aws:key:AKIA1", "aws:user:ana"),
        link(LinkKind::AssumedRole, "aws:key:ASIA1", "aws:key:AKIA1"),
        link(LinkKind::AssumedRole, "aws:key:ASIA2", "aws:user:ana"),
        // An owner of another kind is no rival.
        link(LinkKind::AssumedRole, "aws:key:ASIA2", "aws:user-id:AIDA1"),
    ]);
    let session = node("aws:key:ASIA1");
    assert_eq!(graph.canonical(&session).as_str(), "aws:user:ana");
    let rival = link(LinkKind::OwnsKey, "aws:key:AKIA1", "aws:user:bob");
    let parts = vec![node("aws:user:ana"), node("aws:key:AKIA1")];
    assert_eq!(graph.add(&rival), Some(Change::Split(Split { whole: node("aws:user:ana"), parts })));
    assert_eq!(graph.canonical(&session).as_str(), "aws:key:AKIA1");
    assert_eq!(graph.canonical(&node("aws:user-id:AIDA1")).as_str(), "aws:user:ana");
    let merged = Merged { kept: node("aws:user:ana"), gone: vec![node("aws:key:AKIA1")] };
    assert_eq!(graph.undo(rival.id()), Some(Change::Merged(merged)));
    assert_eq!(graph.canonical(&session).as_str(), "aws:user:ana");
}

#[test]
fn undoing_takes_apart_what_one_link_held() {
    let wrong = link(LinkKind::SameMail, "gcp:user:bob", "mail:ana");
    let mut graph = graph(&[
        link(LinkKind::SameMail, "entra:user:ana", "mail:ana"),
        wrong.clone(),
        link(LinkKind::WorkloadIdentity, "gcp:principal:p", "gcp:user:bob"),
    ]);
    let parts = vec![node("entra:user:ana"), node("gcp:user:bob")];
    assert_eq!(graph.undo(wrong.id()), Some(Change::Split(Split { whole: node("entra:user:ana"), parts })));
    assert_eq!(graph.undo(wrong.id()), None);
    assert_eq!(graph.canonical(&node("gcp:principal:p")).as_str(), "gcp:user:bob");
    assert_eq!(graph.len(), 2);
}

#[test]
fn a_full_graph_refuses_and_says_so() {
    let mut graph = IdentityGraph::new(1);
    let first = link(LinkKind::OwnsKey, "aws:key:AKIA1", "aws:user:ana");
    graph.add(&first);
    assert_eq!(graph.add(&link(LinkKind::OwnsKey, "aws:key:AKIA2", "aws:user:ana")), None);
    graph.add(&first);
    assert_eq!((graph.len(), graph.refused()), (1, 1));
    assert_eq!(graph.nodes().count(), 2);
}

#[test]
fn old_sessions_are_forgotten() {
    let mut graph = graph(&[
        link(LinkKind::OwnsKey, "aws:key:AKIA1", "aws:user:ana"),
        link(LinkKind::AssumedRole, "aws:key:ASIA1", "aws:user:ana"),
    ]);
    assert_eq!(graph.forget_sessions(0), 0);
    assert_eq!(graph.forget_sessions(1), 1);
    assert_eq!(graph.component(&node("aws:user:ana")).len(), 2);
    assert_eq!(graph.nodes().count(), 2);
}

/// Components and names by plain search, without any of the graph's own means.
fn expected(links: &[Link]) -> BTreeMap<Node, Node> {
    let unique: BTreeMap<_, _> = links.iter().map(|link| (link.id(), link)).collect();
    let holds = |link: &Link| {
        let rivals = |other: &&&Link| match link.kind() {
            LinkKind::SessionOf | LinkKind::SeenInSession => {
                other.kind() == LinkKind::SessionOf && other.b() == link.b()
            }
            kind => other.kind() == kind && other.a() == link.a() && other.b().kind() == link.b().kind(),
        };
        match link.kind() {
            LinkKind::SameMail | LinkKind::Impersonates => link.kind().joins(),
            _ => unique.values().filter(rivals).count() == 1,
        }
    };
    let mut names = BTreeMap::new();
    for start in unique.values().flat_map(|link| [link.a(), link.b()]) {
        let mut seen = BTreeSet::from([start.clone()]);
        loop {
            let before = seen.len();
            for link in unique.values() {
                if holds(link) && (seen.contains(link.a()) || seen.contains(link.b())) {
                    seen.extend([link.a().clone(), link.b().clone()]);
                }
            }
            if seen.len() == before {
                break;
            }
        }
        names.insert(start.clone(), seen.first().unwrap().clone());
    }
    names
}

fn named(graph: &IdentityGraph) -> BTreeMap<Node, Node> {
    graph.nodes().map(|(node, name)| (node.clone(), name.clone())).collect()
}

fn facts(graph: &IdentityGraph) -> Vec<Link> {
    let mut links: Vec<_> = graph.links().collect();
    links.sort_by_key(Link::id);
    links
}

fn any_link() -> impl Strategy<Value = Link> {
    let ends = ("[0-9]", "[0-9]", 0..7usize, 0..5i64, 0..3i64, 0..4u128);
    ends.prop_filter_map("ends in one node", |(a, b, kind, from, length, proof)| {
        let (kind, a, b) = match kind {
            0 => (LinkKind::SessionOf, format!("aws:key:{a}"), format!("aws:role-session:{b}")),
            6 => (LinkKind::SeenInSession, format!("aws:key:{a}"), format!("aws:role-session:{b}")),
            1 => (LinkKind::AssumedRole, format!("aws:key:{a}"), format!("aws:key:{b}")),
            2 => (LinkKind::AssumedRole, format!("aws:key:{a}"), format!("aws:user:{b}")),
            3 => (LinkKind::SameMail, format!("entra:user:{a}"), format!("mail:{b}")),
            4 => (LinkKind::Federated, format!("aws:key:{a}"), format!("mail:{b}")),
            _ => (LinkKind::Impersonates, format!("gcp:user:{a}"), format!("gcp:sa:{b}")),
        };
        Link::new(kind, node(&a), node(&b), (from, from + length), EventKey(proof))
    })
}

proptest! {
    #[test]
    fn order_and_repetition_change_nothing(
        links in proptest::collection::vec(any_link(), 0..30),
        again in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
        seed in any::<u64>(),
    ) {
        let mut shuffled = links.clone();
        if !links.is_empty() {
            shuffled.extend(again.iter().map(|index| links[index.index(links.len())].clone()));
        }
        shuffled.sort_by_key(|link| foldhash::fast::FixedState::with_seed(seed).hash_one((link.id(), link.from_us())));
        let (one, other) = (graph(&links), graph(&shuffled));
        prop_assert_eq!(named(&one), named(&other));
        prop_assert_eq!(named(&one), expected(&links));
        prop_assert_eq!(facts(&one), facts(&other));
        let reloaded = graph(&facts(&one));
        prop_assert_eq!(named(&one), named(&reloaded));
    }

    #[test]
    fn undone_is_as_if_never_added(
        links in proptest::collection::vec(any_link(), 1..30),
        gone in proptest::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let mut graph_of_all = graph(&links);
        let gone: BTreeSet<_> = gone.iter().map(|index| links[index.index(links.len())].id()).collect();
        for id in &gone {
            graph_of_all.undo(*id);
        }
        let rest: Vec<_> = links.into_iter().filter(|link| !gone.contains(&link.id())).collect();
        let names = expected(&rest);
        for (node, name) in graph_of_all.nodes() {
            prop_assert_eq!(name, names.get(node).unwrap_or(node));
        }
        prop_assert_eq!(facts(&graph_of_all), facts(&graph(&rest)));
    }

    #[test]
    fn changes_tell_the_whole_story(links in proptest::collection::vec(any_link(), 0..30)) {
        // Whoever follows the changes knows every name.
        let mut graph = IdentityGraph::new(1000);
        for link in &links {
            let before = named(&graph);
            let change = graph.add(link);
            for (node, name) in named(&graph) {
                let old = before.get(&node).unwrap_or(&node).clone();
                match &change {
                    None => prop_assert_eq!(name, old),
                    Some(Change::Merged(merged)) if merged.gone.contains(&old) => prop_assert_eq!(name, merged.kept.clone()),
                    Some(Change::Split(split)) if old == split.whole => prop_assert!(split.parts.contains(&name)),
                    Some(_) => prop_assert_eq!(name, old),
                }
            }
        }
    }
}

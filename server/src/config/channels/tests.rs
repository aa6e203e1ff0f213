use std::collections::BTreeSet;

use super::super::load;
use super::*;

fn problems(text: &str) -> Vec<String> {
    let text = format!("[[channels]]\nname = \"c\"\n{text}\n");
    load::load("s.toml", Some(&text), std::iter::empty())
        .map(|_| Vec::new())
        .unwrap_or_else(|found| found.iter().map(ToString::to_string).collect())
}

/// The examples of the page are good, and there is one of every kind.
#[test]
fn examples_of_the_page_are_good() {
    let page = include_str!("../../../../docs/channels.md");
    let mut kinds = BTreeSet::new();
    for example in page.split("```toml\n").skip(1) {
        let (text, _) = example.split_once("```").unwrap();
        let channels = load::load("s.toml", Some(text), std::iter::empty())
            .unwrap_or_else(|found| panic!("{text}\n{found:?}"))
            .channels;
        for channel in channels {
            let opened = channel.open(Client::new(EgressPolicy::default()).unwrap()).unwrap();
            assert_eq!(opened.kind(), channel.kind.name);
            kinds.insert(channel.kind.name);
        }
    }
    assert_eq!(kinds, KINDS.iter().map(|kind| kind.name).collect::<BTreeSet<_>>());
}

#[test]
fn what_is_wrong_is_told_with_its_mend() {
    for (text, told) in [
        ("", "s.toml:1:1: error: `channels.kind`: a channel needs a kind; use one of webhook, slack"),
        ("kind = \"slak\"", "`channels.kind`: there is no channel of the kind `slak`; did you mean `slack`?"),
        ("kind = \"teams\"", "`channels.url`: a `teams` channel needs it; set it: Where the address"),
        (
            "kind = \"teams\"\nurl = \"https://x.example.com/?sig=hunter2\"",
            "s.toml:4:7: error: `channels.url`: it is not",
        ),
        (
            "kind = \"slack\"\ntoken = \"env:T\"\nurl = \"env:U\"",
            "either it is needed, with `channel`, or `url`; not both",
        ),
        (
            "kind = \"slack\"\ntoken = \"env:T\"\nchannel = \"#a\"",
            "`channels.channel`: this is no id of a channel; take the id",
        ),
        (
            "kind = \"slack\"\ntoken = \"env:T\"\nchanel = \"C1\"",
            "`channels.chanel`: a `slack` channel has no such setting; did you mean `channel`?",
        ),
        (
            "kind = \"webhook\"\nurl = \"hunter2\"",
            "`channels.url`: this is no address and no reference to one; write https://",
        ),
        (
            "kind = \"webhook\"\nurl = \"env:U\"\nsecrets = [\"whsec_hunter2\"]",
            "`channels.secrets`: one of these is no reference to a secret; write `env:NAME`",
        ),
        (
            "kind = \"webhook\"\nurl = \"env:U\"\nheaders = [\"X-Key=hunter2\"]",
            "`channels.headers`: one of these is no reference to a secret",
        ),
        (
            "kind = \"webhook\"\nurl = \"env:U\"\nheaders = [\"Host=env:H\"]",
            "`channels.headers`: one of these headers cannot be set",
        ),
        (
            "kind = \"webhook\"\nurl = \"env:U\"\ntemplate = \"{{ titel }}\"",
            "`channels.template`: nothing is called `titel`; use one of json",
        ),
        (
            "kind = \"email\"\nserver = \"smtp.example.com:25\"\ntls = \"none\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]",
            "`channels.tls`: without TLS everybody on the way reads what is found",
        ),
        (
            "kind = \"email\"\nserver = \"smtp.example.com:587\"\nfrom = \"a\"\nto = [\"b@example.com\"]",
            "`channels.from`: `a` is no mail address",
        ),
        (
            "kind = \"syslog\"\nserver = \"siem.example.com:6514\"\nca_file = \"/nowhere/ca.pem\"",
            "`channels.ca_file`: `/nowhere/ca.pem` cannot be read",
        ),
        (
            "kind = \"jira\"\nsite = \"https://a.example.com\"\nuser = \"a@example.com\"\ntoken = \"env:T\"\nproject = \"sec\"",
            "`channels.project`: this is no key of a project",
        ),
        (
            "kind = \"jira\"\nsite = \"https://a.example.com\"\ntoken = \"env:T\"\nproject = \"SEC\"",
            "`channels.user`: this is no account; write its mail address",
        ),
        (
            "kind = \"jira\"\nedition = \"data-center\"\nsite = \"https://a.example.com\"\nuser = \"ann\"\ntoken = \"env:T\"\nproject = \"SEC\"",
            "`channels.user`: Jira Data Center knows the user by the token; leave it out",
        ),
    ] {
        let found = problems(text);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].contains(told), "{}", found[0]);
        assert!(!found[0].contains("hunter2"), "{}", found[0]);
    }
    let twice =
        "kind = \"teams\"\nurl = \"env:U\"\n[[channels]]\nname = \"c\"\nkind = \"teams\"\nurl = \"env:U\"";
    assert!(problems(twice)[0].contains("there are two channels called `c`"));
}

#[test]
fn users_are_who_they_are_said_to_be() {
    let text = "[[channels]]\nname = \"c\"\nkind = \"slack\"\nurl = \"env:U\"\n";
    let one = |text: &str| load::load("s.toml", Some(text), std::iter::empty()).unwrap().channels.remove(0);
    assert_eq!(one(text).user("U1", "eve").as_deref(), Some("slack:eve"));
    let listed = one(&format!("{text}users = [\"U1=ann\"]\n"));
    assert_eq!((listed.user("U1", "eve").as_deref(), listed.user("U2", "ann")), (Some("ann"), None));
}

//! What the tests of all channels need.

use std::time::Duration;

use egress::{Client, EgressPolicy};

use super::{Outcome, Secret};

/// A client that may speak to this machine.
pub(crate) fn client() -> Client {
    let allow = vec!["http://127.0.0.0/8".parse().unwrap()];
    Client::new(EgressPolicy { allow, ..EgressPolicy::default() }).unwrap()
}

/// A secret that is known.
pub(crate) fn fixed(text: &str) -> Secret {
    let text = text.to_owned();
    Secret::new(move || Ok(text.clone()))
}

/// An outcome in a word.
pub(crate) fn fate(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered { .. } => "delivered".into(),
        Outcome::Retry { after: None, .. } => "retry".into(),
        Outcome::Retry { after: Some(after), .. } => format!("retry {after:?}"),
        Outcome::Refused { .. } => "refused".into(),
        Outcome::Disabled { .. } => "disabled".into(),
    }
}

#[test]
fn statuses_have_their_fate() {
    let answer = |status: u16, headers: &[(&str, &str)]| egress::Answer {
        status,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: Vec::new().into(),
        whole: true,
    };
    for (status, fate_of) in [
        (200, "delivered"),
        (202, "delivered"),
        (204, "delivered"),
        (301, "disabled"),
        (302, "disabled"),
        (400, "refused"),
        (401, "disabled"),
        (403, "disabled"),
        (404, "disabled"),
        (408, "retry"),
        (410, "disabled"),
        (413, "refused"),
        (422, "refused"),
        (425, "retry"),
        (429, "retry"),
        (500, "retry"),
        (502, "retry"),
        (504, "retry"),
    ] {
        assert_eq!(fate(&super::http::outcome(&answer(status, &[]))), fate_of, "{status}");
    }
    for (value, after) in [
        ("5", Some(Duration::from_millis(5_500))),
        ("0.3", Some(Duration::from_millis(800))),
        ("1e99", None),
        ("-1", None),
        ("NaN", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("99999999", Some(Duration::from_secs(86_400))),
    ] {
        assert_eq!(super::http::retry_after(&answer(429, &[("retry-after", value)])), after, "{value}");
    }
}

#[tokio::test]
async fn an_address_that_is_not_allowed_disables() {
    let hook = super::Teams::new(
        Client::new(EgressPolicy::default()).unwrap(),
        fixed("https://127.0.0.1/?sig=hunter2"),
    );
    let told = super::sample::alert();
    let outcome = super::Channel::send(&hook, super::sample::delivery(&told)).await;
    assert_eq!(fate(&outcome), "disabled", "{outcome:?}");
    assert!(!format!("{outcome:?}").contains("hunter2"));
    let none = super::Teams::new(client(), Secret::new(|| Err("the file is not there".into())));
    assert_eq!(fate(&super::Channel::send(&none, super::sample::delivery(&told)).await), "retry");
    let broken = super::Teams::new(client(), fixed("hunter2"));
    let outcome = super::Channel::send(&broken, super::sample::delivery(&told)).await;
    assert_eq!(fate(&outcome), "disabled");
    assert!(!format!("{outcome:?}").contains("hunter2"));
}

/// A key and a certificate for `localhost` that is its own authority: `cert.pem` and `key.pem` in `folder`.
pub(crate) fn certificate(folder: &std::path::Path) {
    let made = std::process::Command::new("openssl")
        .current_dir(folder)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,DNS:smtp.example.com"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// A Python that has these modules; `None`, loudly, where there is none.
pub(crate) fn python(modules: &str) -> Option<String> {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/venv/bin/python");
    let python = std::env::var("STORMGLASS_PYTHON").unwrap_or_else(|_| venv.to_owned());
    let ready = std::process::Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if ready.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "{modules} are missing; scripts/need installs them");
    println!("skipped: no {modules} at {python}; `scripts/need test` installs them");
    None
}

/// A line of JSON each, as readers that others wrote take them.
pub(crate) fn lines(bodies: impl IntoIterator<Item = serde_json::Value>) -> String {
    bodies.into_iter().map(|body| format!("{body}\n")).collect()
}

/// Runs a script with a text as its standard input; returns what it prints.
pub(crate) fn run(python: &str, script: &str, input: &str) -> String {
    run_with(python, "-c", script, input)
}

fn run_with(program: &str, flag: &str, script: &str, input: &str) -> String {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut child = std::process::Command::new(program)
        .args([flag, script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let written = writer.join().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    written.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A file of a Node package; `None`, loudly, where it is not.
pub(crate) fn node_module(path: &str) -> Option<String> {
    let file = format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/node/node_modules/{}"), path);
    if std::path::Path::new(&file).exists() {
        return Some(file);
    }
    assert!(std::env::var_os("CI").is_none(), "{path} is missing; scripts/need installs it");
    println!("skipped: no {file}; `scripts/need test` installs it");
    None
}

/// Runs a script of Node with a text as its standard input; returns what it prints.
pub(crate) fn run_node(script: &str, input: &str) -> String {
    run_with("node", "-e", script, input)
}

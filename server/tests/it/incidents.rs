//! Incidents through the binary: one person in two clouds, evidence packages, people, restarts.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::running::{Server, outcome, root, run, sql};

const RULES: &str = "
title: Trail stopped
id: 5f0f0a34-6a49-4f6e-9a05-1e2b0a5f0001
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: StopLogging}, condition: selection}
tags: [attack.defense-impairment]
level: high
---
title: Secret read
id: 5f0f0a34-6a49-4f6e-9a05-1e2b0a5f0002
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: GetSecretValue}, condition: selection}
tags: [attack.exfiltration]
level: medium
---
title: Sign-in from a new place
id: 5f0f0a34-6a49-4f6e-9a05-1e2b0a5f0003
logsource: {product: azure, service: signinlogs}
detection: {selection: {resultType: '0'}, condition: selection}
tags: [attack.initial-access]
level: medium
";

/// A sign-in of ana, whose address her provider vouches for.
fn signin(minute: usize) -> String {
    format!(
        r#"{{"time":"2026-03-02T10:{minute:02}:00.0000000Z","resourceId":"/tenants/aaaabbbb-0000-4ccc-a111-dddd2222eeee/providers/Microsoft.aadiam","operationName":"Sign-in activity","operationVersion":"1.0","category":"SignInLogs","tenantId":"aaaabbbb-0000-4ccc-a111-dddd2222eeee","resultType":"0","resultSignature":"None","durationMs":0,"callerIpAddress":"203.0.113.9","correlationId":"c{minute}","identity":"Ana Example","Level":4,"location":"DE","properties":{{"id":"00000000-1111-4bbb-accc-0000000000{minute:02}","createdDateTime":"2026-03-02T10:{minute:02}:00.0000000Z","userDisplayName":"Ana Example","userPrincipalName":"ana@example.com","userId":"00000000-aaaa-4bbb-accc-000000000077","appId":"c44b4083-3bb0-49c1-b47d-974e53cbdf3c","appDisplayName":"Azure Portal","ipAddress":"203.0.113.9","status":{{"errorCode":0}},"clientAppUsed":"Browser"}}}}"#
    )
}

fn call(id: &str, minute: usize, name: &str, identity: &str, rest: &str, address: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{identity},"eventTime":"2026-03-02T10:{minute:02}:00Z","eventSource":"x.amazonaws.com","eventName":"{name}"{rest},"awsRegion":"us-east-1","sourceIPAddress":"{address}","userAgent":"aws-cli/2","eventID":"{id}","requestID":"r{id}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
    )
}

/// The session that a SAML assertion about ana began.
const SESSION: &str = r#"{"type":"AssumedRole","principalId":"AROAX:work","arn":"arn:aws:sts::111122223333:assumed-role/Admin/work","accountId":"111122223333","accessKeyId":"ASIAANA00000000000001","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAX","arn":"arn:aws:iam::111122223333:role/Admin","accountId":"111122223333","userName":"Admin"},"attributes":{"creationDate":"2026-03-02T10:05:00Z","mfaAuthenticated":"false"}}}"#;

fn saml(minute: usize) -> String {
    let identity = r#"{"type":"SAMLUser","principalId":"x:ana@example.com","userName":"ana@example.com","identityProvider":"https://sts.windows.net/aaaabbbb-0000-4ccc-a111-dddd2222eeee/"}"#;
    let rest = r#","requestParameters":{"roleArn":"arn:aws:iam::111122223333:role/Admin","principalArn":"arn:aws:iam::111122223333:saml-provider/entra"},"responseElements":{"subject":"ana@example.com","subjectType":"persistent","issuer":"https://sts.windows.net/aaaabbbb-0000-4ccc-a111-dddd2222eeee/","credentials":{"accessKeyId":"ASIAANA00000000000001","expiration":"Mar 2, 2026, 11:05:00 AM","sessionToken":"t"},"assumedRoleUser":{"assumedRoleId":"AROAX:work","arn":"arn:aws:sts::111122223333:assumed-role/Admin/work"}}"#;
    call("saml", minute, "AssumeRoleWithSAML", identity, rest, "203.0.113.9")
        .replace("x.amazonaws.com", "sts.amazonaws.com")
}

fn user(name: &str) -> String {
    format!(
        r#"{{"type":"IAMUser","principalId":"AIDA{name}","arn":"arn:aws:iam::111122223333:user/{name}","accountId":"111122223333","accessKeyId":"AKIA{name}","userName":"{name}"}}"#
    )
}

/// Ana in Entra, then in AWS; and others who do the same from behind one shared address.
pub(crate) fn records() -> Vec<String> {
    let mut records = vec![
        signin(1),
        saml(5),
        call("stop", 9, "StopLogging", SESSION, "", "198.51.100.4"),
        call("read", 12, "GetSecretValue", SESSION, "", "198.51.100.4"),
    ];
    for n in 0..5 {
        records.push(call(
            &format!("nat{n}"),
            20 + n,
            "StopLogging",
            &user(&format!("u{n}")),
            "",
            "192.0.2.1",
        ));
    }
    records
}

pub(crate) struct Folder {
    pub(crate) folder: tempfile::TempDir,
    rules: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("rules.yml");
        std::fs::write(&rules, RULES).unwrap();
        let rules = rules.to_string_lossy().into_owned();
        Self { folder, rules }
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn settings(&self) -> Vec<(&str, &str)> {
        vec![
            ("STORMGLASS_RULES_SHIPPED", "false"),
            ("STORMGLASS_RULES_PATHS", &self.rules),
            ("STORMGLASS_IDENTITY_MAIL_DOMAINS", "example.com"),
        ]
    }

    pub(crate) fn write(&self, name: &str, records: &[String]) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, records.join("\n")).unwrap();
        path.to_string_lossy().into_owned()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> std::process::Output {
        let data = self.data().to_string_lossy().into_owned();
        let mut command = crate::running::command(&["--data", &data, "-q"]);
        command.args(arguments).envs(self.settings()).output().unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(arguments)).unwrap()
    }

    pub(crate) fn incidents(&self) -> Vec<Value> {
        self.json(&["incidents", "list", "--json", "--limit", "500"])["incidents"].as_array().unwrap().clone()
    }
}

/// The incident of ana, who alone is in two clouds.
fn of_ana(incidents: &[Value]) -> &Value {
    let found: Vec<_> =
        incidents.iter().filter(|incident| incident["providers"].as_array().unwrap().len() == 2).collect();
    assert_eq!(found.len(), 1, "{incidents:#?}");
    found[0]
}

#[test]
fn one_person_in_two_clouds_is_one_incident_and_a_shared_address_is_none() {
    let folder = Folder::new();
    folder.run(&["ingest", &folder.write("all.ndjson", &records())]);
    let incidents = folder.incidents();
    assert_eq!(incidents.len(), 6, "{incidents:#?}");
    let ana = of_ana(&incidents);
    assert_eq!((&ana["alerts"], &ana["severity"]), (&3.into(), &"critical".into()), "{ana}");
    assert_eq!(ana["progress"], serde_json::json!(["initial-access", "defense-impairment", "exfiltration"]));
    let id = ana["id"].as_str().unwrap();
    let shown = folder.json(&["incidents", "show", &id[..10], "--json"]);
    let why: Vec<_> = shown["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member["joined_because"].as_str().unwrap())
        .collect();
    assert_eq!(why[0], "it is the first");
    assert!(why[1..].iter().all(|why| why.contains("the same actor `")), "{why:?}");
    let events: Vec<_> = shown["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["operation"].as_str().unwrap())
        .collect();
    assert_eq!(&events[1..], ["StopLogging", "GetSecretValue"]);
    let text = folder.run(&["incidents", "show", id]);
    for part in [
        "joined because: the same actor",
        "due 20",
        "opened by stormglass",
        "in order:     initial-access, then",
    ] {
        assert!(text.contains(part), "`{part}`: {text}");
    }
    // The same in SQL, and the same records again change nothing.
    folder.run(&["ingest", &folder.write("again.ndjson", &records())]);
    let rows = sql(
        &folder.data(),
        "SELECT i.id, count(*) AS n FROM incidents i JOIN incident_alerts a ON a.incident_id = i.id WHERE i.merged_into IS NULL GROUP BY i.id",
    );
    assert_eq!(rows.len(), 6);
    let mine = rows.iter().find(|row| row["id"] == id).unwrap();
    assert_eq!(mine["n"], 3);
    // Who is at risk, by any of their names.
    let ranked = folder.json(&["entities", "risk", "--json"]);
    let mut people = ranked["entities"].as_array().unwrap().iter().filter(|one| one["kind"] == "identity");
    let first = people.next().unwrap();
    assert_eq!(first["alerts"], 3, "{ranked}");
    let one = folder.json(&["entities", "risk", "ASIAANA00000000000001", "--json"]);
    assert_eq!(
        (&one["entities"][0]["entity"], one["parts"].as_array().unwrap().len()),
        (&first["entity"], 3)
    );
    let rows = sql(
        &folder.data(),
        "SELECT entity, alerts FROM entity_risk WHERE kind = 'identity' ORDER BY alerts DESC LIMIT 1",
    );
    assert_eq!(rows[0]["entity"], first["entity"]);
    let unknown = folder.command(&["entities", "risk", "nobody"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no alert is about `nobody`"));
}

#[test]
fn any_order_of_arrival_gives_the_same_incidents() {
    let told = |order: &[usize]| {
        let folder = Folder::new();
        let records = records();
        for (n, at) in order.iter().enumerate() {
            folder.run(&["ingest", &folder.write(&format!("{n}.ndjson"), &records[*at..=*at])]);
        }
        let mut told: Vec<_> = folder
            .incidents()
            .into_iter()
            .map(|incident| {
                (incident["id"].to_string(), incident["alerts"].to_string(), incident["title"].to_string())
            })
            .collect();
        told.sort();
        told
    };
    let forward = told(&[0, 1, 2, 3, 4]);
    assert_eq!(forward.len(), 2);
    assert_eq!(told(&[3, 2, 4, 0, 1]), forward, "what ties the names together comes last");
}

#[test]
fn people_work_on_incidents_and_decide_what_belongs_together() {
    let folder = Folder::new();
    folder.run(&["ingest", &folder.write("all.ndjson", &records())]);
    let incidents = folder.incidents();
    let id = of_ana(&incidents)["id"].as_str().unwrap().to_owned();
    // Nobody is told here, and what would be told is known all the same: by the id or its beginning.
    for wanted in [&id[..12], &id] {
        let preview = folder.json(&["notify", "preview", wanted, "--json"]);
        assert_eq!(preview["title"], of_ana(&incidents)["title"], "{preview}");
        assert_eq!(preview["taken"], serde_json::json!([]));
    }
    let nothing = folder.command(&["notify", "preview", "0123456789ab"]);
    assert!(!nothing.status.success());
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("0123456789ab"));
    folder.run(&["incidents", "acknowledge", &id[..12]]);
    folder.run(&["incidents", "assign", &id, "--to", "eve"]);
    folder.run(&["incidents", "assign", &id, "dana"]);
    folder.run(&["incidents", "comment", &id, "keys are revoked"]);
    let shown = folder.json(&["incidents", "show", &id, "--json"]);
    assert_eq!((&shown["owner"], &shown["status"]), (&"dana".into(), &"acknowledged".into()));
    // A split holds against the next alert, which goes where it is nearest.
    let read = shown["members"][2]["alert"].as_str().unwrap().to_owned();
    let split = folder.run(&["incidents", "split", &id, "--alert", &read[..12], "--reason", "a drill"]);
    assert!(split.contains("1 alerts") || split.contains("2 alerts"), "{split}");
    // The history says who parted them, and why.
    let told = |shown: &Value, change: &str| -> Vec<String> {
        let history = shown["history"].as_array().unwrap().iter();
        let told = history.filter(|step| step["change"] == change);
        told.map(|step| format!("{}: {}", step["by"].as_str().unwrap(), step["reason"].as_str().unwrap()))
            .collect()
    };
    let rest = folder.json(&["incidents", "show", &id, "--json"]);
    assert_eq!(told(&rest, "split"), [format!("cli: a drill; taken out: {}", &read[..12])]);
    let late = call("late", 10, "StopLogging", SESSION, "", "198.51.100.4");
    folder.run(&["ingest", &folder.write("late.ndjson", &[late])]);
    let shown = folder.json(&["incidents", "show", &id, "--json"]);
    assert!(
        shown["members"].as_array().unwrap().iter().all(|member| member["alert"] != read.as_str()),
        "{shown}"
    );
    assert_eq!(shown["alerts"], 3);
    // Two strangers who are one.
    let incidents = folder.incidents();
    let others: Vec<_> = incidents
        .iter()
        .filter(|one| one["id"] != id.as_str())
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    let merged = folder.run(&["incidents", "merge", others[0], others[1], "--reason", "one intruder"]);
    assert!(merged.contains("2 alerts"), "{merged}");
    assert_eq!(folder.incidents().len(), incidents.len() - 1);
    let one = folder.json(&["incidents", "show", others[0], "--json"]);
    let other = folder.json(&["incidents", "show", others[1], "--json"]);
    assert_eq!(one["id"], other["id"], "both ids lead to it");
    let merged = told(&one, "merged");
    assert_eq!(merged.len(), 2, "{merged:?}");
    assert!(
        merged.iter().all(|line| line.starts_with("cli: ") && line.ends_with(": one intruder")),
        "{merged:?}"
    );
    folder.run(&["incidents", "close", &id, "--verdict", "true_positive", "--reason", "done"]);
    let again = folder.command(&["incidents", "acknowledge", &id]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is closed and cannot be acknowledged"));
    for (arguments, said) in [
        (vec!["incidents", "show", "ffffffffffff"], "there is no incident `ffffffffffff`"),
        (vec!["incidents", "close", &id, "--verdict", "refuted", "--reason", "x"], "only late events refute"),
        (vec!["incidents", "list", "--status", "open"], "choose new, acknowledged, in_progress or closed"),
    ] {
        let output = folder.command(&arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && stderr.contains(said), "{arguments:?}: {stderr}");
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Verified by the binary and by what every system has: `sha256sum` and Python.
#[test]
fn an_evidence_package_is_whole_and_every_change_is_found() {
    let folder = Folder::new();
    folder.run(&["ingest", &folder.write("all.ndjson", &records())]);
    let id = of_ana(&folder.incidents())["id"].as_str().unwrap().to_owned();
    let path = |name: &str| folder.folder.path().join(name);
    let text = |name: &str| path(name).to_string_lossy().into_owned();
    let hash = folder.run(&["incidents", "export", &id, "--to", &text("case.zip")]);
    let second = folder.run(&["incidents", "export", &id[..8], "--to", &text("case")]);
    let (hash, second) = (hash.trim(), second.trim());
    let verified: Value =
        serde_json::from_str(&run(&["incidents", "verify", &text("case.zip"), "--sha256", hash, "--json"]))
            .unwrap();
    assert_eq!((&verified["valid"], &verified["sha256"]), (&true.into(), &hash.into()));
    let told = run(&["incidents", "verify", &text("case"), "--sha256", second]);
    assert!(told.contains(&format!("previous:  {hash}")), "{told}");
    // Another package is not the one that was expected.
    assert_eq!(outcome(&["incidents", "verify", &text("case"), "--sha256", hash]).status.code(), Some(1));
    // What the history says.
    let shown = folder.json(&["incidents", "show", &id, "--json"]);
    let exports: Vec<_> =
        shown["history"].as_array().unwrap().iter().filter(|step| step["change"] == "exported").collect();
    assert_eq!(exports.len(), 2);
    assert!(exports[0]["reason"].as_str().unwrap().contains(hash));
    // The records are as they were sent.
    let lines = std::fs::read_to_string(path("case/records.ndjson")).unwrap();
    let raw: Vec<String> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["raw"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(raw.len(), 3);
    assert!(records()[2..4].iter().all(|record| raw.contains(record)), "{raw:?}");
    let sums = Command::new("sha256sum")
        .args(["-c", "--strict", "--quiet", "SHA256SUMS"])
        .current_dir(path("case"))
        .output();
    match sums {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => println!("skipped: there is no sha256sum"),
    }
    let python = "import hashlib,json,os,sys\nd=sys.argv[1]\nh=lambda n:hashlib.sha256(open(os.path.join(d,n),'rb').read()).hexdigest()\nm=json.load(open(os.path.join(d,'manifest.json')))\nf={e['path']:e['sha256'] for e in m['files']}\nassert set(os.listdir(d))==set(f)|{'manifest.json','SHA256SUMS'}\nassert all(h(n)==s for n,s in f.items())\nprint(h('manifest.json'))\n";
    match Command::new("python3").args(["-c", python, &text("case")]).output() {
        Ok(output) => assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            second,
            "{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(_) => println!("skipped: there is no python3"),
    }
    let unzipped = Command::new("python3").args(["-m", "zipfile", "-t", &text("case.zip")]).output();
    if let Ok(output) = unzipped {
        assert!(output.status.success(), "other programs read the archive, too");
    }
    // Nothing is written over.
    let again = folder.command(&["incidents", "export", &id, "--to", &text("case.zip")]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("is there already"));
    let refused = |name: &str, said: &str| {
        let output = outcome(&["incidents", "verify", &text(name)]);
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.code() == Some(1) && stdout.contains(said), "{name}: {stdout}");
    };
    flip(&path("case/report.html"), 1000);
    refused("case", "`report.html` was changed");
    flip(&path("case/report.html"), 1000);
    std::fs::write(path("case/extra"), "x").unwrap();
    refused("case", "`extra` was added");
    std::fs::remove_file(path("case/extra")).unwrap();
    std::fs::remove_file(path("case/report.md")).unwrap();
    refused("case", "`report.md` is missing");
    flip(&path("case.zip"), 5000);
    refused("case.zip", "");
    assert_eq!(outcome(&["incidents", "verify", "/nowhere/at/all.zip"]).status.code(), Some(1));
}

/// A server that is killed at any moment, and what it has when it is back.
#[test]
fn a_killed_server_loses_and_doubles_no_incident() {
    let folder = Folder::new();
    let expected = {
        let whole = Folder::new();
        whole.run(&["ingest", &whole.write("all.ndjson", &records())]);
        board(&whole.incidents())
    };
    let mut settings = folder.settings();
    settings.push(("STORMGLASS_INCIDENTS_ACKNOWLEDGE_CRITICAL", "1 ms"));
    for (n, record) in records().iter().enumerate() {
        let server = Server::start(&folder.data(), &settings);
        let log = folder.write(&format!("{n}.ndjson"), std::slice::from_ref(record));
        run(&["--url", &server.url, "-q", "ingest", &log]);
        if n % 2 == 0 {
            // Looking makes incidents; what is not looked at is made within a second, or by the next life.
            run(&["--url", &server.url, "incidents", "list"]);
        }
        server.kill();
    }
    let server = Server::start(&folder.data(), &settings);
    let list = || -> Vec<Value> {
        let out = run(&["--url", &server.url, "incidents", "list", "--json"]);
        serde_json::from_str::<Value>(&out).unwrap()["incidents"].as_array().unwrap().clone()
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while board(&list()) != expected {
        assert!(std::time::Instant::now() < deadline, "{:#?}\nexpected {expected:#?}", board(&list()));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // Nobody took the critical one in time.
    let late = run(&["--url", &server.url, "incidents", "list", "--overdue", "--json"]);
    let late: Value = serde_json::from_str(&late).unwrap();
    assert_eq!(late["incidents"].as_array().unwrap().len(), 1, "{late}");
    server.terminate();
}

/// Id, alerts and title of each.
/// Two people who read the same incident: the second is told that it has changed.
#[tokio::test]
async fn who_knows_an_older_incident_changes_nothing() {
    let folder = Folder::new();
    let server = Server::start(&folder.data(), &folder.settings());
    run(&["--url", &server.url, "-q", "ingest", &folder.write("all.ndjson", &records())]);
    let client = reqwest::Client::new();
    let list: Value = {
        client.get(format!("{}/api/v1/sources?verify=true", server.url)).send().await.unwrap();
        let list = client.get(format!("{}/api/v1/incidents", server.url)).send().await.unwrap();
        assert!(list.headers().contains_key("etag"));
        list.json().await.unwrap()
    };
    let id = list["incidents"][0]["id"].as_str().unwrap();
    let url = format!("{}/api/v1/incidents/{id}", server.url);
    let read = async |tag: &str| client.get(&url).header("if-none-match", tag).send().await.unwrap();
    let tag = |answer: &reqwest::Response| answer.headers()["etag"].to_str().unwrap().to_owned();
    let first = read("\"0\"").await;
    assert_eq!(first.status(), 200);
    let known = tag(&first);
    assert_eq!(read(&known).await.status(), 304);
    let post = async |step: &str, tag: &str, body: Value| {
        let request = client.post(format!("{url}/{step}")).header("if-match", tag).json(&body);
        let answer = request.send().await.unwrap();
        let tag = answer.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        (answer.status().as_u16(), tag, answer.json::<Value>().await.unwrap())
    };
    // An alert shows its incident, and its tag says when that is another; who changes the alert need not know.
    let shown: Value = client.get(&url).send().await.unwrap().json().await.unwrap();
    let alert = format!("{}/api/v1/alerts/{}", server.url, shown["members"][0]["alert"].as_str().unwrap());
    let of_alert = async |tag: &str| client.get(&alert).header("if-none-match", tag).send().await.unwrap();
    let known_alert = tag(&of_alert("\"0\"").await);
    assert_eq!(of_alert(&known_alert).await.status(), 304);
    let (status, next, body) = post("comment", &known, serde_json::json!({"text": "mine"})).await;
    assert_eq!(status, 200, "{body}");
    let next = next.unwrap();
    assert_eq!(next, format!("\"{}\"", body["revision"]));
    let (status, _, body) = post("acknowledge", &next, serde_json::json!({})).await;
    assert_eq!(status, 200, "{body}");
    let next = format!("\"{}\"", body["revision"]);
    assert_eq!(of_alert(&known_alert).await.status(), 200, "its incident is acknowledged");
    let request = client.post(format!("{alert}/comments")).header("if-match", &known_alert);
    let answer = request.json(&serde_json::json!({"text": "still the same alert"})).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let steps = [
        ("acknowledge", serde_json::json!({})),
        ("assign", serde_json::json!({"owner": "eve"})),
        ("comment", serde_json::json!({"text": "late"})),
        ("close", serde_json::json!({"verdict": "benign", "reason": "late"})),
        ("merge", serde_json::json!({"with": id, "reason": "late"})),
        ("split", serde_json::json!({"alerts": ["0"], "reason": "late"})),
    ];
    for (step, body) in steps {
        let (status, _, problem) = post(step, &known, body).await;
        assert_eq!((status, &problem["type"]), (412, &"/api/v1/problems#stale".into()), "{step}: {problem}");
    }
    assert_eq!(post("comment", "7", serde_json::json!({"text": "x"})).await.0, 400);
    // What the answer to a change said is enough for the next one; `comment` is another name of `text`.
    assert_eq!(post("comment", &next, serde_json::json!({"comment": "again"})).await.0, 200);
    let again = read(&known).await;
    assert_eq!(again.status(), 200);
    let known = tag(&again);
    // What an alert of it has become is shown, too.
    let shown: Value = again.json().await.unwrap();
    let alert = shown["members"][0]["alert"].as_str().unwrap();
    let acknowledge = format!("{}/api/v1/alerts/{alert}/acknowledge", server.url);
    assert_eq!(client.post(acknowledge).send().await.unwrap().status(), 200);
    assert_eq!(read(&known).await.status(), 200);
    let said = format!("{}/api/v1/alerts/{alert}/comments", server.url);
    let said = client.post(said).json(&serde_json::json!({"comment": "seen"})).send().await.unwrap();
    assert_eq!(said.status(), 200);
    let bulk = serde_json::json!({"ids": [alert], "action": "ack"});
    let bulk = client.post(format!("{}/api/v1/alerts/bulk", server.url)).json(&bulk).send().await.unwrap();
    assert_eq!(bulk.status(), 200);
    server.terminate();
}

fn board(incidents: &[Value]) -> Vec<(String, String, String)> {
    let entry = |one: &Value| (one["id"].to_string(), one["alerts"].to_string(), one["title"].to_string());
    let mut board: Vec<_> = incidents.iter().map(entry).collect();
    board.sort();
    board
}

#[tokio::test]
async fn assets_raise_what_is_at_stake() {
    let folder = Folder::new();
    let assets = folder.folder.path().join("assets.toml");
    let file = "[[assets]]\nname = \"shared exit\"\npatterns = [\"192.0.2.*\"]\ncriticality = \"low\"\n[[indicators]]\nvalue = \"198.51.100.4\"\nconfidence = 100\n";
    std::fs::write(&assets, file).unwrap();
    let path = assets.to_string_lossy().into_owned();
    let mut settings = folder.settings();
    settings.push(("STORMGLASS_RISK_ASSETS", &path));
    settings.push(("STORMGLASS_RISK_THRESHOLD", "100"));
    let server = Server::start(&folder.data(), &settings);
    run(&["--url", &server.url, "-q", "ingest", &folder.write("all.ndjson", &records())]);
    let client = reqwest::Client::new();
    let at = |path: &str| format!("{}/api/v1/{path}", server.url);
    let get =
        async |path: &str| -> Value { client.get(at(path)).send().await.unwrap().json().await.unwrap() };
    // Asking for verified accounts waits for the alerts of what was accepted.
    get("sources?verify=true").await;
    let before = get("incidents").await;
    let asset = serde_json::json!({"name": "u1", "patterns": ["arn:aws:iam::*:user/u1"], "criticality": "critical", "owner": "dana"});
    let answer = client.post(at("assets")).json(&asset).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    for (body, status) in [
        (serde_json::json!({"name": "x", "patterns": ["*"], "criticality": "high"}), 400),
        (serde_json::json!({"name": "x", "patterns": ["a"], "criticality": "huge"}), 400),
        (serde_json::json!({"name": "shared exit", "patterns": ["a"], "criticality": "high"}), 409),
    ] {
        let answer = client.post(at("assets")).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), status, "{body}");
    }
    assert_eq!(get("assets").await["assets"].as_array().unwrap().len(), 2);
    let after = get("incidents").await;
    let severities = |list: &Value| -> Vec<String> {
        let all = list["incidents"].as_array().unwrap().iter();
        all.filter(|one| one["title"].as_str().unwrap().contains("user/u1"))
            .map(|one| one["severity"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        (severities(&before), severities(&after)),
        (vec!["high".to_owned()], vec!["critical".to_owned()])
    );
    // The risk of an alert says what it is made of, and that of a person raises an alert of its own, once.
    let alerts = get("alerts?limit=100").await;
    let find = |title: &str| -> Vec<Value> {
        let all = alerts["alerts"].as_array().unwrap().iter();
        all.filter(|alert| alert["title"] == title).cloned().collect()
    };
    let read = find("Secret read")[0]["id"].as_str().unwrap().to_owned();
    let risk = get(&format!("alerts/{read}/risk")).await;
    let names: Vec<_> =
        risk["parts"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["severity", "confidence", "indicator", "rarity"], "{risk}");
    assert!(risk["incident"].is_string());
    let told = find("The Risk Of An Entity Is High");
    assert_eq!(told.len(), 1, "{alerts:#}");
    let answer = client.delete(at("assets/u1")).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(client.delete(at("assets/u1")).send().await.unwrap().status(), 404);
    // A package over HTTP.
    let id = of_ana(after["incidents"].as_array().unwrap())["id"].as_str().unwrap().to_owned();
    let answer = client.post(at(&format!("incidents/{id}/export"))).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/zip");
    let hash = answer.headers()["x-manifest-sha256"].to_str().unwrap().to_owned();
    let package = folder.folder.path().join("http.zip");
    std::fs::write(&package, answer.bytes().await.unwrap()).unwrap();
    run(&["incidents", "verify", &package.to_string_lossy(), "--sha256", &hash]);
    server.terminate();
}

/// The bundled story is one intrusion, and most of what it raises is one incident.
#[test]
fn the_story_is_told_as_few_incidents() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_string_lossy().into_owned();
    run(&["--data", &data, "-q", "ingest", &root().join("demo/story").to_string_lossy()]);
    let alerts = sql(folder.path(), "SELECT count(*) AS n FROM alerts")[0]["n"].as_u64().unwrap();
    let list = sql(
        folder.path(),
        "SELECT id, alerts, title FROM incidents WHERE merged_into IS NULL ORDER BY alerts DESC",
    );
    println!("{alerts} alerts: {list:#?}");
    assert_eq!(list.len(), 1, "{alerts} alerts");
    let of_risk = "SELECT count(*) AS n FROM alerts WHERE rule_id = 'stormglass-entity-risk'";
    let told = sql(folder.path(), of_risk)[0]["n"].as_u64().unwrap();
    assert!((1..=2).contains(&told), "{told} alerts about risk");
    assert_eq!(list[0]["alerts"], alerts, "they are part of it");
}

const SWEEP: &str = "
title: A secret is read
id: 5f0f0a34-6a49-4f6e-9a05-1e2b0a5f0011
name: one_read
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: GetSecretValue}, condition: selection}
level: informational
---
title: Many secrets are read
id: 5f0f0a34-6a49-4f6e-9a05-1e2b0a5f0012
correlation: {type: event_count, rules: [one_read], group-by: [actor], timespan: 1h, condition: {gte: 120}}
level: high
";

/// An alert holds the records of its first and last events; a package has those between from the table.
#[test]
fn records_that_an_alert_only_names_come_from_the_table() {
    let folder = Folder::new();
    std::fs::write(&folder.rules, SWEEP).unwrap();
    let records: Vec<_> = (0..120)
        .map(|n| call(&format!("s{n}"), n / 3, "GetSecretValue", &user("ana"), "", "192.0.2.7"))
        .collect();
    folder.run(&["ingest", &folder.write("sweep.ndjson", &records)]);
    let [incident] = folder.incidents().try_into().unwrap();
    let to = folder.folder.path().join("case");
    let id = incident["id"].as_str().unwrap();
    folder.run(&["incidents", "export", id, "--to", &to.to_string_lossy()]);
    let lines = std::fs::read_to_string(to.join("records.ndjson")).unwrap();
    let raw = |line: &str| serde_json::from_str::<Value>(line).unwrap()["raw"].as_str().unwrap().to_owned();
    let mut found: Vec<_> = lines.lines().map(raw).collect();
    let mut sent = records;
    found.sort();
    sent.sort();
    assert_eq!(found, sent);
    run(&["incidents", "verify", &to.to_string_lossy()]);
}

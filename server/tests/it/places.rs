//! Files of places as their users meet them: columns that they fill, one person at two places in two clouds, files
//! that change and break while the server runs.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::running::{Server, command, sql};

const PLACES: &str = "network,country,city,latitude,longitude\n\
                      198.51.100.0/24,DE,Berlin,52.52,13.405\n\
                      203.0.113.0/24,AU,Sydney,-33.87,151.21\n";

/// Exits of the company's VPN are nowhere.
const EXITS: &str = "network,country,city,latitude,longitude\n203.0.113.0/26,,,,\n";

const TITLE: &str = "A Person At Places Nobody Can Travel Between";

/// Ana begins a session in AWS, with the word of her provider.
fn saml(second: usize, address: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"SAMLUser","principalId":"x:ana@example.com","userName":"ana@example.com","identityProvider":"x"}},"eventTime":"2026-03-02T10:00:{second:02}Z","eventSource":"sts.amazonaws.com","eventName":"AssumeRoleWithSAML","requestParameters":{{"roleArn":"arn:aws:iam::111122223333:role/Admin","roleSessionName":"ana@example.com","principalArn":"arn:aws:iam::111122223333:saml-provider/idp"}},"responseElements":{{"subject":"ana@example.com","subjectType":"persistent","issuer":"https://idp.example.com/","credentials":{{"accessKeyId":"ASIAANA00000000000001"}},"assumedRoleUser":{{"assumedRoleId":"AROAX:ana@example.com","arn":"arn:aws:sts::111122223333:assumed-role/Admin/ana@example.com"}}}},"awsRegion":"eu-central-1","sourceIPAddress":"{address}","userAgent":"Mozilla/5.0","eventID":"saml{second}","requestID":"r{second}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
    )
}

/// The session signs in to the console.
fn console(second: usize, address: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"AssumedRole","principalId":"AROAX:ana@example.com","arn":"arn:aws:sts::111122223333:assumed-role/Admin/ana@example.com","accountId":"111122223333","sessionContext":{{"attributes":{{"creationDate":"2026-03-02T10:00:05Z","mfaAuthenticated":"true"}}}}}},"eventTime":"2026-03-02T10:00:{second:02}Z","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","responseElements":{{"ConsoleLogin":"Success"}},"awsRegion":"eu-central-1","sourceIPAddress":"{address}","userAgent":"Mozilla/5.0","eventID":"console{second}","eventType":"AwsConsoleSignIn","recipientAccountId":"111122223333"}}"#
    )
}

/// Ana changes a project of Google Cloud, 20 minutes later.
fn google(address: &str) -> String {
    format!(
        r#"{{"protoPayload":{{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","authenticationInfo":{{"principalEmail":"ana@example.com","principalSubject":"user:ana@example.com"}},"requestMetadata":{{"callerIp":"{address}","callerSuppliedUserAgent":"Mozilla/5.0"}},"serviceName":"cloudresourcemanager.googleapis.com","methodName":"google.cloud.resourcemanager.v3.Projects.UpdateProject","resourceName":"projects/shop"}},"insertId":"g1","resource":{{"type":"project","labels":{{"project_id":"shop"}}}},"timestamp":"2026-03-02T10:20:05Z","severity":"NOTICE","logName":"projects/shop/logs/cloudaudit.googleapis.com%2Factivity"}}"#
    )
}

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    /// With files of places, the first first.
    fn new(places: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in places {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, places: &[&str], arguments: &[&str]) -> Output {
        let paths: Vec<_> =
            places.iter().map(|name| self.path(name).to_string_lossy().into_owned()).collect();
        let mut command = command(&["--data", &self.path("data").to_string_lossy(), "-q"]);
        command.args(arguments).env("STORMGLASS_IDENTITY_MAIL_DOMAINS", "example.com");
        command.env("STORMGLASS_ENRICH_PLACES", paths.join(":")).output().unwrap()
    }

    fn run(&self, places: &[&str], arguments: &[&str]) -> String {
        let output = self.command(places, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn ingest(&self, places: &[&str], name: &str, records: &[String]) {
        let path = self.path(name);
        std::fs::write(&path, records.join("\n")).unwrap();
        self.run(places, &["ingest", &path.to_string_lossy()]);
    }

    /// The alerts of impossible travel: id, status and why.
    fn travels(&self) -> Vec<(String, String, String)> {
        let alerts = format!("SELECT id, status, joined FROM alerts WHERE title = '{TITLE}' ORDER BY id");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let found = sql(&self.path("data"), &alerts);
        let alert = |row: &Value| {
            let joined: Value = serde_json::from_str(row["joined"].as_str().unwrap()).unwrap();
            (text(&row["id"]), text(&row["status"]), text(&joined["why"]))
        };
        found.iter().map(alert).collect()
    }

    fn places_in(&self, of: &str) -> Vec<String> {
        let columns = "concat_ws(', ', src_endpoint_location_city, src_endpoint_location_country, \
                       src_endpoint_location_provider)";
        let select = format!("SELECT {columns} AS place FROM events WHERE {of} ORDER BY time");
        let found = sql(&self.path("data"), &select);
        found.iter().map(|row| row["place"].as_str().unwrap().to_owned()).collect()
    }
}

const WHY: &str = "16095 km in 0.33 hours, 48486 km/h, from 52.52,13.41 to -33.87,151.21: \
                   Berlin, DE (198.51.100.7, AWS), then Sydney, AU (203.0.113.99, GCP)";

#[test]
fn one_person_in_two_clouds_at_two_places_is_told() {
    let records = [saml(5, "198.51.100.7"), console(10, "198.51.100.7"), google("203.0.113.99")];
    let shuffled = [records[2].clone(), records[0].clone(), records[1].clone()];
    let mut told = Vec::new();
    // In order; the first cloud's log late; each by itself, and all again.
    for deliveries in [vec![records.to_vec()], vec![shuffled.to_vec()], {
        let mut each: Vec<_> = shuffled.iter().map(|record| vec![record.clone()]).collect();
        each.push(records.to_vec());
        each
    }] {
        let folder = Folder::new(&[("own.csv", EXITS), ("places.csv", PLACES)]);
        let places = ["own.csv", "places.csv"];
        for (at, delivery) in deliveries.iter().enumerate() {
            folder.ingest(&places, &format!("{at}.ndjson"), delivery);
        }
        assert_eq!(
            folder.places_in("true"),
            ["Berlin, DE, places.csv", "Berlin, DE, places.csv", "Sydney, AU, places.csv"]
        );
        let found: Vec<_> = folder.travels().into_iter().filter(|(_, status, _)| status == "new").collect();
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].2, WHY);
        // What is stored is asked again: the same alert, without the files.
        let ask = |what: &str| -> Value {
            let arguments = ["rules", what, "impossible_travel", "--since", "2026-03-01", "--json"];
            serde_json::from_str(&folder.run(&[], &arguments)).unwrap()
        };
        let tested = ask("backtest");
        assert_eq!((&tested["alerts"], &tested["first"][0]["id"]), (&1.into(), &found[0].0.as_str().into()));
        let hunted = ask("hunt");
        assert_eq!((&hunted["alerts"], &hunted["raised"]), (&1.into(), &0.into()));
        told.push(found[0].clone());
    }
    assert!(told.iter().all(|alert| *alert == told[0]), "{told:#?}");
}

#[test]
fn networks_that_are_nowhere_are_left_out() {
    let records = [saml(5, "198.51.100.7"), google("203.0.113.9")];
    // A file of one's own says that the address is an exit of the VPN.
    let folder = Folder::new(&[("own.csv", EXITS), ("places.csv", PLACES)]);
    folder.ingest(&["own.csv", "places.csv"], "all.ndjson", &records);
    assert_eq!(folder.places_in("true"), ["Berlin, DE, places.csv", ""]);
    assert_eq!(folder.travels(), []);
    // Or a filter of the rule leaves it out; without either, it is told.
    let filter = "title: Our VPN\nid: 5d9c63f5-38a2-4c61-a2d4-0a63bb5a6a01\nlogsource: {product: ocsf}\nfilter:\n  \
                  rules: [person_is_seen_at_place]\n  selection:\n    src_endpoint_ip|cidr: 203.0.113.0/26\n  condition: not selection\n";
    for (filter, alerts) in [(None, 1), (Some(filter), 0)] {
        let folder = Folder::new(&[("places.csv", PLACES)]);
        let logs = folder.path("logs.ndjson");
        std::fs::write(&logs, records.join("\n")).unwrap();
        let mut command = command(&["--data", &folder.path("data").to_string_lossy(), "-q", "ingest"]);
        command.arg(&logs).env("STORMGLASS_IDENTITY_MAIL_DOMAINS", "example.com");
        command.env("STORMGLASS_ENRICH_PLACES", folder.path("places.csv"));
        if let Some(filter) = filter {
            std::fs::write(folder.path("filter.yml"), filter).unwrap();
            command.env("STORMGLASS_RULES_PATHS", folder.path("filter.yml"));
        }
        assert!(command.output().unwrap().status.success());
        assert_eq!(folder.travels().len(), alerts);
    }
}

#[test]
fn rules_over_files_know_the_places_too() {
    let folder = Folder::new(&[("places.csv", PLACES)]);
    let logs = folder.path("logs.ndjson");
    std::fs::write(&logs, [saml(5, "198.51.100.7"), google("203.0.113.9")].join("\n")).unwrap();
    let logs = logs.to_string_lossy().into_owned();
    // A rule of one's own may ask for the place, of records that are only looked at, too.
    let rule = "title: From Australia\nid: 5d9c63f5-38a2-4c61-a2d4-0a63bb5a6a02\nlogsource: {product: ocsf}\ndetection:\n  \
                s: {src_endpoint_location_country: AU}\n  condition: s\nlevel: low\n";
    std::fs::write(folder.path("rule.yml"), rule).unwrap();
    let rule = folder.path("rule.yml").to_string_lossy().into_owned();
    let found =
        |places: &[&str]| folder.run(places, &["rules", "run", "--rules", &rule, &logs]).lines().count();
    assert_eq!((found(&["places.csv"]), found(&[])), (1, 0));
    let explained =
        |places: &[&str]| folder.run(places, &["rules", "explain", &rule, &format!("{logs}:1"), "--json"]);
    assert!(explained(&["places.csv"]).contains(r#""matches":true"#), "{}", explained(&["places.csv"]));
    assert!(explained(&[]).contains(r#""matches":false"#), "{}", explained(&[]));
}

#[test]
fn a_file_that_is_missing_or_wrong_is_refused_at_the_start() {
    let folder = Folder::new(&[("wrong.csv", "network,country\n198.51.100.0/24,Germany\n")]);
    let refused = |name: &str| {
        let output = folder.command(&[name], &["ingest", &folder.path("wrong.csv").to_string_lossy()]);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refused("gone.mmdb");
    assert!(said.contains("gone.mmdb: error: `enrich.places`: the file of places cannot be read"), "{said}");
    let said = refused("wrong.csv");
    assert!(
        said.contains(
            "wrong.csv:2: error: `country`: `Germany` is no country of two letters; write it as DE"
        ),
        "{said}"
    );
}

#[test]
fn files_change_while_the_server_runs() {
    let folder = Folder::new(&[("places.csv", PLACES)]);
    let path = folder.path("places.csv").to_string_lossy().into_owned();
    let settings = [("STORMGLASS_ENRICH_PLACES", path.as_str()), ("STORMGLASS_RULES_RELOAD_EVERY", "50 ms")];
    let server = Server::start(&folder.path("data"), &settings);
    let client =
        |arguments: &[&str]| crate::running::run(&[&["--url", server.url.as_str()], arguments].concat());
    let until = |what: &str, done: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done() {
            assert!(Instant::now() < deadline, "{what} did not come about within 20 s");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    // Each record is of another second, so that it is another event.
    let second = std::cell::Cell::new(0);
    let city = || {
        second.set(second.get() + 1);
        let log = folder.path("one.ndjson");
        std::fs::write(&log, console(second.get(), "198.51.100.7")).unwrap();
        client(&["ingest", &log.to_string_lossy()]);
        let select = format!(
            "SELECT src_endpoint_location_city AS city FROM events WHERE metadata_uid = 'console{}'",
            second.get()
        );
        let rows: Value = serde_json::from_str(&client(&["sql", "--format", "json", &select])).unwrap();
        rows[0]["city"].as_str().unwrap_or_default().to_owned()
    };
    let alerts = || -> Vec<String> {
        let select = "SELECT status FROM alerts WHERE rule_id = 'stormglass-places-broken'";
        let rows: Value = serde_json::from_str(&client(&["sql", "--format", "json", select])).unwrap();
        rows.as_array().unwrap().iter().map(|row| row["status"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(city(), "Berlin");
    write(&folder.path("places.csv"), &PLACES.replace("Berlin", "Potsdam"));
    until("the new city", &|| city() == "Potsdam");
    write(&folder.path("places.csv"), &PLACES.replace(",DE,Berlin", ",Germany,Berlin"));
    until("the alert about the broken file", &|| alerts() == ["new"]);
    assert_eq!(city(), "Potsdam");
    write(&folder.path("places.csv"), PLACES);
    until("the mended file", &|| alerts() == ["closed"]);
    assert_eq!(city(), "Berlin");
    server.terminate();
}

/// As a good program writes: the file is whole or not there.
fn write(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

//! What a Unix person expects of a command.

use std::io::Write;
use std::process::Stdio;

use crate::running::{command, outcome, root, run};

#[test]
fn exit_codes_and_streams() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_string_lossy().into_owned();
    run(&["--data", &data, "ingest", "-"]);
    for (arguments, code, said) in [
        (vec!["nonsense"], 2, "unrecognized subcommand"),
        (vec!["ingest"], 2, "required"),
        (vec!["--data", "/nowhere/at/all", "sources"], 1, "there is no data in `/nowhere/at/all`"),
        (vec!["--data", &data, "ingest", "/nowhere/at/all"], 1, "/nowhere/at/all"),
        (vec!["--data", &data, "ingest", "--type", "vax", "-"], 2, "aws_cloudtrail"),
        (vec!["--data", &data, "sql", "SELEC 1"], 1, "SELEC"),
        (vec!["--data", &data, "alerts", "show", "ffffffff"], 1, "ffffffff"),
        (vec!["--config", "/nowhere.toml", "config", "check"], 2, "/nowhere.toml"),
        (vec!["--url", "ftp://x", "sources"], 2, "ftp://x"),
        (vec!["--url", "http://127.0.0.1:9", "sources"], 1, "cannot be reached"),
        (vec!["token", "--role", "boss", "--name", "x"], 2, "admin, detection_engineer, analyst"),
    ] {
        let output = outcome(&arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?} wrote to standard output");
    }
}

#[test]
fn configuration_mistakes_are_all_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("s.toml");
    std::fs::write(&config, "[server]\nlisten = 5\n[qurey]\nmemory = 1\n[table]\ncommit_after = \"soon\"\n")
        .unwrap();
    let output = outcome(&["--config", &config.to_string_lossy(), "config", "check"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    for part in
        ["s.toml:2:", "server.listen", "s.toml:3:", "qurey", "s.toml:6:", "table.commit_after", "30 s"]
    {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
}

#[test]
fn the_example_configuration_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("stormglass.toml");
    std::fs::write(&config, run(&["config", "example"])).unwrap();
    run(&["--config", &config.to_string_lossy(), "config", "check"]);
    let shown = run(&["--config", &config.to_string_lossy(), "config", "show"]);
    assert!(shown.contains("[query]"), "{shown}");
}

#[test]
fn standard_input_and_a_closed_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_string_lossy().into_owned();
    let story = std::fs::read(root().join("demo/story/5-gcp-audit.ndjson")).unwrap();
    let mut child = command(&["--data", &data, "ingest", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&story).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(
        run(&["--data", &data, "sql", "--format", "csv", "SELECT count(*) AS n FROM events"]),
        "n\n14\n"
    );
    // `| head -1`: the reader goes early, and that is no error.
    let mut child = command(&[
        "--data",
        &data,
        "sql",
        "--format",
        "ndjson",
        "SELECT a.raw_data FROM events a, events b, events c",
    ])
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn help_and_completions() {
    for words in [vec!["--help"], vec!["ingest", "--help"], vec!["rules", "run", "--help"]] {
        assert!(run(&words).contains("stormglass"), "{words:?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).contains("deadletters"), "{shell}");
    }
}

#[test]
fn rules_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("bad.yml"),
        "title: x\nlogsource:\n  product: aws\ndetection:\n  sel:\n    a|nope: 1\n  condition: sel\n",
    )
    .unwrap();
    let output = outcome(&["rules", "check", &folder.path().to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("bad.yml:6") && said.contains("nope"), "{said}");
    assert!(run(&["rules", "list"]).lines().count() > 20);
}

/// JSON that no log of ours looks like is read by a mapping file, in the server as by `mappings test`.
#[test]
fn a_mapping_file_reads_what_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let mapping = folder.path().join("shop.yml");
    let text = "name: shop\nwhen: {has: [orderId]}\ntime: {path: ts, format: epoch_ms}\nuid: [orderId]\n\
                class_uid: 6003\nactivity: Read\ncolumns:\n  api_operation: action\n  actor_user_name: user.login\n\
                tests:\n  - name: an order\n    record: '{\"orderId\":7,\"ts\":1777629600000,\"action\":\"show\",\"user\":{\"login\":\"ana\"}}'\n    columns: {actor_user_name: ana}\n";
    std::fs::write(&mapping, text).unwrap();
    let path = mapping.to_string_lossy().into_owned();
    run(&["mappings", "test", &path]);
    let settings = [("STORMGLASS_INGEST_MAPPINGS", path.as_str()), ("STORMGLASS_RULES_SHIPPED", "false")];
    let server = crate::running::Server::start(&folder.path().join("data"), &settings);
    let orders = folder.path().join("orders.json");
    std::fs::write(
        &orders,
        "{\"orderId\":8,\"ts\":1777629600000,\"action\":\"show\",\"user\":{\"login\":\"bo\"}}\n{\"no\":1}\n",
    )
    .unwrap();
    run(&["--url", &server.url, "-q", "ingest", &orders.to_string_lossy()]);
    let statement = "SELECT log_type, metadata_log_name, actor_user_name, api_operation FROM events";
    let rows = run(&["--url", &server.url, "sql", "--format", "json", statement]);
    let expected = serde_json::json!([{"log_type": "custom", "metadata_log_name": "shop", "actor_user_name": "bo", "api_operation": "show"}]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&rows).unwrap(), expected);
    server.terminate();
    // A file with a mistake keeps the server from starting, and says where.
    std::fs::write(&mapping, text.replace("epoch_ms", "epoch_msec")).unwrap();
    let mut command = crate::running::command(&["serve", "--listen", "127.0.0.1:0", "--data"]);
    let output = command.arg(folder.path().join("data")).envs(settings).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("shop.yml:3"), "{said}");
}

#[test]
fn a_check_reads_what_a_start_reads() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("s.toml");
    let check = || {
        let output = outcome(&["--config", &config.to_string_lossy(), "config", "check"]);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let secret = folder.path().join("secret");
    let text = format!(
        "data = {data:?}\n[server]\ntls.certificate = {none:?}\ntls.key = {none:?}\n\
         [[hooks]]\nname = \"shop\"\nscheme = \"hmac\"\nheader = \"X-Signature\"\nsecret = \"file:{secret}\"\n\
         [[channels]]\nname = \"soc\"\nkind = \"slack\"\ntoken = \"file:{secret}\"\nchannel = \"C0123456789\"\ncallback_secret = \"env:NONE_OF_OURS\"\n\
         [[syslog]]\nsource = \"edge\"\ntransport = \"tls\"\nlisten = \"127.0.0.1:0\"\n\
         certificate = {edge:?}\nkey = {edge:?}\n",
        data = folder.path().join("data"),
        none = folder.path().join("none.pem"),
        edge = folder.path().join("edge.pem"),
        secret = secret.display(),
    );
    std::fs::write(&config, text).unwrap();
    let (code, said) = check();
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("none.pem") && said.contains("syslog `edge`"), "{said}");
    for problem in [
        "s.toml:9: error: `hooks.secret`: a secret of the hook `shop` cannot be read",
        "s.toml:15: error: `channels.callback_secret`: a secret of the channel `soc` cannot be read",
        "set `NONE_OF_OURS` in the environment of `serve`",
        // Without it, the channel fails; the server does not.
        "s.toml:13: warning: `channels.token`: a secret of the channel `soc` cannot be read",
    ] {
        assert_eq!(said.matches(problem).count(), 1, "{problem}: {said}");
    }
    assert_eq!(said.matches("`shop`").count(), 1, "{said}");
    assert!(!folder.path().join("data").exists(), "a check makes nothing");
    std::fs::write(&secret, "https://hooks.example.com/a").unwrap();
    let (_, said) = check();
    assert!(!said.contains("`shop`") && !said.contains("channels.token"), "{said}");
    // Without secrets that keep a server from starting, the configuration is good, and the others are told.
    let text = "[[channels]]\nname = \"out\"\nkind = \"webhook\"\nurl = \"https://example.com\"\nsecrets = [\n  \"env:NONE_OF_OURS\"]\n";
    std::fs::write(&config, text).unwrap();
    let (code, said) = check();
    assert_eq!(code, 0, "{said}");
    let wanted = "s.toml:5: warning: `channels.secrets`: a secret of the channel `out` cannot be read: ";
    assert!(said.contains(wanted) && said.contains("`env:NONE_OF_OURS`"), "{said}");
    // What cannot be read hides nothing that is wrong beside it, be it of the same hook.
    let text = "[server]\npublic_url = \"https://siem.example.com\"\n\
         [oidc]\nissuer = \"https://login.example.com\"\nclient_id = \"sg\"\nclient_secret = \"env:NONE_OF_OURS\"\n\
         [[hooks]]\nname = \"shop\"\nscheme = \"standard\"\nsecret = [\"env:NONE_OF_OURS\", \"command:echo -\"]\n\
         [[hooks]]\nname = \"till\"\nscheme = \"standard\"\nsecret = \"command:echo !\"\n";
    std::fs::write(&config, text).unwrap();
    let (code, said) = check();
    assert_eq!(code, 2, "{said}");
    for problem in [
        "s.toml:6: error: `oidc.client_secret`: a secret cannot be read: ",
        "s.toml:10: error: `hooks.secret`: a secret of the hook `shop` cannot be read: ",
        "a secret of the hook `shop`: `command:echo -` is not `whsec_` and base64",
        "a secret of the hook `till`: `command:echo !` is not `whsec_` and base64",
    ] {
        assert_eq!(said.matches(problem).count(), 1, "{problem}: {said}");
    }
    assert_eq!(said.matches("a secret").count(), 4, "{said}");
}

/// A token that may only push is enough to push by the command line, and is refused nothing on the way.
#[test]
fn who_only_pushes_can_ingest() {
    let folder = tempfile::tempdir().unwrap();
    let config = crate::audit::roles(folder.path(), "");
    let server =
        crate::running::Server::start(&folder.path().join("data"), &[("STORMGLASS_CONFIG", &config)]);
    let story = crate::running::root().join("demo/story").to_string_lossy().into_owned();
    let with = |token: &str, arguments: &[&str]| {
        let mut command = crate::running::command(&["--url", &server.url]);
        let output = command.args(arguments).env("STORMGLASS_TOKEN", token).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), said)
    };
    let (code, out, said) = with("ingest", &["ingest", "--source", "demo", "--json", &story]);
    assert_eq!(code, 0, "{said}");
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["records"], 57);
    assert!(told.get("rows").is_none(), "{out}");
    let (code, out, said) = with("ingest", &["ingest", "--source", "demo", &story]);
    assert_eq!(code, 0, "{said}");
    assert!(
        out.contains("57 records") && out.contains("are accepted") && said.contains("`read`"),
        "{out} {said}"
    );
    let (code, _, said) = with("ingest", &["sources"]);
    assert!(code == 1 && said.contains("`read`"), "{said}");
    // Whoever may read is told what became of them, as before.
    with("admin", &["sources", "--verify"]);
    let (code, out, said) = with("admin", &["ingest", "--source", "demo", "--json", &story]);
    assert_eq!(code, 0, "{said}");
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&told["records"], &told["duplicates"]), (&57.into(), &57.into()), "{told}");
    let (_, out, _) = with("admin", &["sources", "--json"]);
    let sources: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(sources["sources"][0]["received"], 3 * 57, "{sources}");
    // The one refusal is of the command that asked for what it may not.
    let (_, out, _) = with("admin", &["audit", "list", "--json", "--limit", "500"]);
    let audit: serde_json::Value = serde_json::from_str(&out).unwrap();
    let entries = audit["entries"].as_array().unwrap().iter();
    let refused: Vec<_> = entries.filter(|entry| entry["outcome"] == "refused").collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    server.terminate();
}

#[test]
fn the_data_folder_is_its_owners() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let input = folder.path().join("a.json");
    std::fs::write(&input, "{\"message\":\"a\"}\n").unwrap();
    run(&["--data", &data.to_string_lossy(), "ingest", &input.to_string_lossy()]);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("state.db")), 0o600);
    let mut seen = 0;
    for entry in std::fs::read_dir(data.join("log")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        seen += 1;
    }
    assert!(seen > 1, "{seen}");
}

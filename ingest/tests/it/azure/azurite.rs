//! Azurite, Microsoft's own emulator of blob storage, and the requests with which writers of logs make their
//! blobs: appended to, or put together of blocks.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// Azurite's account and key, which its documentation prints.
pub(super) const ACCOUNT: &str = "devstoreaccount1";
pub(super) const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A server that ends when it is dropped.
pub(super) struct Azurite {
    child: Child,
    /// The address of the account.
    pub(super) url: String,
    http: reqwest::Client,
}

impl Drop for Azurite {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Azurite {
    /// `None`, and a word of it, where it is not installed.
    pub(super) async fn start() -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../target/node/node_modules/azurite/dist/src/blob/main.js");
        if !script.exists() {
            assert!(std::env::var_os("CI").is_none(), "Azurite is missing; scripts/need installs it");
            println!("skipped: no Azurite at {}; `scripts/need test` installs it", script.display());
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("node")
            .arg(script)
            .args(["--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"])
            .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            println!("skipped: no node");
            return None;
        };
        let url = format!("http://127.0.0.1:{port}/{ACCOUNT}");
        let azurite = Self { child, url, http: reqwest::Client::new() };
        let started = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(120), "Azurite does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(azurite)
    }

    /// A PUT that is signed with the account's key:
    /// <https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key>.
    async fn put(&self, path: &str, query: &[(&str, &str)], kind: Option<&str>, body: &[u8]) {
        let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let length = if body.is_empty() { String::new() } else { body.len().to_string() };
        let mut headers = vec![("x-ms-date", date.as_str()), ("x-ms-version", "2021-08-06")];
        if let Some(kind) = kind {
            headers.insert(0, ("x-ms-blob-type", kind));
        }
        let signed: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let mut parts: Vec<_> = query.iter().map(|(name, value)| format!("\n{name}:{value}")).collect();
        parts.sort();
        let mut encoded = String::new();
        for byte in path.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'$' => {
                    encoded.push(char::from(byte));
                }
                byte => encoded += &format!("%{byte:02X}"),
            }
        }
        let resource = format!("/{ACCOUNT}/{ACCOUNT}/{encoded}{}", parts.concat());
        let text = format!("PUT\n\n\n{length}\n\n\n\n\n\n\n\n\n{signed}{resource}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(KEY).unwrap());
        let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
        let mut url = url::Url::parse(&format!("{}/{encoded}", self.url)).unwrap();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        // Azurite wants it of an empty body as well.
        let length = body.len().to_string();
        let mut request = self.http.put(url).header("content-length", length).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let authorization = format!("SharedKey {ACCOUNT}:{signature}");
        let answer = request.header("authorization", authorization).send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{path}: {status} {}", answer.text().await.unwrap());
    }

    pub(super) async fn container(&self, name: &str) {
        self.put(name, &[("restype", "container")], None, b"").await;
    }

    pub(super) async fn append_blob(&self, path: &str) {
        self.put(path, &[], Some("AppendBlob"), b"").await;
    }

    pub(super) async fn append(&self, path: &str, text: &str) {
        self.put(path, &[("comp", "appendblock")], None, text.as_bytes()).await;
    }

    /// Puts a blob together of these blocks, as the network watcher does at each change.
    pub(super) async fn blocks(&self, path: &str, blocks: &[String]) {
        let mut list = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
        for (number, block) in blocks.iter().enumerate() {
            let id = STANDARD.encode(format!("{number:06}-{:08x}", crc32c::crc32c(block.as_bytes())));
            self.put(path, &[("comp", "block"), ("blockid", &id)], None, block.as_bytes()).await;
            list += &format!("<Latest>{id}</Latest>");
        }
        list += "</BlockList>";
        self.put(path, &[("comp", "blocklist")], None, list.as_bytes()).await;
    }

    pub(super) async fn block_blob(&self, path: &str, text: &str) {
        self.put(path, &[], Some("BlockBlob"), text.as_bytes()).await;
    }

    /// A shared access signature that may read and list:
    /// <https://learn.microsoft.com/en-us/rest/api/storageservices/create-account-sas>.
    pub(super) fn signature(&self, permissions: &str) -> String {
        let text =
            format!("{ACCOUNT}\n{permissions}\nb\nsco\n\n2099-01-01T00:00:00Z\n\nhttp,https\n2020-08-04\n");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(KEY).unwrap());
        let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("sv", "2020-08-04"), ("ss", "b"), ("srt", "sco"), ("sp", permissions)])
            .extend_pairs([("se", "2099-01-01T00:00:00Z"), ("spr", "http,https"), ("sig", &signature)])
            .finish()
    }
}

//! Addresses that somebody writes to be taken for others.

use super::{Canary, client};
use crate::{Client, EgressPolicy, Error, Method, Request};

/// Forms of loopback, private, link-local and metadata addresses. `{port}` is where the canary listens.
const HOSTILE: &[&str] = &[
    // Loopback, in every form that a reader of addresses takes.
    "https://127.0.0.1:{port}/",
    "https://127.0.0.2:{port}/",
    "https://127.1:{port}/",
    "https://127.0.1:{port}/",
    "https://127.255.255.254:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f000001:{port}/",
    "https://0x7F.0.0.1:{port}/",
    "https://0x7f.0x0.0x0.0x1:{port}/",
    "https://0x7f.1:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://0177.0.0.01:{port}/",
    "https://017700000001:{port}/",
    "https://00000177.0.0.1:{port}/",
    "https://127.0.0.1.:{port}/",
    "https://127.0.0.01:{port}/",
    "https://127.0.0.0x1:{port}/",
    "https://%31%32%37.0.0.1:{port}/",
    "https://127%2e0%2e0%2e1:{port}/",
    "https://①②⑦.⓪.⓪.①:{port}/",
    "https://127。0。0。1:{port}/",
    "https://127．0．0．1:{port}/",
    "https://127｡0｡0｡1:{port}/",
    "https://𝟏𝟐𝟕.𝟎.𝟎.𝟏:{port}/",
    "https://0:{port}/",
    "https://0.0.0.0:{port}/",
    "https://0x0:{port}/",
    "https://00:{port}/",
    "https://0.1.2.3:{port}/",
    "https://localhost:{port}/",
    "https://LOCALHOST:{port}/",
    "https://localhost.:{port}/",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/",
    "https://localho%73t:{port}/",
    "https://ip6-localhost:{port}/",
    "https://a.localhost:{port}/",
    "https://127.0.0.1.nip.example:{port}/",
    "https://[::1]:{port}/",
    "https://[0:0:0:0:0:0:0:1]:{port}/",
    "https://[0000:0000:0000:0000:0000:0000:0000:0001]:{port}/",
    "https://[::0001]:{port}/",
    "https://[::]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::ffff:7f00:1]:{port}/",
    "https://[::FFFF:7F00:0001]:{port}/",
    "https://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "https://[::127.0.0.1]:{port}/",
    "https://[::7f00:1]:{port}/",
    "https://[::ffff:0:127.0.0.1]:{port}/",
    "https://[64:ff9b::127.0.0.1]:{port}/",
    "https://[64:ff9b::7f00:1]:{port}/",
    "https://[64:ff9b:1::127.0.0.1]:{port}/",
    "https://[2002:7f00:1::]:{port}/",
    "https://[2002:7f00:1::1]:{port}/",
    "https://[2001:0:7f00:1::]:{port}/",
    "https://[2001:0:0:0:0:0:80ff:fffe]:{port}/",
    "https://[2a00::5efe:127.0.0.1]:{port}/",
    "https://[::1%25lo]:{port}/",
    "https://[fe80::1%25eth0]:{port}/",
    "https://[fe80::1%lo]:{port}/",
    "https://[fe80::1]:{port}/",
    "https://[::ffff:0.0.0.0]:{port}/",
    // Users, passwords, and what reads like a host and is none.
    "https://user@127.0.0.1:{port}/",
    "https://user:pass@127.0.0.1:{port}/",
    "https://hooks.example.com@127.0.0.1:{port}/",
    "https://hooks.example.com:443@127.0.0.1:{port}/",
    "https://hooks.example.com%40127.0.0.1:{port}/",
    "https://hooks.example.com\\@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}\\@hooks.example.com/",
    "https://127.0.0.1:{port}#@hooks.example.com/",
    "https://127.0.0.1:{port}?@hooks.example.com/",
    "https://hooks.example.com@[::1]:{port}/",
    "https://@127.0.0.1:{port}/",
    "https://:@127.0.0.1:{port}/",
    "https:127.0.0.1:{port}/",
    "https:/127.0.0.1:{port}/",
    "https:///127.0.0.1:{port}/",
    "https:////127.0.0.1:{port}/",
    "https:\\\\127.0.0.1:{port}/",
    "https://127.0.0.1\\:{port}/",
    "https://\t127.0.0.1:{port}/",
    "https://127.0.\r\n0.1:{port}/",
    "https://127.0.0.1\r\nHost: hooks.example.com:{port}/",
    "https://127.0.0.1%0d%0aHost:hooks.example.com:{port}/",
    "https://127.0.0.1%00.hooks.example.com:{port}/",
    "https://127.0.0.1%20:{port}/",
    "https://127.0.0.1 :{port}/",
    " https://127.0.0.1:{port}/",
    "https://127.0.0.1:0{port}/",
    "https://127.0.0.1:{port}/..;/x",
    "https://127.0.0.1:{port}/\r\nX-Injected: 1",
    "https://[127.0.0.1]:{port}/",
    "https://[::1:{port}/",
    "https://::1:{port}/",
    "https://1.1.1.1 &@127.0.0.1:{port}# @3.3.3.3/",
    "https://127.0.0.1:{port}:443/",
    "https://127.0.0.1:443@127.0.0.1:{port}/",
    // Other schemes and no TLS.
    "http://127.0.0.1:{port}/",
    "http://[::1]:{port}/",
    "http://localhost:{port}/",
    "HTTP://127.0.0.1:{port}/",
    "http://hooks.example.com:{port}/",
    "ftp://127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/_GET",
    "dict://127.0.0.1:{port}/info",
    "ldap://127.0.0.1:{port}/",
    "file://127.0.0.1:{port}/etc/passwd",
    "file:///etc/passwd",
    "ws://127.0.0.1:{port}/",
    "wss://127.0.0.1:{port}/",
    "tcp://127.0.0.1:{port}/",
    "unix:///var/run/docker.sock",
    "jar:https://127.0.0.1:{port}/!/",
    "javascript://127.0.0.1:{port}/",
    "data:text/plain,hello",
    "blob:https://127.0.0.1:{port}/",
    "view-source:https://127.0.0.1:{port}/",
    "netdoc://127.0.0.1:{port}/",
    "smtp://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "https://",
    "https://:{port}/",
    "https://127.0.0.1:0/",
    "https://127.0.0.1:65536/",
    // Metadata.
    "https://169.254.169.254/latest/meta-data/",
    "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254:{port}/",
    "https://2852039166/",
    "https://0xA9FEA9FE/",
    "https://0xa9.0xfe.0xa9.0xfe/",
    "https://0251.0376.0251.0376/",
    "https://169.254.43518/",
    "https://169.16689662/",
    "https://169.254.170.2/v2/credentials",
    "https://169.254.170.23/v1/credentials",
    "https://100.100.100.200/latest/meta-data/",
    "https://168.63.129.16/machine",
    "https://192.0.0.192/opc/v2/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "https://[fd20:ce::254]/computeMetadata/v1/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://metadata.google.internal./computeMetadata/v1/",
    "https://METADATA.GOOGLE.INTERNAL/",
    "https://metadata.amazonaws.com/",
    "https://metadata/",
    "https://instance-data/",
    // Private networks and what is no host.
    "https://10.0.0.1:{port}/",
    "https://10.255.255.255/",
    "https://0xa000001/",
    "https://012.0.0.1/",
    "https://167772161/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1:{port}/",
    "https://0xc0a80101/",
    "https://192.168.257/",
    "https://100.64.0.1/",
    "https://100.127.255.255/",
    "https://169.254.1.1/",
    "https://198.18.0.1/",
    "https://198.19.255.255/",
    "https://192.0.2.1/",
    "https://198.51.100.7/",
    "https://203.0.113.7/",
    "https://192.88.99.1/",
    "https://224.0.0.1/",
    "https://239.255.255.250:1900/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[fc00::1]/",
    "https://[fd12:3456:789a::1]/",
    "https://[fe80::a]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[::ffff:192.168.0.1]/",
    "https://[64:ff9b::10.0.0.1]/",
    "https://[2002:a00:1::]/",
    "https://[2001:0:a00:1::]/",
];

/// The canary's port is one that HTTPS may use, so that not the port alone saves us.
fn open(port: u16) -> Client {
    let policy = EgressPolicy { ports: vec![443, port], ..EgressPolicy::default() };
    // Every name points to the canary, as a hostile name server would have it.
    client(policy, &[&["127.0.0.1", "::1"]])
}

#[tokio::test]
async fn no_hostile_address_is_connected_to() {
    assert!(HOSTILE.len() >= 150, "{}", HOSTILE.len());
    let canary = Canary::at("127.0.0.1:0").await.unwrap();
    let port = canary.address.port();
    let sixth = Canary::at(&format!("[::1]:{port}")).await;
    let client = open(port);
    let mut parsed = 0;
    for hostile in HOSTILE {
        let address = hostile.replace("{port}", &port.to_string());
        // What cannot be parsed cannot be sent to.
        let Ok(url) = address.parse() else { continue };
        parsed += 1;
        let error = client.send(Request::new(Method::GET, url)).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. } | Error::BadAddress { .. }), "{address}: {error}");
        assert!(!error.is_passing());
    }
    assert!(parsed > 120, "{parsed}");
    assert_eq!(canary.visits().await, 0);
    if let Some(sixth) = sixth {
        assert_eq!(sixth.visits().await, 0);
    }
}

#[tokio::test]
async fn nor_by_a_stream() {
    let canary = Canary::at("127.0.0.1:0").await.unwrap();
    let port = canary.address.port();
    let policy = EgressPolicy { stream_ports: vec![port], ..EgressPolicy::default() };
    let client = client(policy, &[&["127.0.0.1"]]);
    for host in
        ["127.0.0.1", "[::1]", "::ffff:127.0.0.1", "relay.example.com", "localhost", "0.0.0.0", "127.1"]
    {
        let error = client.connect(host, port).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{host}: {error}");
    }
    assert_eq!(canary.visits().await, 0);
    // The canary can be reached at all.
    let allowed = EgressPolicy { allow: vec!["127.0.0.1".parse().unwrap()], ..EgressPolicy::default() };
    let client = super::client(allowed, &[&["127.0.0.1"]]);
    client.connect("relay.example.com", port).await.unwrap();
    assert_eq!(canary.visits().await, 1);
}

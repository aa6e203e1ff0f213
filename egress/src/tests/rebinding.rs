//! Names that point elsewhere by the time they are used. 127.0.0.2 stands for a public address, which the
//! policy allows; 127.0.0.1 is the canary.

use super::{Canary, client, server};
use crate::{EgressPolicy, Method, Request};

const CANARY: &str = "127.0.0.1";
const SERVER: &str = "127.0.0.2";

/// What the name server answers to each question in turn.
const SCRIPTS: &[&[&[&str]]] = &[
    // First public, then the canary.
    &[&[SERVER], &[CANARY]],
    &[&[SERVER], &[SERVER], &[CANARY]],
    &[&[CANARY], &[SERVER]],
    &[&[SERVER], &[CANARY], &[SERVER], &[CANARY]],
    &[&[], &[CANARY]],
    &[&[SERVER], &["::ffff:127.0.0.1"]],
    &[&[SERVER], &["::1"]],
    &[&[SERVER], &["0.0.0.0"]],
    &[&[SERVER], &["::"]],
    &[&[SERVER], &["127.0.0.3"]],
    // Several records, in both orders.
    &[&[SERVER, CANARY]],
    &[&[CANARY, SERVER]],
    &[&[CANARY, SERVER, CANARY]],
    &[&[SERVER, "::1"]],
    &[&["::1", SERVER]],
    &[&["::ffff:127.0.0.1", SERVER]],
    &[&[CANARY, CANARY, CANARY]],
    &[&["::1", CANARY]],
    &[&["64:ff9b::127.0.0.1", CANARY]],
    &[&["2002:7f00:1::", "::127.0.0.1", CANARY]],
    &[&["169.254.169.254", CANARY]],
    &[&["10.0.0.1", CANARY]],
    &[&[SERVER], &[SERVER, CANARY]],
    &[&[SERVER], &[CANARY, SERVER]],
];

#[tokio::test]
async fn no_script_leads_to_the_canary() {
    assert!(SCRIPTS.len() >= 20);
    let canary = Canary::at("127.0.0.1:0").await.unwrap();
    let port = canary.address.port();
    // Closes each connection, so that each request resolves the name anew.
    let ok = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    server(&format!("{SERVER}:{port}"), ok.into()).await;
    let (mut delivered, mut refused) = (0, 0);
    for script in SCRIPTS {
        let policy = EgressPolicy {
            allow: vec![format!("http://{SERVER}").parse().unwrap()],
            ports: vec![port],
            ..EgressPolicy::default()
        };
        let client = client(policy, script);
        for _ in 0..4 {
            let url = format!("http://hooks.example.com:{port}/").parse().unwrap();
            match client.send(Request::new(Method::GET, url)).await {
                Ok(answer) => {
                    assert_eq!(answer.status, 204);
                    delivered += 1;
                }
                Err(_) => refused += 1,
            }
            drop(client.connect("hooks.example.com", port).await);
        }
    }
    assert_eq!(canary.visits().await, 0);
    assert!(delivered > 20 && refused > 20, "both happened: {delivered} {refused}");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let canary = Canary::at("127.0.0.1:0").await.unwrap();
    let to = canary.address;
    for status in [301, 302, 303, 307, 308] {
        for location in [format!("http://{to}/"), format!("//{to}/"), format!("https://{to}/")] {
            let answer = format!(
                "HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let from = server("127.0.0.2:0", answer).await;
            let allow = vec![format!("http://{SERVER}").parse().unwrap()];
            let client = client(EgressPolicy { allow, ..EgressPolicy::default() }, &[&[SERVER]]);
            let url = format!("http://hooks.example.com:{}/", from.port()).parse().unwrap();
            let answer = client.send(Request::new(Method::POST, url)).await.unwrap();
            assert_eq!((answer.status, answer.header("location")), (status, Some(location.as_str())));
        }
    }
    assert_eq!(canary.visits().await, 0);
}

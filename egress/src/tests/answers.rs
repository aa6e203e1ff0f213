//! Answers are bounded, and errors tell no secrets.

use std::time::Duration;

use super::{client, server};
use crate::{ANSWER_BYTES, Client, EgressPolicy, Error, Method, Request};

fn near() -> Client {
    let allow = vec!["http://127.0.0.1".parse().unwrap()];
    client(EgressPolicy { allow, ..EgressPolicy::default() }, &[&["127.0.0.1"]])
}

#[tokio::test]
async fn a_body_is_read_up_to_the_bound() {
    for (length, whole) in [(0, true), (10, true), (ANSWER_BYTES, true), (ANSWER_BYTES + 1, false)] {
        let body = "x".repeat(length);
        let from = server(
            "127.0.0.1:0",
            format!("HTTP/1.1 200 OK\r\nX-Kind: a\r\ncontent-length: {length}\r\n\r\n{body}"),
        )
        .await;
        let url = format!("http://{from}/").parse().unwrap();
        let answer = near().send(Request::post_json(url, "{}")).await.unwrap();
        assert!(answer.is_success());
        assert_eq!((answer.body.len(), answer.whole), (length.min(ANSWER_BYTES), whole));
        assert_eq!(answer.header("x-kind"), Some("a"));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_undo_the_status() {
    let from = server("127.0.0.1:0", "HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\nabc".into()).await;
    let url = format!("http://{from}/").parse().unwrap();
    let answer = near().send(Request::new(Method::GET, url)).await.unwrap();
    assert_eq!((answer.status, answer.whole), (201, false));
}

#[tokio::test]
async fn an_answer_that_does_not_come_ends() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let mut request = Request::new(Method::GET, url);
    request.timeout = Duration::from_millis(50);
    let error = near().send(request).await.unwrap_err();
    assert_eq!(error, Error::TimedOut { host: "127.0.0.1".into() });
    assert!(error.is_passing());
}

#[tokio::test]
async fn errors_tell_no_secrets() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let urls = [
        format!("http://127.0.0.1:{port}/hook/s3cr3t?token=s3cr3t"),
        "https://10.0.0.1/hook/s3cr3t?token=s3cr3t".into(),
        "https://user:s3cr3t@hooks.example.com/".into(),
        "ftp://hooks.example.com/s3cr3t".into(),
    ];
    for url in urls {
        let request = Request::new(Method::GET, url.parse().unwrap()).with_header("authorization", "s3cr3t");
        assert!(!format!("{request:?}").contains("s3cr3t"));
        let error = near().send(request).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
    }
    let url: url::Url = format!("http://127.0.0.1:{port}/").parse().unwrap();
    let bad = Request::new(Method::GET, url).with_header("x-token", "s3cr3t\r\nx: y");
    let error = near().send(bad).await.unwrap_err();
    assert_eq!(error, Error::BadHeader { name: "x-token".into() });
}

#[test]
fn a_policy_that_cannot_work_is_refused() {
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let policy = EgressPolicy { extra_ca: Some(pem.into()), ..EgressPolicy::default() };
        let error = Client::new(policy).unwrap_err();
        assert!(matches!(error, Error::BadPolicy { .. }), "{error}");
    }
}

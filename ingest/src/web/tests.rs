//! What services answer, and what is said of it; certificates are those of a real server.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
    let headers = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    Answer { status, headers: headers.collect(), body: body.to_owned().into() }
}

#[test]
fn a_refusal_tells_the_services_code_and_words() {
    let cases = [
        (
            r#"{"error":{"code":403,"message":"no right","status":"PERMISSION_DENIED"}}"#,
            "`c` was refused with 403 `PERMISSION_DENIED`: no right",
        ),
        (
            r#"{"error":{"code":"Authorization_RequestDenied","message":"no right"}}"#,
            "`c` was refused with 403 `Authorization_RequestDenied`: no right",
        ),
        (
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: bad\r\nsecret"}"#,
            "`c` was refused with 403 `invalid_client`: AADSTS7000215: badsecret",
        ),
        (
            r#"{"errorCode":"E0000006","errorSummary":"no right"}"#,
            "`c` was refused with 403 `E0000006`: no right",
        ),
        (r#"{"message":"Not Found"}"#, "`c` was refused with 403: Not Found"),
        ("<html>", "`c` was refused with 403: it is a page of HTML, not an answer of an API"),
    ];
    for (body, told) in cases {
        assert_eq!(answer(403, &[], body).accepted("c").unwrap_err().to_string(), told);
    }
    assert!(answer(204, &[], "").accepted("c").is_ok());
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let after = |text: &str| {
        let date = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");
        answer(429, &[("retry-after", text), date], "").retry_after().map(|after| after.as_secs())
    };
    assert_eq!(after("7"), Some(7));
    assert_eq!(after("99999999"), Some(900));
    assert_eq!(after("Wed, 21 Oct 2015 07:28:10 GMT"), Some(10));
    assert_eq!(after("Wed, 21 Oct 2015 07:27:10 GMT"), Some(0));
    assert_eq!(after("soon"), None);
    assert_eq!(after("-1"), None);
    assert_eq!(after("NaN"), None);
}

#[test]
fn the_next_page_is_found_in_any_link_header() {
    let next = |text: &str| answer(200, &[("link", text)], "").next_link().map(str::to_owned);
    let both = "<https://a/x?a=1,2;3>; rel=\"self\", <https://a/x?after=b>; title=\"a\"; rel=\"next\"";
    assert_eq!(next(both).as_deref(), Some("https://a/x?after=b"));
    assert_eq!(next("</x>; REL=next").as_deref(), Some("/x"));
    assert_eq!(next("<a>; rel=\"last next\"").as_deref(), Some("a"));
    for none in ["", "<a>", "<a; rel=next", "<a>; rel=nextel", "a; rel=next", "<a>; rel=prev, b; x=next"] {
        assert_eq!(next(none), None, "{none}");
    }
    // Okta writes each into a header of its own.
    let mut two = answer(200, &[("link", "<a>; rel=\"self\"")], "");
    two.headers.append("link", HeaderValue::from_static("<b>; rel=\"next\""));
    assert_eq!(two.next_link(), Some("b"));
}

#[test]
fn a_body_is_inflated_within_its_bound() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&b"[1]".repeat(1_000)).unwrap();
    let whole = encoder.finish().unwrap();
    assert_eq!(inflated("c", &whole, 3_000).unwrap().len(), 3_000);
    assert!(matches!(inflated("c", &whole, 2_999), Err(Error::BadAnswer { .. })));
    for cut in 0..whole.len() {
        let (torn, _) = whole.split_at(cut);
        assert!(inflated("c", torn, 3_000).is_err_and(|error| error.is_passing()), "{cut}");
    }
}

#[test]
fn secrets_go_over_tls_or_stay_here() {
    for good in ["https://api.example.com/v1", "http://127.0.0.1:8080", "http://localhost/x", "http://[::1]/"]
    {
        assert!(service_url("url", good).is_ok(), "{good}");
    }
    for bad in
        ["", "api.example.com", "http://api.example.com", "ftp://127.0.0.1/", "https://a:b@c/", "https:"]
    {
        let told = service_url("url", bad).unwrap_err().to_string();
        assert!(told.starts_with("`url`: ") && !told.contains("a:b"), "{told}");
    }
}

#[test]
fn a_token_does_not_follow_a_page_to_another_server() {
    let base = Url::parse("https://graph.example.com/v1.0/").unwrap();
    assert!(next_page("c", &base, "https://graph.example.com/v1.0/x?$skiptoken=1").is_ok());
    assert!(next_page("c", &base, "/v1.0/x?a=1").is_ok());
    for elsewhere in ["https://graph.example.com.evil.example/x", "http://graph.example.com/x", "//evil/x"] {
        assert!(next_page("c", &base, elsewhere).is_err(), "{elsewhere}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let call = Call::get("c", Url::parse("https://example.com/").unwrap()).with_bearer("t0ken").unwrap();
    assert!(!format!("{call:?}").contains("t0ken"));
    let error = Call::get("c", Url::parse("https://example.com/").unwrap()).with_bearer("a\nb").unwrap_err();
    assert!(!error.to_string().contains("a\nb"));
}

#[test]
fn a_page_for_people_is_told_as_such() {
    const HTML: &str = "  <!DOCTYPE html><html><body>Sign in</body></html>";
    for page in [HTML, "<HTML>", "\n<html lang=en>"] {
        let told = answer(200, &[], page).json("c").unwrap_err().to_string();
        assert!(told.contains("it is a page of HTML, not an answer of an API"), "{told}");
        let told = answer(502, &[], page).accepted("c").unwrap_err().to_string();
        assert_eq!(told, "`c` was refused with 502: it is a page of HTML, not an answer of an API");
    }
    // What is no page is told as the JSON that it is not.
    for other in ["", "<", "<htm", "<!docty", "plain", "<xml/>", "{"] {
        let told = answer(200, &[], other).json("c").unwrap_err().to_string();
        assert!(!told.contains("HTML"), "{told}");
    }
    assert_eq!(answer(200, &[], "{\"a\":1}").json("c").unwrap()["a"], 1);
}

#[test]
fn a_redirect_is_told_without_what_its_address_holds() {
    let told = |status: u16, to: &str| {
        let page = "<html>moved</html>";
        answer(status, &[("location", to)], page).accepted("c").unwrap_err().to_string()
    };
    assert_eq!(
        told(302, "https://login.example.com/sign-in?token=s3cret#x"),
        "`c` was refused with 302: it redirects to https://login.example.com, which is not followed"
    );
    assert_eq!(
        told(307, "http://user:pass@192.0.2.7:8080/"),
        "`c` was refused with 307: it redirects to http://192.0.2.7, which is not followed"
    );
    // Without an address there is only the page; an answer that is no redirect redirects nowhere.
    for (status, to) in [(302, "/sign-in?token=s3cret"), (403, "https://login.example.com/")] {
        let told = told(status, to);
        assert!(told.ends_with("it is a page of HTML, not an answer of an API"), "{told}");
    }
    let words = r#"{"message":"Moved Permanently"}"#;
    let told = answer(301, &[("location", "https://a.example/")], words).accepted("c").unwrap_err();
    assert_eq!(told.to_string(), "`c` was refused with 301: Moved Permanently");
}

/// A server of OpenSSL's with a certificate for 127.0.0.1 that `request` asks for; `None`, loudly, where there is no
/// OpenSSL.
fn tls_server(folder: &std::path::Path, requests: &[&str]) -> Option<(Child, Url)> {
    for request in requests {
        let made = Command::new("openssl").current_dir(folder).args(request.split(' ')).output();
        if !made.is_ok_and(|made| made.status.success()) {
            assert!(std::env::var_os("CI").is_none(), "openssl is missing, or does not take `{request}`");
            println!("skipped: no openssl");
            return None;
        }
    }
    let mut child = Command::new("openssl")
        .current_dir(folder)
        .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem", "-www"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines
        .map_while(std::io::Result::ok)
        .find_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:").map(|port| port.trim().to_owned()));
    let url = format!("https://127.0.0.1:{}/?token=s3cret", port.unwrap()).parse().unwrap();
    Some((child, url))
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_with_the_mend() {
    const KEY: &str = "req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1";
    let own = format!("{KEY} -x509 -days 2 -keyout key.pem -out cert.pem");
    let ca = "req -newkey rsa:2048 -nodes -subj /CN=ca -x509 -days 2 -keyout ca.key -out ca.pem".to_owned();
    let signed = format!(
        "{KEY} -x509 -days 2 -keyout key.pem -out cert.pem -CA ca.pem -CAkey ca.key -addext basicConstraints=CA:FALSE"
    );
    for (requests, words) in [
        (vec![own.as_str()], "the certificate is its own authority (self-signed)"),
        (vec![ca.as_str(), signed.as_str()], "the certificate is of an authority that is not trusted"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let Some((mut server, url)) = tls_server(folder.path(), &requests) else { return };
        let error = Web::new().unwrap().send(Call::get("c", url)).await.unwrap_err();
        server.kill().unwrap();
        server.wait().unwrap();
        let mut told = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            told += &format!(": {error}");
            cause = error.source();
        }
        assert!(told.contains(words) && told.contains("`SSL_CERT_FILE`"), "{told}");
        assert!(!told.contains("s3cret"), "{told}");
    }
    assert_eq!(distrust("Expired"), "the certificate is not trusted: Expired");
}

//! Which log a line of text is from, told by its shape.

use event::LogType;

use crate::{aws, envoy};

/// The log type of a line of text, with or without the file's first lines above it; `None` where its shape is
/// not unmistakable.
pub(crate) fn line(text: &str) -> Option<LogType> {
    let text = text.trim_end();
    if text.starts_with('#') {
        return text
            .starts_with("#Fields:")
            .then_some(LogType::AwsCloudfront)
            .filter(|_| text.contains("x-edge-"));
    }
    if let Some((header, _)) = text.split_once('\n') {
        return is_flow_header(header).then_some(LogType::AwsVpcFlow);
    }
    Some(match text.as_bytes().first()? {
        b'[' if envoy::is_line(text) => LogType::IstioAccess,
        b'0'..=b'9' if aws::vpc_flow::is_default_line(text) => LogType::AwsVpcFlow,
        b'0'..=b'9' | b'a'..=b'z' if aws::elb::is_line(text) => LogType::AwsElb,
        b'0'..=b'9' | b'a'..=b'f' if aws::s3_access::is_line(text) => LogType::AwsS3Access,
        _ => return None,
    })
}

/// A line of names alone, some of which every format of a flow log has one of.
fn is_flow_header(header: &str) -> bool {
    let mut names = header.split_ascii_whitespace();
    names.any(|name| matches!(name, "srcaddr" | "dstaddr" | "interface-id" | "log-status" | "start"))
        && header.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let owner = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
        let s3 = format!(
            r#"{owner} logs-example [06/Feb/2026:00:00:38 +0000] 192.0.2.3 - 3E57427F3EXAMPLE REST.GET.OBJECT a "GET /a HTTP/1.1" 200"#
        );
        for (text, expected) in [
            (
                "2 111122223333 eni-0a1b2c3d 192.0.2.1 198.51.100.2 443 50000 6 10 840 1700000000 1700000060 ACCEPT OK",
                Some(LogType::AwsVpcFlow),
            ),
            (
                "2 111122223333 eni-0a1b2c3d - - - - - - - 1700000000 1700000060 - NODATA",
                Some(LogType::AwsVpcFlow),
            ),
            ("srcaddr dstaddr start\n192.0.2.1 192.0.2.2 1700000000", Some(LogType::AwsVpcFlow)),
            ("#Fields: date time x-edge-location\n2026-01-01\t00:00:00\tFRA50", Some(LogType::AwsCloudfront)),
            ("https 2026-01-01T00:00:00.000000Z app/web/0 192.0.2.1:4000", Some(LogType::AwsElb)),
            ("tls 2.0 2026-01-01T00:00:00 net/edge/0 1 192.0.2.1:4000", Some(LogType::AwsElb)),
            (
                "2026-01-01T00:00:00.000000Z web 192.0.2.1:4000 198.51.100.2:80 0.1 0.2 0.3 200 200 0 5 \"GET http://www.example.com:80/ HTTP/1.1\" \"curl\" - -",
                Some(LogType::AwsElb),
            ),
            (&s3, Some(LogType::AwsS3Access)),
            (
                r#"[2026-01-01T00:00:00.000Z] "GET / HTTP/1.1" 200 - 0 5 1 0 "-" "curl/8" "1-2" "example.com" "192.0.2.4:80""#,
                Some(LogType::IstioAccess),
            ),
            ("", None),
            ("2026-01-01T00:00:00Z something happened here today", None),
            ("2 111122223333 eni-0a1b2c3d", None),
            ("[error] disk full", None),
            ("17", None),
            ("start\nend", Some(LogType::AwsVpcFlow)),
        ] {
            assert_eq!(line(text), expected, "{text}");
        }
    }
}

//! Amazon Resource Names: `arn:partition:service:region:account:resource`.

/// The parts of an ARN that the mapping looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arn<'a> {
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    /// Everything after the fifth colon.
    pub(super) resource: &'a str,
}

impl<'a> Arn<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next() != Some("arn") {
            return None;
        }
        let (_partition, service, region) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { service, region, account: parts.next()?, resource: parts.next()? })
    }

    /// The resource's own name: `Admin` of `role/path/Admin`, `bucket` and `key/of/object` of S3.
    pub(super) fn name(&self) -> &'a str {
        if self.service == "s3" {
            return self.resource.split_once('/').map_or(self.resource, |(_bucket, key)| key);
        }
        let start = self.resource.rfind(['/', ':']).map_or(0, |at| at + 1);
        self.resource.get(start..).unwrap_or_default()
    }

    /// The role and the session's name in `assumed-role/Role/session`.
    pub(super) fn assumed_role(&self) -> Option<(&'a str, &'a str)> {
        self.resource.strip_prefix("assumed-role/")?.rsplit_once('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_apart() {
        let name = |text| Arn::parse(text).map(|arn| arn.name());
        assert_eq!(name("arn:aws:iam::111122223333:role/service-role/Admin"), Some("Admin"));
        assert_eq!(name("arn:aws:iam::111122223333:root"), Some("root"));
        assert_eq!(name("arn:aws:s3:::logs-example"), Some("logs-example"));
        assert_eq!(name("arn:aws:s3:::logs-example/2024/a.gz"), Some("2024/a.gz"));
        assert_eq!(name("arn:aws:lambda:eu-west-1:111122223333:function:resize"), Some("resize"));
        assert_eq!(name("AROAEXAMPLE"), None);
        assert_eq!(name("arn:aws:iam"), None);
        let session = Arn::parse("arn:aws:sts::111122223333:assumed-role/Admin/alice@example.com").unwrap();
        assert_eq!(session.assumed_role(), Some(("Admin", "alice@example.com")));
        assert_eq!(session.account, "111122223333");
    }
}

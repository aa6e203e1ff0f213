//! Whether prefixes of stores can be listed and read.

use tokio::runtime::Handle;

use super::bucket::{Bucket, Place};
use super::objects::ObjectsConfig;
use crate::check::Checks;
use crate::{CheckStep, Error, aws};

/// What a store's permissions are called, and what to do where one is missing.
pub(crate) struct Rights<'a> {
    /// To list.
    pub(crate) list: &'a str,
    /// To read an object.
    pub(crate) read: &'a str,
    /// The mend of a refusal of this permission.
    pub(crate) mend: &'a (dyn Fn(&Error, &str) -> String + Sync),
}

/// Lists below each prefix and reads a byte of the first object; whatever one prefix comes to, all are tried.
pub async fn check_objects(config: &ObjectsConfig) -> Vec<CheckStep> {
    let mut checks = Checks::default();
    let runtime = Handle::current();
    for address in &config.addresses {
        let bucket = Bucket::open(address, config, &runtime);
        let Some(bucket) = checks.opened(bucket) else { continue };
        let (scheme, rest) = address.split_once("://").unwrap_or_default();
        let name = rest.split('/').next().unwrap_or_default();
        let (list, read) = match scheme {
            "s3" | "s3a" => ("s3:ListBucket", "s3:GetObject"),
            "gs" => ("storage.objects.list", "storage.objects.get"),
            "file" => ("", ""),
            _ => (BLOBS_READ, BLOBS_READ),
        };
        let mend = |error: &Error, grant: &str| match scheme {
            "s3" | "s3a" if grant == list => aws::allow(&[grant], &format!("arn:aws:s3:::{name}")),
            "s3" | "s3a" => format!(
                "{}; where a key encrypts the bucket, `kms:Decrypt` on it as well",
                aws::allow(&[grant], &format!("arn:aws:s3:::{name}/*"))
            ),
            "gs" => crate::google::objects_mend(name),
            "file" => "let the user of this process list the folder and read its files".to_owned(),
            _ => {
                crate::azure::mend(error).unwrap_or_else(|| "check the account, container and network".into())
            }
        };
        check_bucket(&mut checks, &bucket, &Rights { list, read, mend: &mend }).await;
    }
    checks.done()
}

/// What reads and lists blobs, as roles of Azure name it.
pub(crate) const BLOBS_READ: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read";

/// The same of stores that are open already.
pub(crate) async fn check_places(checks: &mut Checks, places: Vec<Place>, rights: &Rights<'_>) {
    let runtime = Handle::current();
    for place in places {
        check_bucket(checks, &Bucket::at(place, &runtime), rights).await;
    }
}

async fn check_bucket(checks: &mut Checks, bucket: &Bucket, rights: &Rights<'_>) {
    let address = bucket.address();
    let (list, read) = (format!("list {address}"), format!("read {address}"));
    let listed = bucket.first().await;
    let first = checks.tried(
        (&list, rights.list),
        listed,
        |first| if first.is_some() { "it lists objects" } else { "it lists no object" }.to_owned(),
        |error| (rights.mend)(error, rights.list),
    );
    let Some(meta) = first.flatten() else {
        let why = "no object is known that could be read";
        checks.skipped((&read, rights.read), why, "let there be an object, and check again");
        return;
    };
    let got = bucket.probe(&meta).await;
    let describe = |_: &()| bucket.address_of(&meta.key);
    checks.tried((&read, rights.read), got, describe, |error| (rights.mend)(error, rights.read));
}

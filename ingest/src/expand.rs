//! What people give on a command line or in a configuration, as a list of inputs.

use std::path::Path;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use crate::{Error, Input, Result, folder, object};

/// The inputs that `paths` name, in their order; those of one path are sorted.
///
/// A path is a file, a folder (with the folders in it), a glob pattern, `-` for standard input, or an
/// address: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`,
/// `abfss://container@account.dfs.core.windows.net/prefix`, the stores' own `https://` addresses, or
/// `file:///path`. A prefix is one object or what lies under it as under a folder. Hidden files, and
/// objects without bytes, are skipped.
///
/// Credentials for a store come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_REGION`,
/// `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_NAME` and so on, as the `object_store` crate
/// lists them) or from the role of the machine or pod; AWS profiles are not read. A store that speaks
/// S3 is named by `AWS_ENDPOINT_URL`, with `AWS_ALLOW_HTTP=true` if it has no TLS.
///
/// # Errors
/// The first path that names nothing or cannot be listed: it is better to say so than to read the rest.
pub async fn expand(paths: &[String]) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for path in paths {
        if path == "-" {
            inputs.push(Input::Stdin);
        } else if path.contains("://") {
            expand_address(path, &mut inputs).await?;
        } else {
            expand_path(path, &mut inputs)?;
        }
    }
    Ok(inputs)
}

async fn expand_address(address: &str, inputs: &mut Vec<Input>) -> Result<()> {
    if address.starts_with("file://") {
        let bad =
            |problem: &str| Error::BadAddress { address: address.to_owned(), problem: problem.to_owned() };
        let url = Url::parse(address).map_err(|error| bad(&error.to_string()))?;
        let path = url.to_file_path().map_err(|()| bad("it is no path on this machine"))?;
        return expand_existing(&path, inputs);
    }
    let (store, path) = object::open_store(address)?;
    inputs.extend(objects(store, address, &path).await?);
    Ok(())
}

/// The object at `path`, or those under it.
pub(crate) async fn objects(
    store: Arc<dyn ObjectStore>,
    address: &str,
    path: &ObjectPath,
) -> Result<Vec<Input>> {
    let failed = |source| Error::Store { address: address.to_owned(), source };
    let is_folder = address.ends_with('/') || path.as_ref().is_empty();
    let mut found: Vec<ObjectMeta> = Vec::new();
    if !is_folder {
        match store.head(path).await {
            Ok(meta) => found.push(meta),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(source) => return Err(failed(source)),
        }
    }
    if found.is_empty() {
        let listed = store.list(Some(path)).try_filter(|meta| {
            let hidden = meta.location.filename().is_some_and(|name| name.starts_with('.'));
            std::future::ready(meta.size > 0 && !hidden)
        });
        found = listed.try_collect().await.map_err(failed)?;
        found.sort_by(|a, b| a.location.cmp(&b.location));
    }
    if found.is_empty() {
        return Err(Error::NoMatch { pattern: address.to_owned() });
    }
    // The address of the store is what stands before the path in it.
    let root =
        address.trim_end_matches('/').strip_suffix(path.as_ref()).unwrap_or(address).trim_end_matches('/');
    let input = |meta: ObjectMeta| Input::Object {
        store: store.clone(),
        url: format!("{root}/{}", meta.location),
        meta,
    };
    Ok(found.into_iter().map(input).collect())
}

fn expand_path(path: &str, inputs: &mut Vec<Input>) -> Result<()> {
    // A name that exists is meant as it is, whatever characters it has.
    let is_pattern = path.contains(['*', '?', '[']) && !Path::new(path).exists();
    if !is_pattern {
        return expand_existing(Path::new(path), inputs);
    }
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let matches = glob::glob_with(path, options)
        .map_err(|error| Error::BadPattern { pattern: path.to_owned(), problem: error.to_string() })?;
    let before = inputs.len();
    for matched in matches {
        let matched =
            matched.map_err(|error| Error::File { path: error.path().to_owned(), source: error.into() })?;
        if matched.is_dir() {
            inputs.extend(folder::files(&matched)?.into_iter().map(Input::File));
        } else {
            inputs.push(Input::File(matched));
        }
    }
    if inputs.len() == before {
        return Err(Error::NoMatch { pattern: path.to_owned() });
    }
    Ok(())
}

fn expand_existing(path: &Path, inputs: &mut Vec<Input>) -> Result<()> {
    if !path.exists() {
        return Err(Error::NotFound { path: path.to_owned() });
    }
    if !path.is_dir() {
        inputs.push(Input::File(path.to_owned()));
        return Ok(());
    }
    let files = folder::files(path)?;
    if files.is_empty() {
        return Err(Error::NoMatch { pattern: path.display().to_string() });
    }
    inputs.extend(files.into_iter().map(Input::File));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    /// The origins of what `path` names below a folder with some files, or the error.
    async fn origins(path: &str) -> std::result::Result<Vec<String>, String> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("logs/deep")).unwrap();
        std::fs::create_dir(root.path().join("empty")).unwrap();
        for file in ["b.json", "a.json", "x[1].json", ".dot.json", "logs/2.gz", "logs/deep/1.gz"] {
            std::fs::write(root.path().join(file), "{}").unwrap();
        }
        let prefix = root.path().display().to_string();
        let inputs = expand(&[path.replace('@', &prefix)])
            .await
            .map_err(|error| error.to_string().replace(&prefix, "@"))?;
        Ok(inputs.iter().map(|input| input.origin().replace(&prefix, "@")).collect())
    }

    #[tokio::test]
    async fn paths_on_this_machine() {
        for (path, expected) in [
            ("-", &["-"][..]),
            ("@/a.json", &["@/a.json"]),
            ("@/x[1].json", &["@/x[1].json"]),
            ("@/*.json", &["@/a.json", "@/b.json", "@/x[1].json"]),
            ("@/[ab].json", &["@/a.json", "@/b.json"]),
            ("@/**/*.gz", &["@/logs/2.gz", "@/logs/deep/1.gz"]),
            ("@/l*", &["@/logs/2.gz", "@/logs/deep/1.gz"]),
            ("@/logs", &["@/logs/2.gz", "@/logs/deep/1.gz"]),
            ("file://@/logs/deep", &["@/logs/deep/1.gz"]),
        ] {
            assert_eq!(origins(path).await.unwrap(), expected, "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_not_there_is_named() {
        for (path, message) in [
            ("@/no.json", "no file or folder `@/no.json`"),
            ("@/*.csv", "no file matches `@/*.csv`"),
            ("@/empty", "no file matches `@/empty`"),
            ("@/a[", "no file or folder `@/a[`"),
            ("file://@/no", "no file or folder `@/no`"),
            ("ftp://host/a", "`ftp://host/a` is no address that can be read"),
            ("https://example.com/a", "`https` is not read"),
            ("s3://", "`s3://` is no address that can be read"),
        ] {
            let error = origins(path).await.unwrap_err();
            // An unclosed bracket is a pattern only to the glob crate.
            assert!(error.contains(message) || error.contains("is no glob pattern"), "{path}: {error}");
        }
    }

    #[tokio::test]
    async fn objects_are_found_by_prefix() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        for (path, text) in [
            ("logs/b.json", "{}"),
            ("logs/a/1.gz", "{}{}"),
            ("logs/empty", ""),
            ("logs/.tmp", "x"),
            ("o", "x"),
        ] {
            store.put(&ObjectPath::from(path), text.into()).await.unwrap();
        }
        for (path, expected) in [
            ("logs", &["s3://bucket/logs/a/1.gz", "s3://bucket/logs/b.json"][..]),
            ("logs/", &["s3://bucket/logs/a/1.gz", "s3://bucket/logs/b.json"]),
            ("logs/a", &["s3://bucket/logs/a/1.gz"]),
            ("logs/b.json", &["s3://bucket/logs/b.json"]),
            ("", &["s3://bucket/logs/a/1.gz", "s3://bucket/logs/b.json", "s3://bucket/o"]),
            ("log", &[]),
            ("none", &[]),
        ] {
            let address = format!("s3://bucket/{path}");
            match objects(store.clone(), &address, &ObjectPath::from(path)).await {
                Ok(inputs) => {
                    assert_eq!(inputs.iter().map(Input::origin).collect::<Vec<_>>(), expected, "{path}");
                    assert!(inputs.iter().all(|input| input.byte_len().is_some_and(|bytes| bytes > 0)));
                }
                Err(error) => {
                    assert!(expected.is_empty(), "{path}");
                    assert_eq!(error.to_string(), format!("no file matches `{address}`"));
                }
            }
        }
    }
}

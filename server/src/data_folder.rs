//! The data folder is its owner's: it holds raw records and hashes of passwords.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;

/// Bits of a mode that let in the group and everybody.
const OTHERS: u32 = 0o077;

/// Makes the folder where it is missing; only its owner may enter.
///
/// # Errors
/// The disk refuses.
pub(crate) fn make(data: &Path) -> anyhow::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(data).with_context(|| format!("`{}` cannot be made", data.display()))
}

/// What to say of a folder that others may enter, such as one that an earlier version made.
pub(crate) fn open_to_others(data: &Path) -> Option<String> {
    let mode = data.metadata().ok()?.permissions().mode();
    (mode & OTHERS != 0).then(|| {
        format!(
            "others than its owner may enter the data folder `{data}` (mode {:03o}); it holds raw records and hashes \
             of passwords: close it with `chmod 700 {data}`",
            mode & 0o777,
            data = data.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn a_new_folder_is_shut_and_an_open_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/data");
        make(&data).unwrap();
        assert_eq!(data.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(open_to_others(&data), None);
        std::fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
        // What is there stays as its owner has set it.
        make(&data).unwrap();
        let told = open_to_others(&data).unwrap();
        assert!(told.contains("mode 755") && told.contains("chmod 700"), "{told}");
        assert_eq!(open_to_others(&folder.path().join("none")), None);
    }
}

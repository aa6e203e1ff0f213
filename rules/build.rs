//! Lists the content that is embedded: a rule is shipped by lying in the folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("content");
    let mut code = String::new();
    for folder in ["rules", "records", "mappings", "values", "attack"] {
        let mut files = Vec::new();
        gather(&root.join(folder), &mut files)?;
        files.sort();
        writeln!(code, "const {}: &[(&str, &str)] = &[", folder.to_uppercase())?;
        for file in files {
            let name =
                Path::new("content").join(file.strip_prefix(&root)?).display().to_string().replace('\\', "/");
            writeln!(code, "    ({name:?}, include_str!({:?})),", file.display().to_string())?;
        }
        writeln!(code, "];")?;
    }
    std::fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("content.rs"), code)?;
    println!("cargo::rerun-if-changed=content");
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}

//! The variables of the environment that the clouds' own tools read.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// A copy of the variables that matter, read once. Debug prints their names alone: some are secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process that begin with `AWS_`, `AZURE_`, `IDENTITY_` or `IMDS_`, and the home
    /// folder.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| {
                let starts = ["AWS_", "AZURE_", "IDENTITY_", "IMDS_"];
                starts.iter().any(|start| name.starts_with(start)) || name == "HOME"
            })
            .collect()
    }

    /// The value of a variable; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The same with one variable more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The path in a variable, else `file` in the folder `.aws` at home.
    pub(crate) fn aws_file(&self, variable: &str, file: &str) -> Option<PathBuf> {
        match self.get(variable) {
            Some(path) => Some(path.into()),
            None => Some([self.get("HOME")?, ".aws", file].iter().collect()),
        }
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_printed() {
        let environment = Environment::default().with("AWS_SECRET_ACCESS_KEY", "hunter2").with("AWS_X", "");
        assert_eq!(format!("{environment:?}"), "{\"AWS_SECRET_ACCESS_KEY\", \"AWS_X\"}");
        assert_eq!(environment.get("AWS_X"), None);
        assert_eq!(environment.aws_file("AWS_CONFIG_FILE", "config"), None);
        let home = environment.with("HOME", "/home/ann");
        assert_eq!(home.aws_file("AWS_CONFIG_FILE", "config"), Some("/home/ann/.aws/config".into()));
    }
}

//! What a rule says about itself.

use crate::grouping::{Grouping, GroupingFor};
use crate::sigma::head::Head;
use crate::sigma::yaml::Position;
use crate::sigma::{Level, Status};

/// What a rule or a correlation is called, and what its matches mean.
#[derive(Debug, Clone)]
pub struct RuleHead {
    id: String,
    title: String,
    name: Option<String>,
    level: Level,
    status: Option<Status>,
    description: String,
    tags: Vec<String>,
    references: Vec<String>,
    false_positives: Vec<String>,
    response: Vec<String>,
    grouping: Option<Grouping>,
    path: String,
    at: Position,
}

impl RuleHead {
    pub(crate) fn new(head: &Head, path: &str) -> Self {
        Self {
            id: head.key(),
            title: head.title.clone(),
            name: head.name.clone(),
            level: head.level.unwrap_or(Level::Medium),
            status: head.status,
            description: head.description.trim().to_owned(),
            tags: head.tags.iter().map(|tag| tag.value.clone()).collect(),
            references: head.references.clone(),
            false_positives: head.false_positives.clone(),
            response: head.response.clone(),
            grouping: head.grouping.clone(),
            path: path.to_owned(),
            at: head.at,
        }
    }

    /// Whether that is its id or its name.
    pub fn is_called(&self, id_or_name: &str) -> bool {
        self.id.eq_ignore_ascii_case(id_or_name) || self.name.as_deref() == Some(id_or_name)
    }

    /// Its id in lower case; of a rule without one its name, else its title.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// One line on what it finds.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The name by which correlations and filters refer to it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// How bad a match is; `medium` where the rule does not say.
    pub fn level(&self) -> Level {
        self.level
    }

    /// How ripe it is.
    pub fn status(&self) -> Option<Status> {
        self.status
    }

    /// What a match means.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Such as `attack.t1078.004`, as written.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Where to read more.
    pub fn references(&self) -> &[String] {
        &self.references
    }

    /// What else may make it match.
    pub fn false_positives(&self) -> &[String] {
        &self.false_positives
    }

    /// What to do when it matches, a step each; Stormglass's own key `response`.
    pub fn response(&self) -> &[String] {
        &self.response
    }

    /// How its matches become one alert; `None`: each is one.
    pub fn grouping(&self) -> Option<&Grouping> {
        self.grouping.as_ref()
    }

    /// Groups its matches as the configuration wants it.
    pub(super) fn group(&mut self, wanted: &[GroupingFor]) {
        let named = wanted.iter().find(|wanted| self.is_called(&wanted.what));
        let of_level = wanted.iter().find(|wanted| wanted.what.eq_ignore_ascii_case(self.level.as_str()));
        if let Some(wanted) = named.or(of_level.filter(|_| self.grouping.is_none())) {
            self.grouping = Some(wanted.grouping.clone());
        }
    }

    /// The file it comes from.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The line of its document in that file, from 1.
    pub fn line(&self) -> u32 {
        self.at.line
    }
}

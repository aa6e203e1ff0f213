//! ATT&CK tactics, in the order in which an intrusion goes through them.

use std::fmt;

/// The tactics of MITRE's Enterprise matrix by the names that Sigma tags them with, in the matrix's order. The
/// older name of what ATT&CK has since divided into stealth and defense impairment stands beside them.
const TACTICS: [&str; 16] = [
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "stealth",
    "defense-evasion",
    "defense-impairment",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
];

/// A tactic; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tactic(u8);

impl Tactic {
    /// The tactics that a rule's tags name (`attack.initial-access`), in order, each once.
    pub fn of_tags(tags: &[String]) -> Vec<Self> {
        let mut tactics: Vec<_> = tags
            .iter()
            .filter_map(|tag| {
                let name = tag.strip_prefix("attack.")?.to_ascii_lowercase().replace('_', "-");
                let rank = TACTICS.iter().position(|tactic| *tactic == name)?;
                Some(Self(rank as u8))
            })
            .collect();
        tactics.sort_unstable();
        tactics.dedup();
        tactics
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        TACTICS.get(usize::from(self.0)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Tactic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The longest row of tactics that go on in order through `alerts`, which are in order of time; each alert gives
/// at most one of its tactics.
pub fn progress<'a>(alerts: impl IntoIterator<Item = &'a [Tactic]>) -> Vec<Tactic> {
    // The longest row that ends in each tactic.
    let mut best: [Vec<Tactic>; TACTICS.len()] = Default::default();
    for tactics in alerts {
        let longer: Vec<_> = tactics
            .iter()
            .map(|tactic| {
                let before = best.iter().take(usize::from(tactic.0)).max_by_key(|row| row.len());
                let mut row = before.cloned().unwrap_or_default();
                row.push(*tactic);
                (*tactic, row)
            })
            .collect();
        for (tactic, row) in longer {
            if let Some(known) = best.get_mut(usize::from(tactic.0))
                && known.len() < row.len()
            {
                *known = row;
            }
        }
    }
    let mut longest = Vec::new();
    for row in best {
        if row.len() > longest.len() {
            longest = row;
        }
    }
    longest
}

/// How many steps [`progress`] has.
pub(super) fn steps<'a>(alerts: impl IntoIterator<Item = &'a [Tactic]>) -> usize {
    // The longest row that ends in each tactic.
    let mut best = [0_usize; TACTICS.len()];
    for tactics in alerts {
        let before = best;
        for tactic in tactics {
            let longest = before.iter().take(usize::from(tactic.0)).max().copied().unwrap_or(0);
            if let Some(known) = best.get_mut(usize::from(tactic.0)) {
                *known = (*known).max(longest + 1);
            }
        }
    }
    best.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tactics(names: &str) -> Vec<Tactic> {
        Tactic::of_tags(&names.split(' ').map(|name| format!("attack.{name}")).collect::<Vec<_>>())
    }

    #[test]
    fn tags_name_tactics_and_techniques() {
        let tags =
            ["attack.t1562.008", "attack.Initial_Access", "attack.impact", "cve.2026-1", "attack.impact"]
                .map(String::from);
        let names: Vec<_> = Tactic::of_tags(&tags).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["initial-access", "impact"]);
    }

    #[test]
    fn progress_is_the_longest_row_in_order() {
        let row = |alerts: &[&str]| {
            let alerts: Vec<_> = alerts.iter().map(|names| tactics(names)).collect();
            let names: Vec<_> =
                progress(alerts.iter().map(Vec::as_slice)).iter().map(|t| t.as_str()).collect();
            names.join(" ")
        };
        assert_eq!(row(&[]), "");
        assert_eq!(row(&["impact", "initial-access"]), "impact".replace("impact", "initial-access"));
        assert_eq!(
            row(&["initial-access", "impact", "persistence", "exfiltration"]),
            "initial-access persistence exfiltration"
        );
        assert_eq!(
            steps(["impact", "initial-access", "persistence"].map(tactics).iter().map(Vec::as_slice)),
            2
        );
        // One alert is one step, however many tactics its rule names.
        assert_eq!(row(&["initial-access persistence impact"]), "initial-access");
    }
}

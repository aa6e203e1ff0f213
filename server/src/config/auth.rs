//! `[auth]` and `[oidc]`: roles, tokens, sessions, single sign-on.

use event::Diagnostic;
use ingest::SecretReference;
use toml_edit::{Item, Table};
use url::Url;

use super::load::{Place, Settings};
use super::{Getter, refusal};
use crate::auth::{
    Algorithm, AuthConfig, Oidc, OidcConfig, Right, Rights, Role, Roles, SessionEnds, Site, Token,
    is_safe_url,
};

/// Where the provider of single sign-on sends browsers back to.
const CALLBACK: &str = "/api/v1/session/oidc/callback";

/// What is set about who comes in.
#[derive(Debug, Clone)]
pub(crate) struct AccessConfig {
    pub(crate) site: Site,
    pub(crate) ends: SessionEnds,
    /// Where a browser is sent that has signed in: a path.
    pub(crate) landing: String,
    pub(crate) oidc: Option<OidcConfig>,
}

impl AccessConfig {
    /// What the gate is made of.
    ///
    /// # Errors
    /// There is no TLS.
    pub(crate) fn gate(
        &self,
        tokens: Vec<Token>,
        roles: Roles,
        per_second: u32,
    ) -> anyhow::Result<AuthConfig> {
        let oidc = self.oidc.clone().map(Oidc::open).transpose()?;
        Ok(AuthConfig { tokens, roles, requests_per_second: per_second, site: self.site.clone(), oidc })
    }
}

/// Reads the settings together.
pub(super) fn resolve(get: &Getter<'_>, roles: &Roles) -> Result<AccessConfig, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut refuse = |field: &str, problem: String, mend: &str| problems.push(refusal(field, problem, mend));
    let public_url = get.text("server.public_url");
    let is_site = |text: &str| {
        Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.path() == "/"
                && url.query().is_none()
                && url.username().is_empty()
        })
    };
    if !public_url.is_empty() && !is_site(&public_url) {
        let problem = format!("`{public_url}` is no address of a server");
        refuse("server.public_url", problem, "write https://HOST, without a path");
    }
    let mut proxies = Vec::new();
    for text in get.texts("server.trusted_proxies") {
        match text.parse().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into())) {
            Ok(net) => proxies.push(net),
            Err(_) => refuse(
                "server.trusted_proxies",
                format!("`{text}` is no address and no network"),
                "write 127.0.0.1 or 10.0.0.0/8",
            ),
        }
    }
    let ends =
        SessionEnds { idle: get.span("auth.session_idle"), absolute: get.span("auth.session_absolute") };
    let landing = get.text("auth.landing");
    if !landing.starts_with('/') || landing.starts_with("//") || landing.contains('\\') {
        refuse("auth.landing", format!("`{landing}` is no path of this server"), "begin with one slash");
    }
    let issuer = get.text("oidc.issuer");
    let mut oidc = None;
    if !issuer.is_empty() {
        if !Url::parse(&issuer).is_ok_and(|url| is_safe_url(&url) && url.query().is_none()) {
            let problem = format!("`{issuer}` is no issuer that can be asked safely");
            refuse(
                "oidc.issuer",
                problem,
                "write its https address to the letter, as its discovery document has it",
            );
        }
        if public_url.is_empty() {
            let problem = "it is empty, and the provider must know where to send browsers back to".to_owned();
            refuse("server.public_url", problem, "write https://HOST, as browsers reach this server");
        }
        if get.text("oidc.client_id").is_empty() {
            let problem = "it is empty".to_owned();
            refuse("oidc.client_id", problem, "register Stormglass at the provider and copy the client id");
        }
        let mut algorithms = Vec::new();
        for name in get.texts("oidc.algorithms") {
            match Algorithm::named(&name) {
                Some(algorithm) => algorithms.push(algorithm),
                None => {
                    let all = Algorithm::ALL.map(|(_, name)| name).join(", ");
                    let problem = format!("`{name}` is not among {all}");
                    refuse("oidc.algorithms", problem, "keep RS256 where the provider says nothing else");
                }
            }
        }
        let mut group_roles = Vec::new();
        for pair in get.texts("oidc.group_roles") {
            // A group of LDAP has `=` in its name, a role has none.
            let (group, role) = pair.rsplit_once('=').unwrap_or_default();
            match roles.named(role.trim()) {
                Ok(role) => group_roles.push((group.trim().to_owned(), role.as_str().to_owned())),
                Err(problem) => refuse("oidc.group_roles", problem, "write GROUP=ROLE"),
            }
        }
        let default_role = Some(get.text("oidc.default_role")).filter(|role| !role.is_empty());
        if let Some(Err(problem)) = default_role.as_deref().map(|role| roles.named(role)) {
            refuse("oidc.default_role", problem, "leave it empty to keep out those in none of the groups");
        }
        let mut scopes = get.texts("oidc.scopes");
        if !scopes.iter().any(|scope| scope == "openid") {
            scopes.insert(0, "openid".to_owned());
        }
        oidc = Some(OidcConfig {
            issuer,
            client_id: get.text("oidc.client_id"),
            client_secret: SecretReference::parse(&get.text("oidc.client_secret")),
            redirect_uri: Site::new(&public_url, Vec::new()).url(CALLBACK),
            scopes,
            hosts: get.texts("oidc.hosts"),
            algorithms,
            name_claim: get.text("oidc.name_claim"),
            groups_claim: get.text("oidc.groups_claim"),
            group_roles,
            default_role,
        });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let speaks_tls = !get.text("server.tls.certificate").is_empty();
    let site = Site::new(&public_url, proxies).speaking_tls(speaks_tls);
    Ok(AccessConfig { site, ends, landing, oidc })
}

/// Reads all of `[[auth.roles]]`.
pub(super) fn read_roles(
    place: &Place<'_>,
    document: &Table,
    roles: &mut Roles,
    problems: &mut Vec<Diagnostic>,
) {
    let tables = document.get("auth").and_then(|auth| auth.get("roles")).and_then(Item::as_array_of_tables);
    for table in tables.into_iter().flatten() {
        let at = table.span().map_or(0, |span| span.start);
        let mend = "a role is `name`, `rights` and perhaps `meaning`; docs/access.md lists the rights";
        let mut refuse = |field: &str, problem: String| {
            let at = table.get(field).and_then(Item::span).map_or(at, |span| span.start);
            problems.push(place.problem(at, &format!("auth.roles.{field}"), problem, mend.into()));
        };
        for (field, _) in table.iter().filter(|(field, _)| !["name", "rights", "meaning"].contains(field)) {
            refuse(field, "a role has no such setting".into());
        }
        let text = |field: &str| table.get(field).and_then(Item::as_str).map(str::trim).unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if text("name").is_empty() || text("name").len() > 64 || !text("name").chars().all(is_plain) {
            refuse("name", "a role needs a name: 1 to 64 of a-z, 0-9, `_`, `-`".into());
            continue;
        }
        let listed = table.get("rights").and_then(Item::as_array);
        let listed =
            listed.map(|array| array.iter().map(|item| item.as_str().unwrap_or_default().to_owned()));
        let Some(listed) = listed else {
            refuse("rights", "a role needs a list of rights".into());
            continue;
        };
        match listed.map(|name| name.parse::<Right>()).collect::<Result<Rights, _>>() {
            Err(problem) => refuse("rights", problem),
            Ok(rights) => {
                let added = roles.add(Role::new(text("name"), rights, text("meaning")));
                added.unwrap_or_else(|problem| refuse("name", problem));
            }
        }
    }
}

/// Reads an entry of `[[auth.tokens]]`.
pub(super) fn read_token(
    place: &Place<'_>,
    table: &Table,
    settings: &mut Settings,
    problems: &mut Vec<Diagnostic>,
) {
    let at = table.span().map_or(0, |span| span.start);
    let mend = "`stormglass token --role analyst --name NAME` prints a whole entry";
    for (name, _) in table.iter() {
        if !["name", "role", "sha256"].contains(&name) {
            let at = table.key(name).and_then(|key| key.span()).map_or(at, |span| span.start);
            let problem = "a token has no such setting".to_owned();
            problems.push(place.problem(at, &format!("auth.tokens.{name}"), problem, mend.into()));
        }
    }
    let text = |name: &str| table.get(name).and_then(Item::as_str).map(str::trim).unwrap_or_default();
    let mut refuse = |field: &str, problem: String| {
        let at = table.get(field).and_then(Item::span).map_or(at, |span| span.start);
        problems.push(place.problem(at, &format!("auth.tokens.{field}"), problem, mend.into()));
    };
    if text("name").is_empty() {
        refuse("name", "a token needs a name".into());
    } else if settings.tokens.iter().any(|token| token.name == text("name")) {
        refuse("name", format!("there are two tokens called `{}`", text("name")));
    }
    let role = settings.roles.named(text("role"));
    if let Err(problem) = &role {
        refuse("role", problem.clone());
    }
    let hash = Token::parse_hash(text("sha256"));
    if hash.is_none() {
        refuse("sha256", "this is not a SHA-256 in 64 hexadecimal digits".into());
    }
    if let (Ok(role), Some(hash)) = (role, hash) {
        settings.tokens.push(Token { name: text("name").into(), role, hash });
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, load};

    fn resolve(text: &str) -> Result<Config, Vec<String>> {
        let settings = load::load("s.toml", Some(text), std::iter::empty());
        settings.and_then(Config::resolve).map_err(|found| found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn roles_of_ones_own_may_what_they_list() {
        let hash = "0f".repeat(32);
        // The token stands before its role.
        let text = format!(
            "[[auth.tokens]]\nname = \"m\"\nrole = \"scraper\"\nsha256 = \"{hash}\"\n\
             [[auth.roles]]\nname = \"scraper\"\nrights = [\"read\", \"alerts.read\"]\nmeaning = \"Metrics.\"\n"
        );
        let config = resolve(&text).unwrap();
        let role = &config.tokens[0].role;
        assert_eq!(role.rights().names(), ["read", "alerts.read"]);
        for (bad, said) in [
            ("name = \"admin\"\nrights = []", "already"),
            ("name = \"a b\"\nrights = []", "needs a name"),
            ("name = \"a\"\nrights = [\"write\"]", "no right"),
            ("name = \"a\"\nrights = \"read\"", "list of rights"),
            ("name = \"a\"\nrights = [7]", "no right"),
            ("name = \"a\"\nrights = []\nright = 1", "no such setting"),
        ] {
            let found = resolve(&format!("[[auth.roles]]\n{bad}\n")).unwrap_err();
            assert!(found[0].contains(said) && found[0].contains("auth.roles"), "{found:?}");
        }
    }

    #[test]
    fn single_sign_on_is_checked_as_a_whole() {
        let good = "[server]\npublic_url = \"https://logs.example.com\"\n[oidc]\nissuer = \"https://id.example.com/r\"\n\
                    client_id = \"sg\"\nclient_secret = \"env:S\"\ngroup_roles = [\"cn=soc,dc=example=analyst\"]\n";
        let oidc = resolve(good).unwrap().access.oidc.unwrap();
        assert_eq!(oidc.redirect_uri, "https://logs.example.com/api/v1/session/oidc/callback");
        assert_eq!(oidc.group_roles, [("cn=soc,dc=example".to_owned(), "analyst".to_owned())]);
        assert_eq!(oidc.scopes[0], "openid");
        for (from, to, field) in [
            ("https://id.example.com/r", "http://id.example.com/r", "oidc.issuer"),
            ("https://id.example.com/r", "id.example.com", "oidc.issuer"),
            ("https://logs.example.com", "", "server.public_url"),
            ("https://logs.example.com", "https://logs.example.com/app", "server.public_url"),
            ("\"sg\"", "\"\"", "oidc.client_id"),
            ("env:S", "hunter2", "oidc.client_secret"),
            ("=analyst", "=boss", "oidc.group_roles"),
            ("client_id", "default_role = \"boss\"\nclient_id", "oidc.default_role"),
            ("client_id", "algorithms = [\"none\"]\nclient_id", "oidc.algorithms"),
            ("client_id", "algorithms = [\"HS256\"]\nclient_id", "oidc.algorithms"),
        ] {
            let found = resolve(&good.replace(from, to)).unwrap_err();
            assert!(found.iter().any(|problem| problem.contains(field)), "{field}: {found:?}");
            assert!(!found.iter().any(|problem| problem.contains("hunter2")), "{found:?}");
        }
        for (text, field) in [
            ("[server]\ntrusted_proxies = [\"proxy\"]\n", "server.trusted_proxies"),
            ("[auth]\nlanding = \"//evil.example.com\"\n", "auth.landing"),
            ("[auth]\nlanding = \"https://evil.example.com\"\n", "auth.landing"),
        ] {
            assert!(resolve(text).unwrap_err()[0].contains(field), "{field}");
        }
    }
}

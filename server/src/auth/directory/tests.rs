//! Users, sessions and tokens: how they end, and that they stay ended.

use storage::accounts::{Origin, TENANT};

use super::*;

const S: i64 = 1_000_000;
const MIN: i64 = 60 * S;

fn open() -> (tempfile::TempDir, Directory) {
    let dir = tempfile::tempdir().unwrap();
    let directory = reopen(&dir);
    (dir, directory)
}

fn reopen(dir: &tempfile::TempDir) -> Directory {
    let ends = SessionEnds { idle: Duration::from_secs(1_800), absolute: Duration::from_secs(43_200) };
    Directory::open(State::open(&dir.path().join("state.db")).unwrap(), ends).unwrap()
}

fn user(name: &str) -> UserRow {
    UserRow {
        id: String::new(),
        tenant: TENANT.into(),
        name: name.into(),
        display: String::new(),
        email: String::new(),
        role: "analyst".into(),
        origin: Origin::Local,
        subject: None,
        external_id: None,
        password: Some("p".into()),
        is_active: true,
        created_us: 0,
        changed_us: 0,
        handles: Vec::new(),
    }
}

fn token(name: &str, owner_id: Option<&str>) -> TokenRow {
    TokenRow {
        id: String::new(),
        tenant: TENANT.into(),
        name: name.into(),
        owner_id: owner_id.map(str::to_owned),
        made_by: "ana".into(),
        role: "analyst".into(),
        rights: None,
        hash: SecretHash([0; 32]),
        created_us: 0,
        expires_us: 100 * MIN,
        used_us: None,
        revoked_us: None,
    }
}

fn here() -> IpAddr {
    "192.0.2.7".parse().unwrap()
}

#[test]
fn sessions_end_by_idleness_by_age_and_by_hand() {
    let (dir, directory) = open();
    let ana = directory.add_user(user("ana")).unwrap();
    let open = |now_us| token::secret_hash(&directory.open_session(&ana, here(), now_us).unwrap());
    let is_in = |hash, now_us| directory.session(hash, now_us).is_some();
    let idle = open(0);
    assert!(is_in(idle, 30 * MIN - 1));
    // That was a use.
    assert!(is_in(idle, 45 * MIN));
    assert!(!is_in(idle, 75 * MIN));
    let old = open(0);
    for minute in 0..720 {
        assert!(is_in(old, minute * MIN));
    }
    assert!(!is_in(old, 720 * MIN));
    let (left, stays) = (open(0), open(0));
    directory.end_session(left).unwrap();
    assert!(!is_in(left, 0) && is_in(stays, 0));
    assert_eq!(directory.count_sessions(&ana.id, 0), 1 + 2);
    drop(directory);
    let again = reopen(&dir);
    assert!(again.session(stays, 0).is_some() && again.session(left, 0).is_none());
    assert!(again.is_known_place(&ana.id, here()));
    assert_eq!(again.end_sessions(&ana.id).unwrap(), 3);
    assert!(again.session(stays, 0).is_none());
    assert!(reopen(&dir).session(stays, 0).is_none());
}

#[test]
fn a_user_has_so_many_sessions_and_no_more() {
    let (_dir, directory) = open();
    let ana = directory.add_user(user("ana")).unwrap();
    let first = token::secret_hash(&directory.open_session(&ana, here(), 0).unwrap());
    for at in 1..=SESSIONS as i64 {
        directory.open_session(&ana, here(), at).unwrap();
    }
    assert_eq!(directory.count_sessions(&ana.id, SESSIONS as i64), SESSIONS);
    assert!(directory.session(first, SESSIONS as i64).is_none());
}

#[test]
fn who_is_disabled_is_out_and_stays_out() {
    let (dir, directory) = open();
    let ana = directory.add_user(user("ana")).unwrap();
    let session = token::secret_hash(&directory.open_session(&ana, here(), 0).unwrap());
    let (_, text) = directory.add_token(token("laptop", Some(&ana.id))).unwrap();
    let (_, service) = directory.add_token(token("pump", None)).unwrap();
    let (laptop, pump) = (token::secret_hash(&text), token::secret_hash(&service));
    assert!(directory.session(session, 0).is_some() && directory.token(laptop, 0).is_some());
    directory.change_user(&ana.id, None, 1, |user| user.is_active = false).unwrap();
    assert!(directory.session(session, 1).is_none() && directory.token(laptop, 1).is_none());
    assert!(directory.open_session(&ana, here(), 1).is_err());
    // A use that was noted just before does not bring it back.
    directory.keep_use(laptop).unwrap();
    directory.keep_use(session).unwrap();
    directory.change_user(&ana.id, None, 2, |user| user.is_active = true).unwrap();
    for directory in [&directory, &reopen(&dir)] {
        assert!(directory.session(session, 2).is_none() && directory.token(laptop, 2).is_none());
        assert!(directory.token(pump, 2).is_some());
    }
}

#[test]
fn tokens_end_and_names_are_given_once() {
    let (_dir, directory) = open();
    assert!(directory.is_empty());
    let ana = directory.add_user(user("ana")).unwrap();
    let (row, text) = directory.add_token(token("laptop", None)).unwrap();
    assert!(token::is_well_formed(&text) && !directory.is_empty());
    let hash = token::secret_hash(&text);
    assert!(directory.token(hash, 100 * MIN - 1).is_some() && directory.token(hash, 100 * MIN).is_none());
    assert!(matches!(directory.add_token(token("laptop", None)), Err(Refused::Taken { .. })));
    assert!(matches!(directory.add_token(token("ana", None)), Err(Refused::Taken { .. })));
    assert!(matches!(directory.add_user(user("laptop")), Err(Refused::Taken { .. })));
    assert!(matches!(directory.add_user(user("ana")), Err(Refused::Taken { .. })));
    directory.revoke(&row, 5).unwrap();
    assert!(directory.token(hash, 6).is_none() && directory.revoke(&row, 6).is_err());
    let bob = directory.add_user(user("bob")).unwrap();
    assert!(directory.change_user(&bob.id, None, 1, |user| user.name = "ana".into()).is_err());
    directory.remove_user(&ana.id, 1).unwrap();
    assert!(directory.change_user(&bob.id, None, 1, |user| user.name = "ana".into()).is_ok());
}

#[test]
fn a_new_password_or_role_ends_the_other_sessions() {
    let (_dir, directory) = open();
    let ana = directory.add_user(user("ana")).unwrap();
    let open = || token::secret_hash(&directory.open_session(&ana, here(), 0).unwrap());
    let (own, other) = (open(), open());
    directory.change_user(&ana.id, Some(own), 1, |user| user.password = Some("q".into())).unwrap();
    assert!(directory.session(own, 1).is_some() && directory.session(other, 1).is_none());
    directory.change_user(&ana.id, None, 1, |user| user.display = "Ana".into()).unwrap();
    assert!(directory.open_session(&ana, here(), 2).is_err(), "by a password that was changed meanwhile");
    assert!(directory.rehash(&ana.id, ana.password.as_deref(), "r".into()).is_err());
    assert_eq!(directory.rehash(&ana.id, Some("q"), "r".into()).unwrap().password.as_deref(), Some("r"));
    assert!(directory.session(own, 1).is_some());
    directory.change_user(&ana.id, None, 1, |user| user.role = "admin".into()).unwrap();
    assert!(directory.session(own, 1).is_none());
}

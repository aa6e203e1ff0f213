use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use event::SourceId;

use super::*;
use crate::Limits;

const NOW_S: i64 = 1_700_000_000;

fn options() -> ReadOptions {
    ReadOptions {
        source: SourceId::new("list"),
        log_type: None,
        limits: Limits::default(),
        readers: 1,
        now_us: || NOW_S * 1_000_000,
    }
}

type Asked = Arc<Mutex<Vec<Window>>>;

/// Answers as it is told; after that it has one record a window.
#[derive(Debug)]
struct Scripted {
    name: &'static str,
    answers: VecDeque<Result<Listed>>,
    asked: Asked,
}

#[async_trait]
impl List for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    fn log_type(&self) -> Option<LogType> {
        Some(LogType::AwsCloudtrail)
    }

    fn origin(&self) -> String {
        format!("test://{}", self.name)
    }

    fn windowing(&self) -> Windowing {
        Windowing { settle_s: 60, overlap_s: 30, length_s: 3600, step_s: 60 }
    }

    async fn page(&mut self, window: &Window) -> Result<Listed> {
        self.asked.lock().unwrap().push(window.clone());
        self.answers.pop_front().unwrap_or_else(|| page(&["{}"], None))
    }
}

fn page(records: &[&str], next: Option<&str>) -> Result<Listed> {
    let records = records.iter().map(|text| (*text).to_owned()).collect();
    Ok(Listed::Page { records, next: next.map(str::to_owned) })
}

fn scripted(name: &'static str, answers: Vec<Result<Listed>>) -> (Box<dyn List>, Asked) {
    let asked = Asked::default();
    (Box::new(Scripted { name, answers: answers.into(), asked: asked.clone() }), asked)
}

fn open(lists: Vec<Box<dyn List>>, positions: &BTreeMap<String, String>) -> Lists {
    Lists::open(lists, Duration::from_secs(3600), Duration::ZERO, positions, options())
}

async fn collected(lists: &mut Lists) -> Collected {
    match lists.poll().await.unwrap() {
        Polled::Collected(collected) => collected,
        polled => panic!("{polled:?}"),
    }
}

fn refused() -> Error {
    Error::Refused {
        call: "c".into(),
        status: 403,
        code: "no".into(),
        message: String::new(),
        retry_after: None,
    }
}

#[tokio::test]
async fn a_list_that_fails_does_not_stop_the_others() {
    let (bad, bad_asked) = scripted("bad", vec![Err(refused())]);
    let (good, good_asked) = scripted("good", vec![page(&["{\"a\":1}"], Some("p2")), page(&[], None)]);
    let mut lists = open(vec![bad, good], &BTreeMap::new());
    assert!(lists.poll().await.is_err());
    let first = collected(&mut lists).await;
    let batch = first.batch.unwrap();
    assert_eq!(batch.origin.as_ref(), format!("test://good/{}-{}", NOW_S - 3690, NOW_S - 60));
    assert_eq!(first.position[0].key, "good");
    let second = collected(&mut lists).await;
    assert!(second.batch.is_none());
    assert_eq!(bad_asked.lock().unwrap().len(), 1);
    let asked = good_asked.lock().unwrap();
    assert_eq!((asked[1].token.as_deref(), asked[1].records), (Some("p2"), 1));
}

#[tokio::test]
async fn only_its_own_answer_ends_the_failure_of_a_list() {
    let (bad, bad_asked) = scripted("bad", vec![Err(refused())]);
    let (good, _) = scripted("good", Vec::new());
    let mut lists = open(vec![bad, good], &BTreeMap::new());
    assert!(!lists.is_failing());
    assert!(lists.poll().await.is_err());
    assert!(lists.is_failing());
    collected(&mut lists).await;
    assert!(lists.is_failing(), "another list has answered");
    // It waits for the rest to pass, and nothing is asked.
    lists.lists[0].rests_until = Some(Instant::now() + Duration::from_millis(1));
    let mut idle = 0;
    while bad_asked.lock().unwrap().len() < 2 {
        assert!(lists.is_failing());
        if matches!(lists.poll().await.unwrap(), Polled::Idle) {
            idle += 1;
        }
    }
    assert!(idle > 0 && !lists.is_failing());
    let (repeats, _) = scripted("l", vec![page(&[], Some("a")), page(&[], Some("a"))]);
    let mut lists = open(vec![repeats], &BTreeMap::new());
    collected(&mut lists).await;
    assert!(lists.poll().await.is_err() && lists.is_failing());
}

#[tokio::test]
async fn a_token_that_ended_or_repeats_is_told() {
    let again = || page(&["{}"], Some("a"));
    let (list, asked) = scripted("l", vec![again(), Ok(Listed::TokenEnded), again(), again()]);
    let mut lists = open(vec![list], &BTreeMap::new());
    collected(&mut lists).await;
    assert!(matches!(lists.poll().await.unwrap(), Polled::Idle));
    collected(&mut lists).await;
    let error = lists.poll().await.unwrap_err();
    assert!(matches!(error, Error::BadAnswer { .. }), "{error}");
    let tokens: Vec<_> = asked.lock().unwrap().iter().map(|window| window.token.clone()).collect();
    assert_eq!(tokens, [None, Some("a".to_owned()), None, Some("a".to_owned())]);
    let (list, _) = scripted("l", vec![page(&[], Some(&"x".repeat((32 << 10) + 1)))]);
    let error = open(vec![list], &BTreeMap::new()).poll().await.unwrap_err();
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[tokio::test]
async fn where_a_list_begins_is_saved_before_it_is_due() {
    let (first, _) = scripted("a", Vec::new());
    let (second, _) = scripted("b", Vec::new());
    let mut lists = open(vec![first, second], &BTreeMap::new());
    let position = collected(&mut lists).await.position;
    let keys: Vec<_> = position.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(keys, ["a", "b"]);
    let begin = Progress::from(NOW_S - 3_660);
    assert_eq!(position[1].value, Some(begin.to_text()));
    assert_eq!(collected(&mut lists).await.position.len(), 1);
}

#[tokio::test]
async fn a_list_that_goes_on_is_asked_again_after_a_while() {
    let caught = |next: &str| Ok(Listed::CaughtUp { records: vec!["{}".into()], next: next.into() });
    let (list, asked) = scripted("l", vec![caught("a"), caught("a"), Ok(Listed::TokenEnded)]);
    let mut lists = open(vec![list], &BTreeMap::new());
    let mut origins = Vec::new();
    for _ in 0..2 {
        origins.push(collected(&mut lists).await.batch.unwrap().origin);
        let rest = lists.lists[0].rests_until.take().unwrap().duration_since(Instant::now());
        assert!((59..=60).contains(&rest.as_secs()), "{rest:?}");
    }
    assert_ne!(origins[0], origins[1]);
    assert!(matches!(lists.poll().await.unwrap(), Polled::Idle));
    collected(&mut lists).await;
    let asked = asked.lock().unwrap();
    let tokens: Vec<_> = asked.iter().map(|window| window.token.as_deref()).collect();
    assert_eq!(tokens, [None, Some("a"), Some("a"), None]);
    assert_eq!((asked[0].start_s, asked[3].start_s), (NOW_S - 3_690, NOW_S - 90));
}

#[tokio::test]
async fn what_is_too_large_is_a_reject() {
    let (list, _) = scripted("l", vec![page(&["{}", &format!("\"{}\"", "x".repeat(5 << 20))], None)]);
    let batch = collected(&mut open(vec![list], &BTreeMap::new())).await.batch.unwrap();
    assert_eq!(batch.get(0).unwrap().reject, None);
    assert!(batch.get(1).unwrap().reject.unwrap().starts_with("too_large"));
}

#[tokio::test]
async fn a_backfill_reads_its_span_once_and_ends() {
    let span = (NOW_S - 10_000) * 1_000_000..(NOW_S - 2_000) * 1_000_000;
    let mut positions = BTreeMap::new();
    let mut windows = Vec::new();
    // Opened anew after each batch, as after a kill.
    loop {
        let (list, asked) = scripted("l", Vec::new());
        let mut lists = Lists::over(vec![list], &span, Duration::ZERO, &positions, options());
        match lists.poll().await.unwrap() {
            Polled::Collected(collected) => {
                for change in collected.position {
                    positions.insert(change.key, change.value.unwrap());
                }
            }
            Polled::End => break,
            Polled::Idle => panic!("it is neither at work nor done"),
        }
        windows.extend(asked.lock().unwrap().drain(..).map(|window| (window.start_s, window.end_s)));
    }
    let at = |back: i64| NOW_S - back;
    assert_eq!(
        windows,
        [(at(10_000), at(6_370)), (at(6_400), at(2_770)), (at(2_800), at(1_999))],
        "from {NOW_S}"
    );
}

/// As [`Scripted`], of a service that keeps its records for ten days.
#[derive(Debug)]
struct Forgetful(Scripted);

#[async_trait]
impl List for Forgetful {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn log_type(&self) -> Option<LogType> {
        self.0.log_type()
    }

    fn origin(&self) -> String {
        self.0.origin()
    }

    fn windowing(&self) -> Windowing {
        self.0.windowing()
    }

    fn kept_s(&self) -> Option<i64> {
        Some(10 * 86_400)
    }

    async fn page(&mut self, window: &Window) -> Result<Listed> {
        self.0.page(window).await
    }
}

#[tokio::test]
async fn what_a_service_keeps_no_longer_is_a_gap() {
    let forgetful = || {
        let asked = Asked::default();
        let list = Forgetful(Scripted { name: "a", answers: VecDeque::new(), asked: asked.clone() });
        (Box::new(list) as Box<dyn List>, asked)
    };
    let oldest_s = NOW_S - 10 * 86_400;
    let at = |watermark_s| {
        let progress = Progress::from(watermark_s).to_text();
        BTreeMap::from([("a".to_owned(), progress)])
    };
    let (list, asked) = forgetful();
    let mut lists = open(vec![list], &at(oldest_s - 500));
    let first = collected(&mut lists).await;
    let [finding] = &first.findings[..] else { panic!("{first:?}") };
    assert_eq!(finding.kind, FindingKind::Gap);
    assert_eq!(finding.span_us, Some((oldest_s - 500) * 1_000_000..oldest_s * 1_000_000));
    assert_eq!((first.batch.is_none(), first.ticket), (true, 1));
    assert_eq!(
        Progress::from_text(first.position[0].value.as_ref().unwrap()),
        Some(Progress::from(oldest_s))
    );
    assert!(asked.lock().unwrap().is_empty(), "nothing is asked before the gap is told");
    let second = collected(&mut lists).await;
    assert!(second.findings.is_empty() && second.batch.is_some());
    // Where nothing was read before, nothing is missing; and what is kept is no gap.
    let (list, asked) = forgetful();
    let lookback = Duration::from_secs(30 * 86_400);
    let mut lists = Lists::open(vec![list], lookback, Duration::ZERO, &BTreeMap::new(), options());
    assert!(collected(&mut lists).await.findings.is_empty());
    assert_eq!(asked.lock().unwrap()[0].start_s, oldest_s - 30);
    let mut lists = open(vec![forgetful().0], &at(oldest_s));
    assert!(collected(&mut lists).await.findings.is_empty());
}

#[tokio::test]
async fn a_gap_loses_no_beginning() {
    let forgetful = |name| {
        Box::new(Forgetful(Scripted { name, answers: VecDeque::new(), asked: Asked::default() }))
            as Box<dyn List>
    };
    let oldest_s = NOW_S - 10 * 86_400;
    let saved = BTreeMap::from([("old".to_owned(), Progress::from(oldest_s - 500).to_text())]);
    let (read, _) = scripted("read", Vec::new());
    // `new` begins before what is kept.
    let lookback = Duration::from_secs(30 * 86_400);
    let lists = vec![forgetful("new"), read, forgetful("old")];
    let mut lists = Lists::open(lists, lookback, Duration::ZERO, &saved, options());
    let gap = collected(&mut lists).await;
    assert_eq!((gap.findings.len(), gap.position.len()), (1, 1));
    assert_eq!(gap.position[0].key, "old");
    // The first page of another list saves where `new` begins; opened there, nothing is missing.
    lists.turn = 1;
    let page = collected(&mut lists).await;
    assert!(page.findings.is_empty());
    assert_eq!(page.position.iter().map(|change| &*change.key).collect::<Vec<_>>(), ["read", "new"]);
    let begin = page.position[1].value.as_deref().and_then(Progress::from_text);
    assert_eq!(begin, Some(Progress::from(oldest_s)));
}

#[tokio::test]
async fn lists_come_and_go() {
    let (one, one_asked) = scripted("one", vec![page(&["{}"], Some("p2"))]);
    let mut lists = open(vec![one], &BTreeMap::new());
    collected(&mut lists).await;
    // The second comes; the first is another object of the same name and goes on at its page.
    let (again, again_asked) = scripted("one", Vec::new());
    let (two, two_asked) = scripted("two", Vec::new());
    lists.replace(vec![two, again]);
    let mut keys = Vec::new();
    for _ in 0..2 {
        keys.extend(collected(&mut lists).await.position.into_iter().map(|change| change.key));
    }
    assert_eq!(keys, ["two", "one"]);
    assert_eq!(one_asked.lock().unwrap().len(), 1);
    assert_eq!(again_asked.lock().unwrap()[0].token.as_deref(), Some("p2"));
    assert_eq!(two_asked.lock().unwrap()[0].start_s, NOW_S - 3_690);
    // One that went and comes again is not read anew.
    lists.replace(Vec::new());
    let (back, back_asked) = scripted("one", Vec::new());
    lists.replace(vec![back]);
    assert!(lists.next().is_none());
    assert!(back_asked.lock().unwrap().is_empty());
}

/// A list whose service says a time of its own, or none.
#[derive(Debug)]
struct Timed {
    list: Scripted,
    service_s: Option<i64>,
}

#[async_trait]
impl List for Timed {
    fn name(&self) -> &str {
        self.list.name()
    }

    fn log_type(&self) -> Option<LogType> {
        self.list.log_type()
    }

    fn origin(&self) -> String {
        self.list.origin()
    }

    fn windowing(&self) -> Windowing {
        self.list.windowing()
    }

    fn service_s(&self) -> Option<i64> {
        self.service_s
    }

    async fn page(&mut self, window: &Window) -> Result<Listed> {
        self.list.page(window).await
    }
}

#[tokio::test]
async fn a_clock_that_was_ahead_leaves_nothing_out() {
    let timed = |service_s| {
        let asked = Asked::default();
        let list = Scripted { name: "l", answers: VecDeque::new(), asked: asked.clone() };
        (Box::new(Timed { list, service_s }) as Box<dyn List>, asked)
    };
    // Our clock is an hour ahead of the service's: the window is read, and counts up to the service's time.
    let saved = BTreeMap::from([("l".to_owned(), Progress::from(NOW_S - 4_000).to_text())]);
    let (list, asked) = timed(Some(NOW_S - 3_600));
    let mut lists = open(vec![list], &saved);
    let first = collected(&mut lists).await;
    assert!(first.findings.is_empty());
    let position = Progress::from_text(first.position[0].value.as_ref().unwrap()).unwrap();
    assert_eq!(position.watermark_s, NOW_S - 3_600 - 60);
    collected(&mut lists).await;
    assert_eq!(asked.lock().unwrap()[1].start_s, NOW_S - 3_690, "it goes on where the service was");

    // It was a day ahead, and nobody knew: it is told, once, and read from now on.
    let saved = BTreeMap::from([("l".to_owned(), Progress::from(NOW_S + 86_400).to_text())]);
    let (list, asked) = timed(None);
    let mut lists = open(vec![list], &saved);
    let told = collected(&mut lists).await;
    assert_eq!((told.batch.is_none(), told.findings.len()), (true, 1));
    let finding = &told.findings[0];
    assert_eq!(finding.kind, FindingKind::Gap);
    assert_eq!(finding.subject, format!("test://l/clock/{}", NOW_S + 86_400));
    assert_eq!(finding.span_us, Some(NOW_S * 1_000_000..(NOW_S + 86_400) * 1_000_000));
    assert_eq!(
        Progress::from_text(told.position[0].value.as_ref().unwrap()),
        Some(Progress::from(NOW_S - 60))
    );
    assert!(lists.expired().is_none() && lists.ahead().is_none());
    assert!(asked.lock().unwrap().is_empty());
}

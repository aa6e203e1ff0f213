//! What the hits of one group amount to: a pure function of the hits and of how far time has come.

use std::collections::HashMap;

use crate::check::judge::{Asks, Judge, Presence, Statistic, Threshold};

/// A hit as a group keeps it; 40 bytes.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Kept {
    pub(crate) time_us: i64,
    /// The event's key, in halves so that a hit needs no padding.
    pub(crate) event: (u64, u64),
    /// See [`super::HitValue::digest`].
    pub(crate) value: u64,
    pub(crate) member: u16,
    /// How many hits it stands for: more than one where a bucket of the past was folded into one.
    pub(crate) weight: u32,
}

impl Kept {
    /// What tells it from others, in the order of hits.
    pub(crate) fn key(&self) -> (i64, (u64, u64), u16, u64) {
        (self.time_us, self.event, self.member, self.value)
    }
}

/// Hits that belong together and are worth telling.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span {
    /// Indices of the hits, in order.
    pub(crate) hits: Vec<usize>,
    /// The time of the hit or of the end of the window that decided it.
    pub(crate) decided_us: i64,
    /// What the numbers are, where they explain it.
    pub(crate) why: Why,
}

/// What made a judgement, for the words of an alert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Why {
    /// The hits speak for themselves.
    Plain,
    /// The number that was compared.
    Number(f64),
    /// Kilometres, hours, and the two places in degrees: latitude and longitude.
    Travel { km: f64, hours: f64, from: (f64, f64), to: (f64, f64) },
    /// What was seen in the bucket, the median and the deviation of its like.
    Volume(f64, f64, f64),
}

impl Why {
    fn larger(self, other: Self) -> Self {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) if b > a => other,
            _ => self,
        }
    }
}

/// What a group amounts to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Judged {
    /// In order of time.
    pub(crate) spans: Vec<Span>,
    /// When the group must be judged again though nothing new has come.
    pub(crate) due_us: Option<i64>,
}

/// Judges the hits of a group, which are in order. Windows that end at `watermark_us` or later are not over.
pub(crate) fn judge(judge: &Judge, timespan_us: i64, hits: &[Kept], watermark_us: i64) -> Judged {
    match judge {
        Judge::Rolling(asks) => rolling(asks, timespan_us, hits),
        Judge::Closed(asks) => closed(asks, timespan_us, hits, watermark_us),
        Judge::Following(presence) => following(presence, timespan_us, hits, watermark_us),
        Judge::Ordered { steps, differs } => ordered(steps, *differs, timespan_us, hits),
        Judge::Absence => absence(timespan_us, hits, watermark_us),
        Judge::FirstSeen { learning_us } => first_seen(*learning_us, timespan_us, hits),
        Judge::Rare { learning_us, threshold } => rare(*learning_us, threshold, timespan_us, hits),
        Judge::Travel { speed_kmh, distance_km } => travel(*speed_kmh, *distance_km, timespan_us, hits),
        Judge::Volume { learning_us, deviations, least } => {
            volume(*learning_us, *deviations, *least, timespan_us, hits)
        }
    }
}

/// Looks back from each hit. Windows that share a hit are one episode.
fn rolling(asks: &Asks, timespan_us: i64, hits: &[Kept]) -> Judged {
    let mut spans: Vec<(usize, usize, i64, Why)> = Vec::new();
    let mut window = Window::new(asks);
    let mut first = 0;
    for (last, hit) in hits.iter().enumerate() {
        window.add(hit);
        while let Some(out) =
            hits.get(first).filter(|out| out.time_us < hit.time_us.saturating_sub(timespan_us))
        {
            window.remove(out);
            first += 1;
        }
        let in_window = hits.get(first..=last).unwrap_or_default();
        let Some(why) = window.answer(in_window) else { continue };
        match spans.last_mut() {
            Some((_, end, _, most)) if first <= *end => {
                *end = last;
                *most = most.larger(why);
            }
            _ => spans.push((first, last, hit.time_us, why)),
        }
    }
    let spans = spans.into_iter().map(|(first, last, decided_us, why)| Span {
        hits: (first..=last).collect(),
        decided_us,
        why,
    });
    Judged { spans: spans.collect(), due_us: None }
}

/// Windows one after the other, each begun by the first hit behind the last.
fn closed(asks: &Asks, timespan_us: i64, hits: &[Kept], watermark_us: i64) -> Judged {
    let mut judged = Judged::default();
    let mut first = 0;
    while let Some(begin) = hits.get(first) {
        let end_us = begin.time_us.saturating_add(timespan_us);
        let next = first + hits.iter().skip(first).take_while(|hit| hit.time_us <= end_us).count();
        if end_us >= watermark_us {
            judged.due_us = Some(end_us);
            break;
        }
        judged.spans.extend(whole(asks, hits, first, next, end_us));
        first = next;
    }
    judged
}

/// A window from each hit on; those that overlap and hold are one episode. What must not be there must not be
/// in the time of a window before it either: else a window that begins just behind it would hold.
fn following(presence: &Presence, timespan_us: i64, hits: &[Kept], watermark_us: i64) -> Judged {
    let mut judged = Judged::default();
    let (mut before, mut next) = (0, 0);
    // By member, how many are in the window, and how many in it or before it.
    let (mut inside, mut around) = (Counts::default(), Counts::default());
    for (first, begin) in hits.iter().enumerate() {
        let end_us = begin.time_us.saturating_add(timespan_us);
        while let Some(hit) = hits.get(next).filter(|hit| hit.time_us <= end_us) {
            inside.add(hit.member);
            around.add(hit.member);
            next += 1;
        }
        let since_us = begin.time_us.saturating_sub(timespan_us);
        while let Some(hit) = hits.get(before).filter(|hit| hit.time_us < since_us) {
            around.remove(hit.member);
            before += 1;
        }
        if end_us >= watermark_us {
            judged.due_us = Some(end_us);
            break;
        }
        if presence.holds(&|member| inside.has(member), &|member| around.has(member)) {
            match judged.spans.last_mut() {
                Some(last) if last.hits.last().is_some_and(|last| *last >= first) => {
                    let from = last.hits.last().map_or(first, |last| last + 1);
                    last.hits.extend(from..next);
                }
                _ => judged.spans.push(Span {
                    hits: (first..next).collect(),
                    decided_us: end_us,
                    why: Why::Plain,
                }),
            }
        }
        inside.remove(begin.member);
    }
    judged
}

/// How often members are there.
#[derive(Default)]
struct Counts(HashMap<u16, u32>);

impl Counts {
    fn add(&mut self, member: u16) {
        *self.0.entry(member).or_default() += 1;
    }

    fn remove(&mut self, member: u16) {
        if let Some(times) = self.0.get_mut(&member) {
            *times = times.saturating_sub(1);
        }
    }

    fn has(&self, member: u16) -> bool {
        self.0.get(&member).is_some_and(|times| *times > 0)
    }
}

/// The hits from `first` to before `next`, if they are what is asked for.
fn whole(asks: &Asks, hits: &[Kept], first: usize, next: usize, end_us: i64) -> Option<Span> {
    let in_window = hits.get(first..next)?;
    let mut window = Window::new(asks);
    in_window.iter().for_each(|hit| window.add(hit));
    let why = window.answer(in_window)?;
    Some(Span { hits: (first..next).collect(), decided_us: end_us, why })
}

/// Counts over a window that moves.
struct Window<'a> {
    asks: &'a Asks,
    count: u64,
    /// By value, for distinct values; by member, for distinct rules.
    seen: HashMap<u64, u32>,
}

impl<'a> Window<'a> {
    fn new(asks: &'a Asks) -> Self {
        Self { asks, count: 0, seen: HashMap::new() }
    }

    fn what(&self, hit: &Kept) -> Option<u64> {
        match self.asks {
            Asks::Distinct(_) => Some(hit.value),
            Asks::Rules(_) | Asks::Presence(_) => Some(hit.member.into()),
            Asks::Count(_) | Asks::Number(..) => None,
        }
    }

    fn add(&mut self, hit: &Kept) {
        self.count += u64::from(hit.weight);
        if let Some(what) = self.what(hit) {
            *self.seen.entry(what).or_default() += 1;
        }
    }

    fn remove(&mut self, hit: &Kept) {
        self.count = self.count.saturating_sub(hit.weight.into());
        let Some(what) = self.what(hit) else { return };
        if let Some(times) = self.seen.get_mut(&what) {
            *times -= 1;
            if *times == 0 {
                self.seen.remove(&what);
            }
        }
    }

    fn answer(&self, in_window: &[Kept]) -> Option<Why> {
        let compared =
            |threshold: &Threshold, value: f64| threshold.holds(value).then_some(Why::Number(value));
        match self.asks {
            Asks::Count(threshold) => compared(threshold, self.count as f64),
            Asks::Distinct(threshold) | Asks::Rules(threshold) => compared(threshold, self.seen.len() as f64),
            Asks::Number(statistic, threshold) => compared(threshold, number(*statistic, in_window)?),
            Asks::Presence(presence) => self.is_present(presence).then_some(Why::Plain),
        }
    }

    fn is_present(&self, presence: &Presence) -> bool {
        let is_there = |member: u16| self.seen.contains_key(&u64::from(member));
        presence.holds(&is_there, &is_there)
    }
}

fn number(statistic: Statistic, hits: &[Kept]) -> Option<f64> {
    let values = hits.iter().map(|hit| f64::from_bits(hit.value));
    match statistic {
        Statistic::Sum => Some(values.sum()),
        Statistic::Average => (!hits.is_empty()).then(|| values.sum::<f64>() / hits.len() as f64),
        Statistic::Percentile(percent) => percentile(values.collect(), percent),
    }
}

/// The percentile with linear interpolation between neighbours; `None` of nothing.
pub(crate) fn percentile(mut values: Vec<f64>, percent: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = percent / 100.0 * values.len().checked_sub(1)? as f64;
    let (below, above) = (values.get(rank.floor() as usize)?, values.get(rank.ceil() as usize)?);
    Some(below + (above - below) * rank.fract())
}

/// Steps in their order within the time. Hits of the same instant may be taken in any order, because clouds
/// count in seconds; but one event is one step. Where values must differ, a step is none whose value is that of
/// the step before.
fn ordered(steps: &[Vec<u16>], differs: bool, timespan_us: i64, hits: &[Kept]) -> Judged {
    let mut found: Vec<(usize, usize)> = Vec::new();
    // For each number of steps done: the chain that began last and, where values must differ, the one of those
    // with another value. One of the two can go on with any hit.
    let mut chains: Vec<Vec<Chain>> = vec![Vec::new(); steps.len()];
    let mut first = 0;
    while let Some(begin) = hits.get(first) {
        let next = first + hits.iter().skip(first).take_while(|hit| hit.time_us == begin.time_us).count();
        // At each instant every hit may be taken once in every chain; rounds bring them into order.
        let mut taken = true;
        let mut rounds = 0;
        while taken && rounds < steps.len().max(1) {
            taken = false;
            rounds += 1;
            for index in first..next {
                let Some(hit) = hits.get(index) else { continue };
                for done in (0..steps.len()).rev() {
                    if !steps.get(done).is_some_and(|step| step.contains(&hit.member)) {
                        continue;
                    }
                    let before = match done.checked_sub(1) {
                        None => Some(Chain::new(first, hit)),
                        Some(previous) => chains.get(previous).and_then(|chains| {
                            let goes_on = |chain: &&Chain| chain.takes(hit, differs, timespan_us);
                            chains.iter().filter(goes_on).max_by_key(|chain| chain.begin_us).cloned()
                        }),
                    };
                    let Some(mut chain) = before else { continue };
                    chain.take(hit);
                    let is_last = done + 1 == steps.len();
                    let Some(slot) = chains.get_mut(done) else { continue };
                    let begin = chain.begin;
                    if keep_chain(slot, chain, differs && !is_last) {
                        if is_last {
                            found.push((begin, next - 1));
                        }
                        taken = true;
                    }
                }
            }
        }
        first = next;
    }
    // A later round can end the same chain again; what shares a hit is one episode.
    let mut spans: Vec<(usize, usize, i64)> = Vec::new();
    for (begin, end) in found {
        let decided_us = hits.get(end).map_or(0, |hit| hit.time_us);
        match spans.last_mut() {
            Some((first, last, _)) if begin <= *last => {
                (*first, *last) = ((*first).min(begin), end.max(*last))
            }
            _ => spans.push((begin, end, decided_us)),
        }
    }
    let spans = spans.into_iter().map(|(first, last, decided_us)| Span {
        hits: (first..=last).collect(),
        decided_us,
        why: Why::Plain,
    });
    Judged { spans: spans.collect(), due_us: None }
}

/// Steps that were done in order.
#[derive(Debug, Clone)]
struct Chain {
    /// The index of the first hit of the instant in which it began.
    begin: usize,
    begin_us: i64,
    /// The value of its last step.
    value: u64,
    /// The events that it took at the instant at hand.
    now: Vec<(i64, (u64, u64))>,
}

impl Chain {
    /// One without a step, about to begin with a hit.
    fn new(begin: usize, hit: &Kept) -> Self {
        Self { begin, begin_us: hit.time_us, value: hit.value, now: Vec::new() }
    }

    /// Whether a hit can be its next step.
    fn takes(&self, hit: &Kept, differs: bool, timespan_us: i64) -> bool {
        let was_taken = self.now.iter().any(|(at_us, event)| *at_us == hit.time_us && *event == hit.event);
        let is_late = hit.time_us.saturating_sub(self.begin_us) > timespan_us;
        !(was_taken || is_late || differs && self.value == hit.value)
    }

    fn take(&mut self, hit: &Kept) {
        self.now.retain(|(at_us, _)| *at_us == hit.time_us);
        self.now.push((hit.time_us, hit.event));
        self.value = hit.value;
    }
}

/// Keeps the chain that began last, or of two values the one each; whether this one is news.
fn keep_chain(slot: &mut Vec<Chain>, chain: Chain, by_value: bool) -> bool {
    let known = if by_value { slot.iter().position(|known| known.value == chain.value) } else { Some(0) };
    let at = match known.filter(|at| *at < slot.len()) {
        Some(at) => at,
        None if slot.len() < 2 => {
            slot.push(chain);
            return true;
        }
        // Of three values the oldest goes: the two others can go on wherever it could.
        None => {
            usize::from(slot.get(1).map(|chain| chain.begin_us) < slot.first().map(|chain| chain.begin_us))
        }
    };
    match slot.get_mut(at).filter(|known| chain.begin_us > known.begin_us) {
        Some(known) => {
            *known = chain;
            true
        }
        None => false,
    }
}

/// What happened, and was not followed by what should.
fn absence(timespan_us: i64, hits: &[Kept], watermark_us: i64) -> Judged {
    let mut judged = Judged::default();
    for (index, hit) in hits.iter().enumerate().filter(|(_, hit)| hit.member == 0) {
        let end_us = hit.time_us.saturating_add(timespan_us);
        // Clouds count in seconds, so what comes in the same instant may have come after.
        let follows = |other: &&Kept| {
            other.member == 1
                && other.time_us >= hit.time_us
                && other.time_us <= end_us
                && other.event != hit.event
        };
        if hits.iter().any(|other| follows(&other)) {
            continue;
        }
        if end_us >= watermark_us {
            judged.due_us = Some(judged.due_us.unwrap_or(end_us).min(end_us));
            continue;
        }
        judged.spans.push(Span { hits: vec![index], decided_us: end_us, why: Why::Plain });
    }
    judged
}

const DAY_US: i64 = 86_400_000_000;

/// A value that was not there before, in a group that was known for long enough. Both are counted in days,
/// so that of a value's hits of a day the first says all; what is older than the time span counts for
/// nothing.
fn first_seen(learning_us: i64, timespan_us: i64, hits: &[Kept]) -> Judged {
    let mut judged = Judged::default();
    let (learning, remembered) = (learning_us.div_euclid(DAY_US), timespan_us.div_euclid(DAY_US));
    let day = |hit: &Kept| hit.time_us.div_euclid(DAY_US);
    let mut last_seen: HashMap<u64, i64> = HashMap::new();
    let mut since = 0;
    for (index, hit) in hits.iter().enumerate() {
        let oldest = day(hit).saturating_sub(remembered);
        since += hits.iter().skip(since).take_while(|first| day(first) < oldest).count();
        let is_known = hits.get(since).is_some_and(|first| day(hit).saturating_sub(day(first)) >= learning);
        let before = last_seen.insert(hit.value, day(hit));
        if is_known && before.is_none_or(|seen| seen < oldest) {
            judged.spans.push(Span { hits: vec![index], decided_us: hit.time_us, why: Why::Plain });
        }
    }
    judged
}

/// A value that the group hardly ever shows.
fn rare(learning_us: i64, threshold: &Threshold, timespan_us: i64, hits: &[Kept]) -> Judged {
    let mut judged = Judged::default();
    let mut by_value: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut first = 0;
    for (index, hit) in hits.iter().enumerate() {
        let seen = by_value.entry(hit.value).or_default();
        seen.push(index);
        let since = hit.time_us.saturating_sub(timespan_us);
        first += hits.iter().skip(first).take_while(|old| old.time_us < since).count();
        let known_us = hits.get(first).map_or(0, |first| hit.time_us.saturating_sub(first.time_us));
        if known_us < learning_us {
            continue;
        }
        let in_window: Vec<usize> = seen
            .iter()
            .copied()
            .filter(|seen| hits.get(*seen).is_some_and(|seen| seen.time_us >= since))
            .collect();
        let count = in_window.len() as f64;
        if !threshold.holds(count) {
            continue;
        }
        // The same value within the time is the same oddity.
        match judged.spans.iter_mut().find(|span| span.hits.iter().any(|hit| in_window.contains(hit))) {
            Some(span) => span.hits.push(index),
            None => {
                judged.spans.push(Span {
                    hits: vec![index],
                    decided_us: hit.time_us,
                    why: Why::Number(count),
                });
            }
        }
    }
    judged
}

/// Two hits in turn, too far apart for the time between them.
fn travel(speed_kmh: f64, distance_km: f64, timespan_us: i64, hits: &[Kept]) -> Judged {
    let mut judged = Judged::default();
    for (index, pair) in hits.windows(2).enumerate() {
        let [from, to] = pair else { continue };
        let elapsed_us = to.time_us.saturating_sub(from.time_us);
        let ((from, left), (to_place, reached)) =
            (super::HitValue::at(from.value), super::HitValue::at(to.value));
        // Records and files know places from different makers, who do not agree where an address is.
        if left == reached {
            continue;
        }
        let km = great_circle_km(from, to_place);
        let hours = elapsed_us as f64 / 3_600_000_000.0;
        if elapsed_us > timespan_us || km < distance_km || km <= speed_kmh * hours {
            continue;
        }
        let why = Why::Travel { km, hours, from, to: to_place };
        match judged.spans.last_mut() {
            Some(span) if span.hits.last() == Some(&index) => span.hits.push(index + 1),
            _ => judged.spans.push(Span { hits: vec![index, index + 1], decided_us: to.time_us, why }),
        }
    }
    judged
}

/// The distance between two places in degrees, on a sphere (haversine formula).
fn great_circle_km(from: (f64, f64), to: (f64, f64)) -> f64 {
    const EARTH_KM: f64 = 6371.0;
    let (lat_a, lat_b) = (from.0.to_radians(), to.0.to_radians());
    let half = |angle: f64| (angle / 2.0).sin().powi(2);
    let a = half(lat_b - lat_a) + lat_a.cos() * lat_b.cos() * half((to.1 - from.1).to_radians());
    2.0 * EARTH_KM * a.clamp(0.0, 1.0).sqrt().asin()
}

const HOUR_US: i64 = 3_600_000_000;
const WEEK_US: i64 = 168 * HOUR_US;

/// How long the volume of a group's past is remembered: eight of each hour of the week.
pub(crate) const HISTORY_US: i64 = 8 * WEEK_US;

/// Events in a stretch of time of the window's length.
struct Bucket {
    number: i64,
    first_us: i64,
    count: f64,
    hits: Vec<usize>,
}

fn buckets(bucket_us: i64, hits: &[Kept]) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for (index, hit) in hits.iter().enumerate() {
        let number = hit.time_us.div_euclid(bucket_us);
        match buckets.last_mut() {
            Some(bucket) if bucket.number == number => {
                bucket.count += f64::from(hit.weight);
                bucket.hits.push(index);
            }
            _ => buckets.push(Bucket {
                number,
                first_us: hit.time_us,
                count: hit.weight.into(),
                hits: vec![index],
            }),
        }
    }
    buckets
}

/// More than the buckets of the group's past at the same hour of the week let expect, or all of its past
/// where those are too few. Median and median absolute deviation are not moved by the attack itself.
fn volume(learning_us: i64, deviations: f64, least: f64, bucket_us: i64, hits: &[Kept]) -> Judged {
    let mut judged = Judged::default();
    let bucket_us = bucket_us.max(1);
    let buckets = buckets(bucket_us, hits);
    let history_us = HISTORY_US.max(learning_us);
    let mut first = 0;
    for (at, bucket) in buckets.iter().enumerate() {
        let begin_us = bucket.number.saturating_mul(bucket_us);
        let oldest_us = begin_us.saturating_sub(history_us);
        first += buckets.iter().skip(first).take_while(|old| old.first_us < oldest_us).count();
        let past = buckets.get(first..at).unwrap_or_default();
        let known_us = past.first().map_or(0, |oldest| begin_us.saturating_sub(oldest.first_us));
        if bucket.count < least || known_us < learning_us {
            continue;
        }
        let (median, deviation) = usual(past, bucket.number, bucket_us);
        if bucket.count > median + deviations * deviation {
            let decided = bucket.hits.last().and_then(|last| hits.get(*last));
            judged.spans.push(Span {
                hits: bucket.hits.clone(),
                decided_us: decided.map_or(begin_us, |hit| hit.time_us),
                why: Why::Volume(bucket.count, median, deviation),
            });
        }
    }
    judged
}

/// Median and deviation of what is usual in a bucket, given the buckets before it.
fn usual(past: &[Bucket], number: i64, bucket_us: i64) -> (f64, f64) {
    /// So many weeks say more about an hour of the week than all hours together.
    const WEEKS: usize = 3;
    let hour_of_week = |number: i64| number.saturating_mul(bucket_us).rem_euclid(WEEK_US) / HOUR_US;
    let alike = past.iter().filter(|old| hour_of_week(old.number) == hour_of_week(number));
    let mut history: Vec<f64> = alike.map(|old| old.count).collect();
    if history.len() < WEEKS {
        // Buckets without a hit are part of the past, too.
        const MOST: i64 = 100_000;
        let all = past.first().map_or(0, |oldest| number.saturating_sub(oldest.number));
        let empty = all.saturating_sub(past.len() as i64).clamp(0, MOST);
        history = past.iter().map(|old| old.count).collect();
        history.extend(std::iter::repeat_n(0.0, empty as usize));
    }
    let median = percentile(history.clone(), 50.0).unwrap_or(0.0);
    let distances = history.iter().map(|count| (count - median).abs()).collect();
    // Counts spread by their root at least (Poisson), however quiet the past was.
    let deviation = percentile(distances, 50.0).unwrap_or(0.0).max(median.sqrt()).max(1.0);
    (median, deviation)
}

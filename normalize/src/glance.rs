//! A glance at a record: the few columns that can be told without mapping it.
//!
//! Rules over files ask for few events. What a record is called, by which service, of which kind of caller
//! and whether it failed lies in it word for word; a rule set that knows these can pass over most records,
//! which then need no mapping.

use std::borrow::Cow;

use event::{Col, EventBuilder, LogType, OUTLINED_MEMBER, OuterKey, outline};

use crate::detect;
use crate::json::{Name, Names, Object, Shallow, ShallowValue, Tokens, Value, members};
use crate::time;

/// The columns that a glance fills, with the text that the mapping would set, or leaves empty, where the
/// mapping would.
pub const GLANCED: &[Col] = &TOLD;

/// The log that a glance knows.
pub(crate) const LOG_TYPE: LogType = LogType::AwsCloudtrail;

/// The columns of a [`Told`], in its order.
const TOLD: [Col; 13] = [
    Col::LogType,
    Col::CloudProvider,
    Col::ApiOperation,
    Col::ApiServiceName,
    Col::ApiResponseError,
    Col::CloudRegion,
    Col::HttpRequestUserAgent,
    Col::MetadataEventCode,
    Col::ApiResponseErrorMessage,
    Col::MetadataProductFeatureName,
    Col::ActorUserType,
    Col::ActorUserUid,
    Col::ActorInvokedBy,
];

/// Which columns are asked for; others need not be told.
#[derive(Debug, Clone, Copy)]
pub struct Asked([bool; 13]);

impl Asked {
    /// All that a glance knows.
    pub const ALL: Self = Self([true; 13]);

    /// These, as far as a glance knows them.
    pub fn of(cols: &[Col]) -> Self {
        Self(TOLD.map(|col| cols.contains(&col)))
    }
}

/// What a glance tells of a record: a text in UTF-8 for each column of [`TOLD`].
#[derive(Debug)]
pub struct Told<'a>([Option<Cow<'a, [u8]>>; 13]);

impl Told<'_> {
    /// The columns that are filled, with their texts in UTF-8.
    pub fn iter(&self) -> impl Iterator<Item = (Col, &[u8])> + Clone {
        TOLD.iter().zip(&self.0).filter_map(|(col, text)| Some((*col, text.as_deref()?)))
    }
}

/// A text that all records of the log have.
#[inline(always)]
fn fixed<'a>(text: &'static str) -> Option<Cow<'a, [u8]>> {
    Some(Cow::Borrowed(text.as_bytes()))
}

/// Buffers that are used again for the next record.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    outline: Vec<OuterKey>,
    tokens: Tokens,
}

/// What can be told; `None`: the record must be mapped for that.
///
/// Only records that the mapping is sure to accept: their syntax is sound, and they say when it happened.
pub(crate) fn glance<'a>(
    text: &'a [u8],
    known: Option<&'a [OuterKey]>,
    sight: &'a mut Sight,
    fixed: Option<LogType>,
    asked: Asked,
) -> Option<Told<'a>> {
    let Sight { outline, tokens } = sight;
    let outlined = known.or_else(|| outlined(text, outline));
    if fixed.is_none_or(|fixed| fixed == LOG_TYPE)
        && let Some(outline) = outlined
        && let Some(told) = shallow(members(text, outline), asked)
    {
        return Some(told);
    }
    slow(str::from_utf8(text).ok()?, tokens, fixed)
}

fn outlined<'a>(text: &[u8], keys: &'a mut Vec<OuterKey>) -> Option<&'a [OuterKey]> {
    keys.clear();
    let length = outline(text, OUTLINED_MEMBER, keys, |_| false)?;
    (length == text.len()).then_some(keys)
}

/// As [`glance`], for records of every shape.
fn slow<'a>(text: &'a str, tokens: &'a mut Tokens, fixed: Option<LogType>) -> Option<Told<'a>> {
    tokens.scan(text).ok()?;
    let record = Value::root(text, tokens).as_object()?;
    let detected = detect::log_type(&record).ok()?;
    if fixed.unwrap_or(detected) != LOG_TYPE {
        return None;
    }
    cloudtrail(&record)
}

/// Adds a row with those of the columns that are wanted.
pub(crate) fn add(told: &Told<'_>, wanted: &[Col], row: &mut EventBuilder) {
    for (col, text) in told.iter() {
        if wanted.contains(&col)
            && let Ok(text) = str::from_utf8(text)
        {
            row.text(col, text);
        }
    }
    row.finish_row();
}

/// The outermost members that are looked for. The first six are CloudTrail's alone: two of them tell the log.
static MEMBERS: Names<13> = Names::new([
    Name::new("eventVersion\":"),
    Name::new("userIdentity\":"),
    Name::new("eventTime\":"),
    Name::new("eventSource\":"),
    Name::new("eventName\":"),
    Name::new("awsRegion\":"),
    Name::new("errorCode\":"),
    Name::new("errorMessage\":"),
    Name::new("userAgent\":"),
    Name::new("eventType\":"),
    Name::new("eventCategory\":"),
    Name::new("insightDetails\":"),
    Name::new("protoPayload\":"),
]);
const USER_IDENTITY: usize = 1;

const KIND: Name = Name::new("type\":");
const ARN: Name = Name::new("arn\":");
const INVOKED_BY: Name = Name::new("invokedBy\":");
const ON_BEHALF_OF: Name = Name::new("onBehalfOf\":");

/// What the outermost members of a CloudTrail record tell; `None`: ask [`slow`].
fn shallow<'a>(members: impl Iterator<Item = Shallow<'a>>, asked: Asked) -> Option<Told<'a>> {
    // Of a name that is there twice the last one counts, so each simply overwrites.
    let mut found: [Option<ShallowValue<'a>>; 13] = [None; 13];
    let (mut kind, mut arn, mut invoked_by) = (None, None, None);
    for member in members {
        if member.is_inner {
            if let Some(value) = member.named(&KIND) {
                kind = Some(value);
            } else if let Some(value) = member.named(&ARN) {
                arn = Some(value);
            } else if let Some(value) = member.named(&INVOKED_BY) {
                invoked_by = Some(value);
            } else if member.named(&ON_BEHALF_OF).is_some() {
                return None;
            }
            continue;
        }
        let Some((at, value)) = member.among(&MEMBERS) else { continue };
        if let Some(slot) = found.get_mut(at) {
            *slot = Some(value);
        }
        if at == USER_IDENTITY {
            (kind, arn, invoked_by) = (None, None, None);
        }
    }
    let [version, identity, time, source, name, region, error, message, agent, code, category, insight, gcp] =
        found;
    let tells = [version, identity, time, source, name, region].iter().flatten().count();
    if tells < 2 || insight.is_some() || gcp.is_some() {
        return None;
    }
    let time = time.filter(ShallowValue::is_string)?.text()?;
    if !time::is_time(&time) {
        return None;
    }
    let [_, _, a, b, c, d, e, f, g, h, i, j, k] = asked.0;
    let text = |is_asked: bool, value: Option<ShallowValue<'a>>| {
        value.filter(|_| is_asked).and_then(|value| value.text())
    };
    let filled = |is_asked: bool, value: Option<ShallowValue<'a>>| {
        value.filter(|_| is_asked).and_then(|value| value.filled_text())
    };
    Some(Told([
        fixed(LOG_TYPE.as_str()),
        fixed(LOG_TYPE.provider().as_str()),
        text(a, name),
        text(b, source),
        text(c, error),
        text(d, region),
        text(e, agent),
        text(f, code),
        text(g, message),
        text(h, category),
        text(i, kind),
        filled(j, arn),
        filled(k, invoked_by),
    ]))
}

fn cloudtrail<'a>(record: &Object<'a>) -> Option<Told<'a>> {
    let (mut name, mut source, mut error, mut message, mut region) = (None, None, None, None, None);
    let (mut agent, mut code, mut category, mut time, mut caller) = (None, None, None, None, None);
    for member in record.members() {
        let value = member.value;
        match member.key.as_ref() {
            "eventName" => name = value.text(),
            "eventSource" => source = value.text(),
            "errorCode" => error = value.text(),
            "errorMessage" => message = value.text(),
            "awsRegion" => region = value.text(),
            "userAgent" => agent = value.text(),
            "eventType" => code = value.text(),
            "eventCategory" => category = value.text(),
            "userIdentity" => caller = value.as_object(),
            "eventTime" => time = time::of_value(&value).ok(),
            // The details of an insight say more of these columns.
            "insightDetails" => return None,
            _ => {}
        }
    }
    let (mut kind, mut arn, mut invoked_by) = (None, None, None);
    for member in caller.iter().flat_map(|caller| caller.members()) {
        match member.key.as_ref() {
            "type" => kind = member.value.text(),
            "arn" => arn = member.value.filled_text(),
            "invokedBy" => invoked_by = member.value.filled_text(),
            // A person of Identity Center, who may be the user.
            "onBehalfOf" => return None,
            _ => {}
        }
    }
    time?;
    let bytes = |text: Option<Cow<'a, str>>| match text? {
        Cow::Borrowed(text) => Some(Cow::Borrowed(text.as_bytes())),
        Cow::Owned(text) => Some(Cow::Owned(text.into_bytes())),
    };
    Some(Told([
        fixed(LOG_TYPE.as_str()),
        fixed(LOG_TYPE.provider().as_str()),
        bytes(name),
        bytes(source),
        bytes(error),
        bytes(region),
        bytes(agent),
        bytes(code),
        bytes(message),
        bytes(category),
        bytes(kind),
        bytes(arn),
        bytes(invoked_by),
    ]))
}

#[cfg(test)]
mod tests {
    use event::{RawBatchBuilder, RawRecord, SourceId};

    use super::*;
    use crate::{Normalizer, corpus};

    /// What a glance tells is what the mapping says; what the mapping rejects is never passed over.
    fn check(records: &[String]) -> (usize, usize) {
        let mut raw = RawBatchBuilder::with_capacity(1 << 20);
        for (number, record) in (0..).zip(records) {
            assert!(raw.push(RawRecord { bytes: record.as_bytes(), number, reject: None }));
        }
        let raw = raw.finish(SourceId::new("test"), None, "test".into(), 1);
        let mut normalizer = Normalizer::new();
        let glance = normalizer.glance(&raw, GLANCED, |_, _| true);
        let mapped = normalizer.map(&raw, 0);
        for (row, record) in glance.seen.iter().enumerate() {
            let offset = i64::try_from(*record).unwrap();
            let full = (0..mapped.events.len())
                .find(|full| mapped.events.int_at(Col::LogOffset, *full) == Some(offset))
                .unwrap_or_else(|| panic!("record {record} was seen and rejected"));
            for col in GLANCED {
                let (seen, told) = (glance.events.str_at(*col, row), mapped.events.str_at(*col, full));
                assert_eq!(seen, told, "{col:?} of {}", records[*record]);
            }
        }
        assert_eq!(glance.seen.len() + glance.unseen.len(), records.len());
        (glance.seen.len(), records.len())
    }

    #[test]
    fn a_glance_says_what_the_mapping_says() {
        let text = |json: &str| json.to_owned();
        let time = r#""eventTime":"2026-03-02T10:00:00Z","eventVersion":"1.11","#;
        let records = [
            format!(r#"{{{time}"eventName":"A","eventSource":"s3.amazonaws.com","errorCode":""}}"#),
            format!(r#"{{{time}"eventName":"A","eventName":"B\u0041","userIdentity":{{"type":"Root"}}}}"#),
            format!(r#"{{{time}"eventName":{{"a":1}},"eventSource":17,"userAgent":null,"awsRegion":true}}"#),
            format!(r#"{{{time}"event\u004eame":"A","userIdentity":"nobody"}}"#),
            format!(r#"{{{time}"eventName":"A","insightDetails":{{"eventName":"B"}}}}"#),
            text(r#"{"eventVersion":"1.11","eventName":"A"}"#),
            text(r#"{"eventVersion":"1.11","eventName":"A","eventTime":"yesterday"}"#),
            text(r#"{"eventVersion":"1.11","eventName":"A""#),
            text(r#"{"detail":{"eventVersion":"1.11","eventName":"A"}}"#),
            text("17"),
            text(""),
        ];
        assert_eq!(check(&records), (4, 11));
    }

    #[test]
    fn real_records_too() {
        let Some(folder) = corpus::folder("cloudtrail") else { return };
        let (mut seen, mut all) = (0, 0);
        for source in std::fs::read_dir(folder).unwrap() {
            let mut files = Vec::new();
            crate::aws::tests::collect_files(&source.unwrap().path(), &mut files);
            let records: Vec<_> =
                files.iter().flat_map(|file| crate::aws::tests::records_of(file)).take(5_000).collect();
            let (some, of) = check(&records);
            seen += some;
            all += of;
        }
        println!("{seen} of {all} records are told by a glance");
        assert!(seen * 10 > all * 9, "{seen} of {all}");
    }
}

//! A line of syslog, read.

use event::JsonText;

use super::stamp;

/// What a line says. Borrowed from the line, but for what had to be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// 0 to 23; 1 (user) where the line has no priority, as RFC 3164 wants it.
    pub facility: u8,
    /// 0 (emergency) to 7 (debug); 5 (notice) where the line has no priority.
    pub severity: u8,
    /// 1 in RFC 5424, none in RFC 3164.
    pub version: Option<u8>,
    /// RFC 3339; `None` where the line has no time that can be read.
    pub timestamp: Option<String>,
    /// The machine that the line names.
    pub host: Option<&'a str>,
    /// The program: APP-NAME, or the tag of an old message.
    pub app: Option<&'a str>,
    /// Its process.
    pub procid: Option<&'a str>,
    /// The kind of message.
    pub msgid: Option<&'a str>,
    /// The elements of structured data: id, and names with values.
    pub structured: Vec<(&'a str, Vec<(&'a str, String)>)>,
    /// What is left: the message itself.
    pub text: &'a str,
}

/// Where a line came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Our id of the event.
    pub id: &'a str,
    /// When it was received, RFC 3339.
    pub received: &'a str,
    /// The sender's address and port.
    pub peer: &'a str,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'a str,
    /// Whether the end of the line is missing.
    pub is_cut: bool,
}

const USER: u8 = 1;
const NOTICE: u8 = 5;

/// Reads a line that came at `received_us`. Never fails: what follows no rule is the text.
pub fn parse(line: &str, received_us: i64) -> Message<'_> {
    let line = line.trim_start_matches('\u{feff}');
    let (priority, rest) = priority(line).map_or((None, line), |(priority, rest)| (Some(priority), rest));
    let priority = priority.unwrap_or(USER * 8 + NOTICE);
    let empty = Message {
        facility: priority / 8,
        severity: priority % 8,
        version: None,
        timestamp: None,
        host: None,
        app: None,
        procid: None,
        msgid: None,
        structured: Vec::new(),
        text: rest,
    };
    match rest.strip_prefix("1 ") {
        Some(header) => new_style(&empty, header).unwrap_or_else(|| old_style(empty, rest, received_us)),
        None => old_style(empty, rest, received_us),
    }
}

/// `<0>` to `<191>`.
fn priority(line: &str) -> Option<(u8, &str)> {
    let (number, rest) = line.strip_prefix('<')?.split_once('>')?;
    let is_number = !number.is_empty() && number.len() <= 3 && number.bytes().all(|b| b.is_ascii_digit());
    let number = number.parse::<u8>().ok().filter(|number| is_number && *number <= 191)?;
    Some((number, rest))
}

/// RFC 5424, behind `<PRI>1 `. `None`: it is none.
fn new_style<'a>(empty: &Message<'a>, header: &'a str) -> Option<Message<'a>> {
    let mut message = Message { version: Some(1), ..empty.clone() };
    let (stamp, rest) = header.split_once(' ')?;
    if stamp != "-" {
        message.timestamp = Some(stamp::iso(stamp)?.0);
    }
    let mut rest = rest;
    for field in [&mut message.host, &mut message.app, &mut message.procid, &mut message.msgid] {
        let (word, behind) = rest.split_once(' ')?;
        *field = (word != "-" && !word.is_empty()).then_some(word);
        rest = behind;
    }
    let rest = match rest.strip_prefix('-') {
        Some(rest) if rest.is_empty() || rest.starts_with(' ') => rest,
        _ if rest.starts_with('[') => match structured(rest) {
            Some((elements, rest)) => {
                message.structured = elements;
                rest
            }
            // Broken structured data is text; the header before it is good.
            None => rest,
        },
        _ => rest,
    };
    // rsyslog hands old messages on with the blank that stood behind their tag.
    let text = rest.strip_prefix(' ').unwrap_or(rest);
    message.text = text.strip_prefix(' ').unwrap_or(text).trim_start_matches('\u{feff}');
    Some(message)
}

type Elements<'a> = Vec<(&'a str, Vec<(&'a str, String)>)>;

/// `[id name="value" …][…]`, in values `\"`, `\\` and `\]`.
fn structured(mut rest: &str) -> Option<(Elements<'_>, &str)> {
    let mut elements = Vec::new();
    while let Some(inside) = rest.strip_prefix('[') {
        let end = inside.find([' ', ']'])?;
        let (id, behind) = inside.split_at_checked(end)?;
        rest = behind;
        let mut parameters = Vec::new();
        loop {
            rest = rest.trim_start_matches(' ');
            if let Some(behind) = rest.strip_prefix(']') {
                rest = behind;
                break;
            }
            let (name, behind) = rest.split_once("=\"")?;
            let (value, behind) = value(behind)?;
            parameters.push((name, value));
            rest = behind;
        }
        elements.push((id, parameters));
    }
    (rest.is_empty() || rest.starts_with(' ')).then_some((elements, rest))
}

/// A value up to its closing quote, and what is behind it.
fn value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\' | ']'))) => value.push(escaped),
                // A backslash before anything else is itself (RFC 5424, 6.3.3).
                Some((_, other)) => value.extend(['\\', other]),
                None => return None,
            },
            other => value.push(other),
        }
    }
    None
}

/// RFC 3164 and its kin: a time, a host and a tag, each of which may be missing.
fn old_style<'a>(mut message: Message<'a>, rest: &'a str, received_us: i64) -> Message<'a> {
    let Some((timestamp, rest)) = stamp::bsd(rest, received_us).or_else(|| stamp::iso(rest)) else {
        // Local senders write `tag[pid]: text` without time and host.
        message.text = tag(&mut message, rest).unwrap_or(rest);
        return message;
    };
    message.timestamp = Some(timestamp);
    if let Some(text) = tag(&mut message, rest) {
        message.text = text;
        return message;
    }
    let Some((host, behind)) = rest.split_once(' ') else {
        message.text = rest;
        return message;
    };
    message.host = Some(host).filter(|host| !host.is_empty());
    message.text = tag(&mut message, behind).unwrap_or(behind);
    message
}

/// The longest program name looked for; RFC 3164 allows 32, programs write more.
const TAG_BYTES: usize = 128;

/// Takes `app:` or `app[pid]:` off; gives the text behind it.
fn tag<'a>(message: &mut Message<'a>, text: &'a str) -> Option<&'a str> {
    let word = text.split([' ', '\t']).next().filter(|word| word.len() <= TAG_BYTES)?;
    let tag = word.strip_suffix(':')?;
    let (app, procid) = match tag.split_once('[') {
        Some((app, pid)) => (app, Some(pid.strip_suffix(']')?)),
        None => (tag, None),
    };
    if app.is_empty() || !app.starts_with(|c: char| c.is_alphanumeric() || "%/_-.(".contains(c)) {
        return None;
    }
    message.app = Some(app);
    message.procid = procid.filter(|procid| !procid.is_empty());
    let behind = text.get(word.len()..)?;
    Some(behind.strip_prefix(' ').unwrap_or(behind))
}

impl Message<'_> {
    /// The record: what the line says and where it came from, the line itself, and the text that it carries.
    pub fn record(&self, line: &str, origin: &Origin<'_>) -> String {
        let mut out = String::with_capacity(2 * line.len() + 320);
        let mut json = JsonText::new(&mut out);
        json.begin_object();
        json.key("syslog");
        json.begin_object();
        for (name, value) in [
            ("id", origin.id),
            ("received", origin.received),
            ("peer", origin.peer),
            ("transport", origin.transport),
        ] {
            json.text_member(name, value);
        }
        if origin.is_cut {
            json.raw_member("cut", "true");
        }
        json.raw_member("facility", &self.facility.to_string());
        json.raw_member("severity", &self.severity.to_string());
        if let Some(version) = self.version {
            json.raw_member("version", &version.to_string());
        }
        for (name, value) in [
            ("timestamp", self.timestamp.as_deref()),
            ("host", self.host),
            ("app", self.app),
            ("procid", self.procid),
            ("msgid", self.msgid),
        ] {
            if let Some(value) = value {
                json.text_member(name, value);
            }
        }
        if !self.structured.is_empty() {
            json.key("structured_data");
            json.begin_object();
            for (id, parameters) in &self.structured {
                json.key(id);
                json.begin_object();
                for (name, value) in parameters {
                    json.text_member(name, value);
                }
                json.end_object();
            }
            json.end_object();
        }
        json.text_member("raw", line);
        json.end_object();
        json.text_member("message", self.text);
        json.end_object();
        out
    }
}

#[cfg(test)]
mod tests;

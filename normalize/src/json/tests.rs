use proptest::prelude::*;

use super::*;

fn with<T>(text: &str, look: impl FnOnce(Value<'_>) -> T) -> T {
    let mut tokens = Tokens::default();
    tokens.scan(text).unwrap();
    look(Value::root(text, &tokens))
}

fn error(text: &str) -> JsonError {
    Tokens::default().scan(text).unwrap_err()
}

/// The value as serde_json sees it, built through our own accessors.
fn rebuilt(value: Value<'_>) -> serde_json::Value {
    if let Some(object) = value.as_object() {
        object.members().map(|member| (member.key.into_owned(), rebuilt(member.value))).collect()
    } else if let Some(elements) = value.as_array() {
        elements.map(rebuilt).collect()
    } else if let Some(text) = value.as_str() {
        text.into_owned().into()
    } else if let Some(flag) = value.as_bool() {
        flag.into()
    } else if value.is_null() {
        serde_json::Value::Null
    } else {
        serde_json::from_str(value.raw()).unwrap()
    }
}

#[test]
fn paths_and_types() {
    with(r#" {"a" : {"b":[1,"x\n",null,true]}, "n":"5", "nothing":null} "#, |root| {
        let object = root.as_object().unwrap();
        let list: Vec<_> = object.at(&["a", "b"]).unwrap().as_array().unwrap().collect();
        assert_eq!(list[0].integer(), Some(1));
        assert_eq!(list[1].as_str().as_deref(), Some("x\n"));
        assert!(list[2].is_null());
        assert_eq!(list[3].as_bool(), Some(true));
        assert_eq!(list[3].text().as_deref(), Some("true"));
        let number = object.get("n").unwrap();
        assert_eq!(number.integer(), Some(5));
        assert!(object.get("nothing").is_none());
        assert!(object.get("absent").is_none());
        assert!(object.at(&["a", "b", "c"]).is_none());
        assert_eq!(object.get("a").unwrap().compact(), r#"{"b":[1,"x\n",null,true]}"#);
        assert_eq!(object.get("a").unwrap().raw(), r#"{"b":[1,"x\n",null,true]}"#);
    });
}

#[test]
fn the_last_of_equal_keys_wins() {
    let text = r#"{"a":1,"b":{"c":1,"c":2},"a":{"d":3},"\u0061":4}"#;
    let mut tokens = Tokens::default();
    tokens.scan(text).unwrap();
    let root = Value::root(text, &tokens);
    assert_eq!(root.compact(), r#"{"b":{"c":2},"a":4}"#);
    assert_eq!(root.as_object().unwrap().get("a").unwrap().integer(), Some(4));
    assert_eq!(tokens.duplicates(), ["a", "c"]);
    // The memory is used again, the findings are not.
    tokens.scan(r#"{"a":1}"#).unwrap();
    assert!(tokens.duplicates().is_empty());
}

#[test]
fn keys_that_look_alike_are_no_duplicates() {
    // Same length, same first and last eight bytes: only the slow comparison tells them apart.
    let text = r#"{"abcdefgh-1-ijklmnop":1,"abcdefgh-2-ijklmnop":2}"#;
    let mut tokens = Tokens::default();
    tokens.scan(text).unwrap();
    assert!(tokens.duplicates().is_empty());
    assert_eq!(Value::root(text, &tokens).as_object().unwrap().members().count(), 2);
    // Equal keys of different objects are none either.
    tokens.scan(r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}"#).unwrap();
    assert!(tokens.duplicates().is_empty());
}

#[test]
fn many_keys_are_compared_too() {
    let mut text = String::from("{");
    for number in 0..1000 {
        text.push_str(&format!(r#""k{number}":{number},"#));
    }
    text.push_str(r#""k7":"again"}"#);
    let mut tokens = Tokens::default();
    tokens.scan(&text).unwrap();
    assert_eq!(tokens.duplicates(), ["k7"]);
    assert_eq!(
        Value::root(&text, &tokens).as_object().unwrap().get("k7").unwrap().as_str().as_deref(),
        Some("again")
    );
}

#[test]
fn limits_hold() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Tokens::default().scan(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(error(&nested(MAX_DEPTH + 1)), JsonError::TooDeep);
    assert_eq!(error(&"[".repeat(1_000_000)), JsonError::TooDeep);
    assert_eq!(error(&r#"{"a":"#.repeat(1_000_000)), JsonError::TooDeep);
    let keys = |count: usize| {
        let members: Vec<_> = (0..count).map(|number| format!(r#""{number}":0"#)).collect();
        format!("[{{{}}}]", members.join(","))
    };
    assert!(Tokens::default().scan(&keys(MAX_KEYS)).is_ok());
    assert_eq!(error(&keys(MAX_KEYS + 1)), JsonError::TooManyKeys);
    // Brackets and quotes within strings count for nothing.
    assert!(Tokens::default().scan(&format!("\"{}\"", "[{".repeat(100))).is_ok());
    assert!(Tokens::default().scan(&format!("[{}]", "1".repeat(MAX_NUMBER_CHARS))).is_ok());
    assert_eq!(error(&format!("[{}]", "1".repeat(MAX_NUMBER_CHARS + 1))), JsonError::NumberTooLong { at: 1 });
}

#[test]
fn refuses_what_is_no_json() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "{]",
        "[}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "[1,]",
        "[,1]",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "0x1",
        "NaN",
        "tru",
        "True",
        "nul",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12\"",
        "\"\t\"",
        "\"\n\"",
        "{} {}",
        "{}x",
        "[1 2]",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "\u{feff}{}",
        "{\"a\":1]",
        "[1}",
        "[[1]",
        "\u{0}",
        "//",
        "{1:2}",
        "\"abcdefgh\u{1}\"",
    ] {
        assert!(matches!(error(text), JsonError::Syntax { .. }), "{text:?}");
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text:?}");
    }
}

#[test]
fn embedded_json_is_an_object_or_array() {
    assert!(Embedded::parse("nothing").is_none());
    assert!(Embedded::parse("5").is_none());
    assert!(Embedded::parse("{\"a\"").is_none());
    let inner = Embedded::parse(" {\"a\":[1]}\n").unwrap();
    assert_eq!(inner.value().compact(), "{\"a\":[1]}");
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let text = "[a-c\"\\\\/\\n\\t\u{1}é😀 ]{0,20}";
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Into::into),
        text.prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::hash_map(text, inner, 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Text that is nearly JSON: the tokens of JSON in any order, and a valid text with bytes changed.
fn nearly_json() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"a\"", "\"\"", "1", "-0.5e3", "true", "null", " ", "\\", "\"",
        "\\u00", "x",
    ]);
    let soup = prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat());
    let mutated = (any_json(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(value, at, byte)| {
        let mut bytes = value.to_string().into_bytes();
        let index = at.index(bytes.len());
        bytes[index] = byte;
        String::from_utf8_lossy(&bytes).into_owned()
    });
    prop_oneof![soup, mutated]
}

proptest! {
    #[test]
    fn reads_what_serde_json_writes(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        // Read back, because serde_json itself does not read every float exactly as it wrote it.
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        with(&text, |root| {
            prop_assert_eq!(&rebuilt(root), &value);
            let compact: serde_json::Value = serde_json::from_str(&root.compact()).unwrap();
            prop_assert_eq!(&compact, &value);
            Ok(())
        })?;
    }

    #[test]
    fn agrees_with_serde_json_on_what_is_json(text in nearly_json()) {
        let ours = Tokens::default().scan(&text);
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(_) => prop_assert!(ours.is_ok(), "{} {:?}", text, ours),
            // Out-of-range numbers and lone surrogates are JSON by its grammar.
            Err(error) if error.to_string().contains("number out of range")
                || error.to_string().contains("surrogate")
                || error.to_string().contains("hex escape") => {}
            Err(error) => prop_assert!(ours.is_err(), "{} {}", text, error),
        }
    }
}

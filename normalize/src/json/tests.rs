use super::*;

#[test]
fn walks() {
    let text = r#"{"a":{"b":[1,"x\n",null,true]},"c":"5","a":{"b":[2]}}"#;
    let mut tokens = Tokens::default();
    tokens.scan(text).unwrap();
    let root = Value::root(text, &tokens).as_object().unwrap();
    assert_eq!(root.at(&["a", "b"]).unwrap().as_array().unwrap().next().unwrap().as_i64(), Some(2));
    assert_eq!(tokens.duplicates(), ["a"]);
}

//! The schema as its sources mean it: dictionary, `extends`, `$include` and profiles put together.
//!
//! After the OCSF metaschema: a class or object inherits attributes and constraints from what it extends;
//! `$include` adds the attributes of a profile, which count only in events that name the profile, unless
//! the class says `"profile": null`; what an attribute does not say itself the dictionary says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

type Json = Map<String, Value>;

/// What a class or object allows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, Attribute>,
    pub(crate) at_least_one: Vec<String>,
    pub(crate) just_one: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Attribute {
    pub(crate) required: bool,
    /// `string_t` and the like, or the name of an object.
    pub(crate) kind: String,
    pub(crate) is_array: bool,
    /// The values allowed, as text; empty for any.
    pub(crate) values: BTreeSet<String>,
    /// The attribute that says in words what this one says as a number.
    pub(crate) sibling: Option<String>,
    /// The profile without which the attribute does not exist.
    pub(crate) profile: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) classes: BTreeMap<i64, Shape>,
    pub(crate) objects: BTreeMap<String, Shape>,
    /// The scalar that a type is made of: `ip_t` is a `string_t`.
    pub(crate) scalars: BTreeMap<String, String>,
}

impl Schema {
    /// Reads the sources below `root`.
    pub(crate) fn load(root: &Path) -> Self {
        let dictionary = read(&root.join("dictionary.json"));
        let categories = read(&root.join("categories.json"));
        let sources = Sources {
            root: root.to_owned(),
            dictionary: object(&dictionary["attributes"]),
            events: read_all(&root.join("events")),
            objects: read_all(&root.join("objects")),
        };
        let mut objects: BTreeMap<String, Shape> = BTreeMap::new();
        for name in sources.objects.keys() {
            objects.insert(name.clone(), sources.shape(&sources.objects, name));
        }
        let observable = objects.get_mut("observable").unwrap();
        observable.attributes.get_mut("type_id").unwrap().values.extend(sources.observables(&dictionary));
        let mut classes = BTreeMap::new();
        for (name, event) in &sources.events {
            let Some(uid) = event.get("uid").and_then(Value::as_i64) else { continue };
            let category = sources.inherited(name, "category").unwrap();
            let category = categories["attributes"][category.as_str().unwrap()]["uid"].as_i64().unwrap();
            let uid = category * 1000 + uid;
            let mut shape = sources.shape(&sources.events, name);
            for (attribute, value) in [("category_uid", category), ("class_uid", uid)] {
                shape.attributes.get_mut(attribute).unwrap().values = BTreeSet::from([value.to_string()]);
            }
            classes.insert(uid, shape);
        }
        // The one class without a number of its own.
        if sources.events.contains_key("base_event") {
            classes.insert(0, sources.shape(&sources.events, "base_event"));
        }
        let scalars = object(&dictionary["types"]["attributes"])
            .iter()
            .map(|(name, kind)| (name.clone(), kind["type"].as_str().unwrap_or(name).to_owned()))
            .collect();
        Self { classes, objects, scalars }
    }
}

struct Sources {
    root: PathBuf,
    dictionary: Json,
    events: BTreeMap<String, Json>,
    objects: BTreeMap<String, Json>,
}

impl Sources {
    fn shape(&self, family: &BTreeMap<String, Json>, name: &str) -> Shape {
        let mut attributes = Json::new();
        let mut constraints = Json::new();
        for link in chain(family, name) {
            merge(&mut attributes, &self.own_attributes(link));
            merge(
                &mut constraints,
                link.get("constraints").and_then(Value::as_object).unwrap_or(&Json::new()),
            );
        }
        let list = |key: &str| -> Vec<String> {
            let names = constraints.get(key).and_then(Value::as_array).into_iter().flatten();
            names.map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        Shape {
            name: name.to_owned(),
            at_least_one: list("at_least_one"),
            just_one: list("just_one"),
            attributes: attributes
                .iter()
                .map(|(name, own)| (name.clone(), self.attribute(name, own)))
                .collect(),
        }
    }

    /// The attributes of one source, with those of the profiles that it includes.
    fn own_attributes(&self, source: &Json) -> Json {
        let mut own = object(&source["attributes"]);
        let Some(includes) = own.remove("$include") else { return own };
        let mut all = Json::new();
        for path in includes.as_array().unwrap() {
            let profile = read(&self.root.join(path.as_str().unwrap()));
            for (name, attribute) in object(&profile["attributes"]) {
                let mut attribute = attribute.as_object().unwrap().clone();
                attribute.insert("profile".into(), profile["name"].clone());
                all.insert(name, attribute.into());
            }
        }
        merge(&mut all, &own);
        all
    }

    fn attribute(&self, name: &str, own: &Value) -> Attribute {
        let known = self.dictionary.get(name).unwrap_or_else(|| panic!("`{name}` is not in the dictionary"));
        let of = |key: &str| own.get(key).or_else(|| known.get(key));
        let mut values = BTreeSet::new();
        for source in [known, own] {
            values.extend(
                source.get("enum").and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned(),
            );
        }
        Attribute {
            required: own["requirement"] == "required",
            kind: of("type").and_then(Value::as_str).unwrap().to_owned(),
            is_array: of("is_array").and_then(Value::as_bool).unwrap_or(false),
            values,
            sibling: of("sibling").and_then(Value::as_str).map(str::to_owned),
            profile: own.get("profile").and_then(Value::as_str).map(str::to_owned),
        }
    }

    /// A property that the first of a class and its ancestors has.
    fn inherited(&self, name: &str, key: &str) -> Option<Value> {
        chain(&self.events, name).into_iter().rev().find_map(|source| source.get(key).cloned())
    }

    /// The observable type ids, which are strewn over types, attributes and objects.
    fn observables(&self, dictionary: &Value) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        let mut note = |source: &Value| {
            if let Some(id) = source.get("observable").and_then(Value::as_i64) {
                ids.insert(id.to_string());
            }
        };
        self.dictionary.values().for_each(&mut note);
        object(&dictionary["types"]["attributes"]).values().for_each(&mut note);
        for source in self.objects.values() {
            note(&source.clone().into());
            object(&source["attributes"]).values().for_each(&mut note);
        }
        ids
    }
}

/// A source and what it extends, the farthest ancestor first.
fn chain<'a>(family: &'a BTreeMap<String, Json>, name: &str) -> Vec<&'a Json> {
    let mut links = Vec::new();
    let mut next = Some(name.to_owned());
    while let Some(name) = next {
        let source = family.get(&name).unwrap_or_else(|| panic!("no source `{name}`"));
        links.push(source);
        next = source.get("extends").and_then(Value::as_str).map(str::to_owned);
    }
    links.reverse();
    links
}

/// Deep: objects are merged, anything else is replaced.
fn merge(base: &mut Json, over: &Json) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Object(inner)), Value::Object(over)) => merge(inner, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn object(value: &Value) -> Json {
    value.as_object().cloned().unwrap_or_default()
}

/// Every source below a folder, by its name.
fn read_all(folder: &Path) -> BTreeMap<String, Json> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(read_all(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let source = read(&path);
            found.insert(source["name"].as_str().unwrap().to_owned(), object(&source));
        }
    }
    found
}

//! A tree as YAML: block style, every string in double quotes, keys in the order they were given.

use std::fmt::Write as _;

/// A tree.
#[derive(Clone, Debug)]
pub enum Yaml {
    /// A string.
    Text(String),
    /// A number.
    Number(i64),
    /// A list.
    List(Vec<Yaml>),
    /// Keys and values.
    Map(Vec<(&'static str, Yaml)>),
}

/// A string.
pub fn text(text: impl Into<String>) -> Yaml {
    Yaml::Text(text.into())
}

impl Yaml {
    /// The document, below a comment.
    pub fn document(&self, comment: &str) -> String {
        let mut out: String = comment.lines().map(|line| format!("# {line}\n")).collect();
        self.write(&mut out, 0);
        out
    }

    /// What stands under a key; an empty list if nothing does.
    pub fn at(&self, key: &str) -> &Self {
        const NOTHING: &Yaml = &Yaml::List(Vec::new());
        let Self::Map(map) = self else { return NOTHING };
        map.iter().find(|(found, _)| *found == key).map_or(NOTHING, |(_, value)| value)
    }

    /// The items of a list.
    pub fn items(&self) -> &[Self] {
        if let Self::List(list) = self { list } else { &[] }
    }

    /// The string, or an empty one.
    pub fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    fn write(&self, out: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        match self {
            Self::Text(text) => drop(writeln!(out, "{indent}{}", quoted(text))),
            Self::Number(number) => drop(writeln!(out, "{indent}{number}")),
            Self::List(list) => {
                for item in list {
                    let mut inner = String::new();
                    item.write(&mut inner, depth + 1);
                    let _ = write!(out, "{indent}- {}", inner.trim_start());
                }
            }
            Self::Map(map) => {
                for (key, value) in map {
                    match value {
                        Self::Text(text) => drop(writeln!(out, "{indent}{key}: {}", quoted(text))),
                        Self::Number(number) => drop(writeln!(out, "{indent}{key}: {number}")),
                        Self::List(list) if list.is_empty() => drop(writeln!(out, "{indent}{key}: []")),
                        nested => {
                            let _ = writeln!(out, "{indent}{key}:");
                            nested.write(out, depth + 1);
                        }
                    }
                }
            }
        }
    }
}

/// JSON's quotes are YAML's too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_lists_and_strings_are_nested_by_two_blanks() {
        let tree = Yaml::Map(vec![
            ("a", text("1: \"x\"")),
            ("b", Yaml::List(vec![Yaml::Map(vec![("c", text("2")), ("d", Yaml::List(vec![text("3")]))])])),
        ]);
        let expected = "# hello\na: \"1: \\\"x\\\"\"\nb:\n  - c: \"2\"\n    d:\n      - \"3\"\n";
        assert_eq!(tree.document("hello"), expected);
    }
}

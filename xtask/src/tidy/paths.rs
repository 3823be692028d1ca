//! The paths that a piece of Rust names: `std::net::IpAddr`, also where `use std::{fmt, net::IpAddr}` spells it otherwise.
//!
//! A scanner, not a parser: comments, strings and characters are left out, and everything else is words and signs.

/// Every path of two or more words in the code, and every word that a `use` brings in, `use` trees unfolded.
pub fn paths_of(code: &str) -> Vec<String> {
    let tokens = tokens_of(code);
    let mut paths = Vec::new();
    let mut rest = tokens.as_slice();
    while let Some((first, tail)) = rest.split_first() {
        if *first == "use" {
            rest = tree(tail, &[], &mut paths);
        } else if is_word(first) {
            rest = path(rest, &mut paths);
        } else {
            rest = tail;
        }
    }
    paths
}

/// Every word in the code.
pub fn words_of(code: &str) -> impl Iterator<Item = &str> {
    tokens_of(code).into_iter().filter(|token| is_word(token))
}

/// Takes `a::b::c` off the front; a path of one word is of no interest outside a `use`.
fn path<'a, 'b>(tokens: &'a [&'b str], paths: &mut Vec<String>) -> &'a [&'b str] {
    let mut words = Vec::new();
    let mut rest = tokens;
    while let [word, tail @ ..] = rest {
        if !is_word(word) {
            break;
        }
        words.push(*word);
        match tail {
            ["::", after @ ..] => rest = after,
            _ => {
                rest = tail;
                break;
            }
        }
    }
    if words.len() > 1 {
        paths.push(words.join("::"));
    }
    rest
}

/// Takes one tree of a `use` off the front, up to the sign that ends it.
fn tree<'a, 'b>(tokens: &'a [&'b str], stem: &[&'b str], paths: &mut Vec<String>) -> &'a [&'b str] {
    let mut words = stem.to_vec();
    let mut rest = tokens;
    loop {
        match rest {
            ["{", after @ ..] => {
                rest = after;
                while !matches!(rest, ["}", ..] | []) {
                    rest = tree(rest, &words, paths);
                    if let [",", after @ ..] = rest {
                        rest = after;
                    }
                }
                return rest.get(1..).unwrap_or_default();
            }
            // What it is called here does not matter.
            ["as", _, after @ ..] => rest = after,
            ["::", after @ ..] => rest = after,
            ["," | "}" | ";", ..] | [] => {
                paths.push(words.join("::"));
                return rest;
            }
            [word, after @ ..] => {
                words.push(word);
                rest = after;
            }
        }
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::`, and every other sign by itself.
fn tokens_of(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => string_length(rest),
            'r' if raw_string_length(rest).is_some() => raw_string_length(rest).unwrap_or(1),
            '\'' => character_length(rest),
            _ if first.is_whitespace() => first.len_utf8(),
            _ if first.is_alphanumeric() || first == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                tokens.extend(rest.get(..end));
                end
            }
            ':' if rest.starts_with("::") => {
                tokens.push("::");
                2
            }
            _ => {
                tokens.extend(rest.get(..first.len_utf8()));
                first.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    tokens
}

/// Length of the string literal at the front, quotes included.
fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Length of the raw string literal at the front, if there is one.
fn raw_string_length(rest: &str) -> Option<usize> {
    let hashes = rest.strip_prefix('r')?.chars().take_while(|c| *c == '#').count();
    let body = rest.get(1 + hashes..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close).unwrap_or(body.len());
    Some((1 + hashes + 1 + end + close.len()).min(rest.len()))
}

/// Length of the character literal at the front; 1 if it is a lifetime.
fn character_length(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest.get(2..).and_then(|tail| tail.get(1..)?.find('\'')).map_or(1, |end| end + 4),
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_tree_is_unfolded_into_whole_paths() {
        let paths = paths_of("use std::{fmt, net::{IpAddr, Ipv4Addr as V4}, io::*}; use crate::os;");
        assert_eq!(paths, ["std::fmt", "std::net::IpAddr", "std::net::Ipv4Addr", "std::io::*", "crate::os"]);
    }

    #[test]
    fn a_path_within_an_expression_is_found_and_one_within_a_text_is_not() {
        let table: [(&str, &[&str]); 6] = [
            ("let x = std::fs::read(p)?;", &["std::fs::read"]),
            ("let x = \"std::fs::read \\\" std::io\";", &[]),
            ("let x = r#\"std::fs \" std::io\"#; a::b", &["a::b"]),
            ("// std::fs\n/* std::io */ fn f<'a>(c: char) { c == '\"' || c == '\\'' || g::h() }", &["g::h"]),
            ("impl<'a> a::B<'a> for C {}", &["a::B"]),
            ("x.y(z)", &[]),
        ];
        for (code, paths) in table {
            assert_eq!(paths_of(code), paths, "{code}");
        }
    }
}

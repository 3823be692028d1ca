//! Zone-file text → entries of tokens with their places (RFC 1035 section 5.1).
//!
//! It knows quotes, escapes, parentheses and comments, and which tokens are owner, TTL, class and type; it knows nothing
//! of record data. What it is for is *where* a token stands: the serial is replaced in place, and every fault names its
//! line. Whether the records are good is the `domain` crate's to say.

use super::fault::{Fault, HeaderFault};
use std::ops::Range;

/// A token and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Its octets in the text, quotes included.
    pub(super) place: Range<usize>,
    /// Its line, from 1.
    pub(super) line: usize,
}

/// One entry: a record or a directive, over as many lines as its parentheses span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The line it starts on, from 1.
    pub(super) line: usize,
    /// It starts with the line's first octet, so its first token is an owner or a directive.
    pub(super) at_margin: bool,
    /// At least one.
    pub(super) tokens: Vec<Token>,
}

/// A record's fields, as far as they can be told apart without knowing its type.
pub(super) struct Fields<'a> {
    /// The TTL, if it is written.
    pub(super) ttl: Option<&'a Token>,
    /// The type.
    pub(super) record_type: &'a Token,
    /// The data.
    pub(super) data: &'a [Token],
}

impl Token {
    /// The token's text.
    pub(super) fn within<'t>(&self, text: &'t str) -> Option<&'t str> {
        text.get(self.place.clone())
    }
}

impl Entry {
    /// The directive's word, if it is one: `$TTL`.
    pub(super) fn directive<'t>(&self, text: &'t str) -> Option<&'t str> {
        let word = self.tokens.first()?.within(text)?;
        (self.at_margin && word.starts_with('$')).then_some(word)
    }

    /// The fields of a record; `None`: there is no type.
    pub(super) fn fields(&self, text: &str) -> Option<Fields<'_>> {
        let (mut ttl, mut class) = (None, None);
        let mut rest = self.tokens.get(usize::from(self.at_margin)..)?;
        loop {
            let (token, data) = rest.split_first()?;
            let word = token.within(text)?;
            if class.is_none() && is_class(word) {
                class = Some(token);
            } else if ttl.is_none() && seconds(word).is_some() {
                ttl = Some(token);
            } else {
                return Some(Fields { ttl, record_type: token, data });
            }
            rest = data;
        }
    }
}

fn is_class(word: &str) -> bool {
    ["IN", "CH", "CS", "HS"].iter().any(|class| word.eq_ignore_ascii_case(class))
        || word.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("CLASS"))
}

/// A time in seconds, plain or with the units that BIND brought and every server reads: `3600`, `1h`, `1w2d`.
pub(super) fn seconds(word: &str) -> Option<u32> {
    let mut total: u32 = 0;
    let mut digits: Option<u32> = None;
    let mut units = 0;
    for character in word.chars() {
        if let Some(digit) = character.to_digit(10) {
            digits = Some(digits.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let unit = match character.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(digits.take()?.checked_mul(unit)?)?;
        units += 1;
    }
    match digits {
        Some(plain) if units == 0 => Some(plain),
        None if units > 0 => Some(total),
        // Neither an empty word nor `1h30`: servers read the latter differently.
        _ => None,
    }
}

/// The entries of a text.
///
/// # Errors
/// A quote or parenthesis that is not closed, or one too many; a control character, of which the `domain` crate does not
/// survive a carriage return at the end.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, HeaderFault> {
    let is_bad = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if let Some((index, _)) = text.split('\n').enumerate().find(|(_, line)| line.contains(is_bad)) {
        return Err(Fault::ControlCharacter.on(index + 1));
    }
    let text = text.as_bytes();
    Lexer { text, at: 0, line: 1, opened: None, at_margin: true, token_end: None, entry: None, done: Vec::new() }.run()
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    /// The line of the open parenthesis.
    opened: Option<usize>,
    /// Nothing but the margin was seen on this line.
    at_margin: bool,
    /// Where the last token ended: another one does not start there.
    token_end: Option<usize>,
    entry: Option<Entry>,
    done: Vec<Entry>,
}

impl Lexer<'_> {
    fn run(mut self) -> Result<Vec<Entry>, HeaderFault> {
        while let Some(octet) = self.text.get(self.at).copied() {
            match octet {
                b'\n' => self.end_line(),
                b' ' | b'\t' => self.at += 1,
                b';' => {
                    while self.text.get(self.at).is_some_and(|octet| *octet != b'\n') {
                        self.at += 1;
                    }
                }
                b'(' => {
                    if self.opened.replace(self.line).is_some() {
                        return Err(Fault::NestedParenthesis.on(self.line));
                    }
                    self.at += 1;
                }
                b')' => {
                    self.opened.take().ok_or(Fault::ClosingParenthesis.on(self.line))?;
                    self.at += 1;
                }
                _ if self.token_end == Some(self.at) => return Err(Fault::TouchingQuote.on(self.line)),
                b'@' if self.at_margin && self.opened.is_some() => return Err(Fault::MisplacedSign('@').on(self.line)),
                b'$' if !self.at_margin || self.opened.is_some() => return Err(Fault::MisplacedSign('$').on(self.line)),
                b'"' => self.quoted()?,
                _ => self.word(),
            }
            self.at_margin = octet == b'\n';
        }
        if let Some(opened) = self.opened {
            return Err(Fault::OpenParenthesis.on(opened));
        }
        self.done.extend(self.entry);
        Ok(self.done)
    }

    fn end_line(&mut self) {
        self.at += 1;
        self.line += 1;
        if self.opened.is_none() {
            self.done.extend(self.entry.take());
        }
    }

    fn quoted(&mut self) -> Result<(), HeaderFault> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                None | Some(b'\n') => return Err(Fault::OpenQuote.on(self.line)),
                Some(b'\\') => self.at += 2,
                Some(b'"') => break,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        self.token(start);
        Ok(())
    }

    fn word(&mut self) {
        let start = self.at;
        while let Some(octet) = self.text.get(self.at) {
            match octet {
                b'\n' | b' ' | b'\t' | b';' | b'(' | b')' | b'"' => break,
                b'\\' if self.text.get(self.at + 1).is_some_and(|escaped| *escaped != b'\n') => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.token(start);
    }

    fn token(&mut self, start: usize) {
        let token = Token { place: start..self.at.min(self.text.len()), line: self.line };
        self.token_end = Some(self.at);
        let fresh = || Entry { line: self.line, at_margin: self.at_margin, tokens: Vec::new() };
        self.entry.get_or_insert_with(fresh).tokens.push(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<&str>> {
        entries(text).unwrap().iter().map(|e| e.tokens.iter().map(|t| &text[t.place.clone()]).collect()).collect()
    }

    #[test]
    fn entries_end_with_the_line_unless_a_parenthesis_is_open() {
        let text = "a 1 IN SOA x y ( 1 ; serial (not this one)\n\t2 )3\n\n  b \"c ; d\" e\\;f\n; all comment\ng";
        let expected: Vec<Vec<&str>> =
            vec![vec!["a", "1", "IN", "SOA", "x", "y", "1", "2", "3"], vec!["b", "\"c ; d\"", "e\\;f"], vec!["g"]];
        assert_eq!(words(text), expected);
        let places: Vec<_> = entries(text).unwrap().iter().map(|e| (e.line, e.at_margin)).collect();
        assert_eq!(places, [(1, true), (4, false), (6, true)]);
    }

    #[test]
    fn what_no_server_reads_is_told_with_its_line() {
        let table = [
            ("a\nb ( c\nd\n", Fault::OpenParenthesis, 2),
            ("a ( b\n( c ) )", Fault::NestedParenthesis, 2),
            ("a\nb ) c", Fault::ClosingParenthesis, 2),
            ("a (\n$b )", Fault::MisplacedSign('$'), 2),
            ("a (\n@ )", Fault::MisplacedSign('@'), 2),
            ("a\n b $c", Fault::MisplacedSign('$'), 2),
            ("a b\"c\"", Fault::TouchingQuote, 1),
            ("a\n\"b\"\"c\"", Fault::TouchingQuote, 2),
            ("a\nb\r", Fault::ControlCharacter, 2),
            ("a\n\nb \"c\nd\"", Fault::OpenQuote, 3),
            ("a \"c\\", Fault::OpenQuote, 1),
        ];
        for (text, fault, line) in table {
            assert_eq!(entries(text).unwrap_err(), fault.on(line), "{text:?}");
        }
    }

    #[test]
    fn ttl_and_class_come_in_either_order_or_not_at_all() {
        for text in ["a SOA d", "a IN SOA d", "a 1h SOA d", "a 1h IN SOA d", "a in 5 soa d", " SOA d", " 7 SOA d"] {
            let entries = entries(text).unwrap();
            let fields = entries[0].fields(text).unwrap();
            assert!(text[fields.record_type.place.clone()].eq_ignore_ascii_case("SOA"), "{text}");
            assert_eq!(fields.data.len(), 1, "{text}");
            assert_eq!(fields.ttl.is_some(), text.contains(char::is_numeric), "{text}");
        }
        assert!(entries("a IN 5").unwrap()[0].fields("a IN 5").is_none());
    }

    #[test]
    fn times_have_units() {
        let table = [
            ("0", Some(0)),
            ("3600", Some(3600)),
            ("1h", Some(3600)),
            ("1W2D", Some(777_600)),
            ("1h30m", Some(5400)),
            ("", None),
            ("h", None),
            ("1h30", None),
            ("1x", None),
            ("4294967296", None),
            ("99999w", None),
        ];
        for (word, expected) in table {
            assert_eq!(seconds(word), expected, "{word:?}");
        }
    }
}

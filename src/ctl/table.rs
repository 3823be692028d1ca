//! Aligned columns with a little colour, for a terminal of a given width. Pure: text out, nothing printed.

use std::fmt::Write;

/// What a piece of text means; the terminal's own colours say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    Plain,
    /// A heading, a name to find at a glance.
    Strong,
    /// Of little interest.
    Faint,
    /// As it should be.
    Good,
    /// Look at it.
    Warn,
    /// Broken.
    Bad,
}

/// Turns tones into escape sequences, or into nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// No escape sequences: a pipe, a file, `NO_COLOR`.
    Mono,
    /// The eight colours every terminal has.
    Colour,
}

impl Palette {
    /// The text in its tone.
    #[must_use]
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match (self, tone) {
            (Self::Mono, _) | (_, Tone::Plain) => return text.to_owned(),
            (_, Tone::Strong) => "1",
            (_, Tone::Faint) => "2",
            (_, Tone::Good) => "32",
            (_, Tone::Warn) => "33",
            (_, Tone::Bad) => "1;31",
        };
        if text.is_empty() { String::new() } else { format!("\x1b[{code}m{text}\x1b[0m") }
    }
}

/// A piece of text and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
    right: bool,
}

impl Cell {
    /// Text in a tone, flush left.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone, right: false }
    }

    /// Plain text, flush left.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(Tone::Plain, text)
    }

    /// Text of little interest, flush left.
    pub fn faint(text: impl Into<String>) -> Self {
        Self::new(Tone::Faint, text)
    }

    /// Flush right, as figures are.
    #[must_use]
    pub fn right(mut self) -> Self {
        self.right = true;
        self
    }

    /// At most `width` characters, the rest of it a `…`.
    #[must_use]
    pub fn at_most(mut self, width: usize) -> Self {
        if self.text.chars().count() > width {
            self.text = self.text.chars().take(width.saturating_sub(1)).chain(['…']).collect();
        }
        self
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Rows of cells under a head, each with an optional note that may be long.
#[derive(Debug)]
pub struct Table {
    head: Vec<Cell>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    marked: bool,
    cells: Vec<Cell>,
    note: Cell,
}

/// Blanks before every row; the mark stands in them.
const INDENT: usize = 4;
const GAP: usize = 2;

impl Table {
    /// A table with these column titles. A title ending in `>` heads a column of figures, and loses the `>`.
    #[must_use]
    pub fn new(titles: &[&str]) -> Self {
        let head = titles.iter().map(|title| match title.strip_suffix('>') {
            Some(title) => Cell::faint(title).right(),
            None => Cell::faint(*title),
        });
        Self { head: head.collect(), rows: Vec::new() }
    }

    /// Adds a row. The note follows the last column where it fits in the width, else it is wrapped below the row.
    pub fn row(&mut self, cells: Vec<Cell>, note: Cell) {
        self.rows.push(Row { marked: false, cells, note });
    }

    /// Puts a `*` before the row added last.
    pub fn mark(&mut self) {
        if let Some(row) = self.rows.last_mut() {
            row.marked = true;
        }
    }

    /// Draws it for a terminal `width` columns wide.
    #[must_use]
    pub fn draw(&self, palette: Palette, width: usize) -> String {
        let widths = self.widths();
        let columns = INDENT + widths.iter().map(|width| width + GAP).sum::<usize>();
        let fits = |note: &Cell| columns + note.width() <= width;
        let notes = self.rows.iter().any(|row| row.note.width() > 0 && fits(&row.note));
        let note_title = Cell::faint(if notes { "NOTE" } else { "" });
        let mut out = String::new();
        draw_row(&mut out, palette, &widths, &self.head, &note_title);
        for row in &self.rows {
            let beside = fits(&row.note);
            let start = out.len();
            draw_row(&mut out, palette, &widths, &row.cells, if beside { &row.note } else { &NOTHING });
            if row.marked {
                out.replace_range(start..start + INDENT, &format!("  {} ", palette.paint(Tone::Good, "*")));
            }
            for line in wrap(&row.note.text, width.saturating_sub(INDENT + 2)).iter().filter(|_| !beside) {
                let _ = writeln!(out, "{:indent$}{}", "", palette.paint(row.note.tone, line), indent = INDENT + 2);
            }
        }
        out
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.head.iter().map(Cell::width).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.width());
            }
        }
        widths
    }
}

static NOTHING: Cell = Cell { text: String::new(), tone: Tone::Plain, right: false };

fn draw_row(out: &mut String, palette: Palette, widths: &[usize], cells: &[Cell], note: &Cell) {
    let mut line = " ".repeat(INDENT);
    // Padding is held back until something follows it: no trailing blanks.
    let mut padding = 0;
    for (cell, width) in cells.iter().zip(widths) {
        let fill = width.saturating_sub(cell.width());
        if cell.text.is_empty() {
            padding += width + GAP;
            continue;
        }
        line.push_str(&" ".repeat(padding + if cell.right { fill } else { 0 }));
        line.push_str(&palette.paint(cell.tone, &cell.text));
        padding = GAP + if cell.right { 0 } else { fill };
    }
    if !note.text.is_empty() {
        line.push_str(&" ".repeat(padding));
        line.push_str(&palette.paint(note.tone, &note.text));
    }
    out.push_str(&line);
    out.push('\n');
}

/// Breaks a text into lines of at most `width` characters, at blanks where there are any.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        let mut length = 0;
        for word in paragraph.split_whitespace() {
            let mut word: Vec<char> = word.chars().collect();
            if length > 0 && length + 1 + word.len() > width {
                lines.push(std::mem::take(&mut line));
                length = 0;
            }
            while word.len() > width {
                let rest = word.split_off(width);
                lines.push(word.into_iter().collect());
                word = rest;
            }
            if length > 0 {
                line.push(' ');
                length += 1;
            }
            length += word.len();
            line.extend(word);
        }
        if length > 0 {
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_a_long_note_is_wrapped_below_its_row() {
        let mut table = Table::new(&["NAME", "N>"]);
        table.row(vec![Cell::plain("a"), Cell::plain("1").right()], Cell::plain("short"));
        table.row(vec![Cell::plain("longer"), Cell::plain("100").right()], Cell::plain("a note that needs more room"));
        table.row(vec![Cell::plain("b"), Cell::plain("")], Cell::plain(""));
        table.mark();
        let expected = "    \
    NAME      N  NOTE
    a         1  short
    longer  100
      a note that needs
      more room
  * b
";
        assert_eq!(table.draw(Palette::Mono, 24), expected);
    }

    #[test]
    fn colour_takes_no_width() {
        let mut table = Table::new(&["NAME", "N>"]);
        table.row(vec![Cell::new(Tone::Good, "up"), Cell::plain("1").right()], Cell::plain(""));
        let drawn = table.draw(Palette::Colour, 80);
        assert_eq!(drawn, "    \x1b[2mNAME\x1b[0m  \x1b[2mN\x1b[0m\n    \x1b[32mup\x1b[0m    1\n");
    }

    #[test]
    fn a_word_longer_than_the_line_is_broken() {
        assert_eq!(wrap("ab abcdefgh c", 3), ["ab", "abc", "def", "gh", "c"]);
        assert_eq!(wrap("", 3), [""; 0]);
        assert_eq!(Cell::plain("abcdef").at_most(4).text, "abc…");
    }
}

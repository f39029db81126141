//! The audit log as a file: JSON Lines, and CSV (RFC 4180).

use super::api::EventResponse;
use crate::server::service::log::EventView;

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line, as the API gives it.
    JsonLines,
    /// A table, safe to be opened by programs that calculate.
    Csv,
}

/// The columns of the table.
const COLUMNS: [&str; 17] = [
    "seq",
    "id",
    "time",
    "action",
    "actor_type",
    "actor_id",
    "actor_name",
    "on_behalf_of",
    "object_type",
    "object_id",
    "object_name",
    "result",
    "reason",
    "request_id",
    "ip",
    "user_agent",
    "changes",
];

impl Format {
    /// The media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::JsonLines => "application/jsonl; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    /// What comes before the first event.
    #[must_use]
    pub fn head(self) -> Option<String> {
        (self == Self::Csv).then(|| format!("{}\r\n", COLUMNS.join(",")))
    }

    /// One event, with its end of line.
    #[must_use]
    pub fn line(self, event: &EventView) -> String {
        match self {
            Self::JsonLines => {
                let json = serde_json::to_string(&EventResponse::from(event.clone())).unwrap_or_default();
                format!("{json}\n")
            }
            Self::Csv => csv_line(event),
        }
    }
}

fn csv_line(event: &EventView) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let cells = [
        event.seq.to_string(),
        event.id.clone(),
        event.time.rfc3339(),
        event.action.clone(),
        event.actor.kind.clone(),
        text(&event.actor.id),
        text(&event.actor.name),
        text(&event.on_behalf_of),
        event.object.kind.clone(),
        text(&event.object.id),
        text(&event.object.name),
        event.result.clone(),
        text(&event.reason),
        text(&event.request_id),
        text(&event.ip),
        text(&event.user_agent),
        serde_json::to_string(&event.changes).unwrap_or_default(),
    ];
    let cells: Vec<_> = cells.iter().map(|cell| csv_cell(cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell that no program takes for a formula, and that ends where it should.
fn csv_cell(text: &str) -> String {
    let text = disarmed(text);
    if text.contains(['"', ',', '\r', '\n', ';']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// With a `'` before whatever a program could take for the beginning of a formula: at the beginning, and behind what other
/// programs take for the end of a cell, whether they mind quotes or not.
fn disarmed(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut may_begin = true;
    for c in text.chars() {
        let is_first = safe.is_empty();
        if may_begin && (begins_formula(c) || is_first && matches!(c, '\t' | '\r' | '\n')) {
            safe.push('\'');
        }
        safe.push(c);
        let is_passed_over = matches!(c, '"' | '\'') || c.is_whitespace();
        may_begin = matches!(c, ';' | ',' | '|' | '\t' | '\r' | '\n') || may_begin && is_passed_over;
    }
    safe
}

/// Also as it is written among Chinese and Japanese, where some programs take it for the same.
const fn begins_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_neither_formulas_nor_do_they_leave_their_place() {
        for (text, cell) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "'=1+1"),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("\tx", "'\tx"),
            ("two\nlines", "\"two\nlines\""),
            ("x;=1+1;y", "\"x;'=1+1;y\""),
            ("x;\"=1\"", "\"x;\"\"'=1\"\"\""),
            ("a, -1\t+2|@x", "\"a, '-1\t'+2|'@x\""),
            ("x\n=1", "\"x\n'=1\""),
            ("1-1=0", "1-1=0"),
            ("\u{a0}=1", "\u{a0}'=1"),
            ("＝1", "'＝1"),
            ("", ""),
        ] {
            assert_eq!(csv_cell(text), cell, "{text:?}");
        }
    }
}

//! Server-sent events as they come in pieces.

/// Longest line. The longest that a server sends is an event with a large deployment plan.
pub const MAX_LINE: usize = 64 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// Position, if the server has such.
    pub id: Option<u64>,
    /// Type.
    pub kind: String,
    /// Lines of data, joined.
    pub data: String,
}

/// Puts pieces together.
#[derive(Debug, Default)]
pub struct Parser {
    rest: Vec<u8>,
    current: SseEvent,
}

/// A line does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndlessLine;

impl Parser {
    /// Takes a piece; gives the events that are complete with it.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<SseEvent>, EndlessLine> {
        let mut events = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if self.rest.len() + part.len() > MAX_LINE {
                return Err(EndlessLine);
            }
            self.rest.extend_from_slice(part);
            if self.rest.ends_with(b"\n") {
                let line = std::mem::take(&mut self.rest);
                events.extend(self.line(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r'])));
            }
        }
        Ok(events)
    }

    fn line(&mut self, line: &str) -> Option<SseEvent> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.current);
            return Some(event).filter(|event| !event.data.is_empty());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.current.id = value.parse().ok(),
            "event" => self.current.kind = value.to_owned(),
            "data" => {
                if !self.current.data.is_empty() {
                    self.current.data.push('\n');
                }
                self.current.data.push_str(value);
            }
            _ => {} // a comment, or nothing that this client knows
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        "\r\n: hello\r\nid: 7\r\nevent: a\r\ndata: {\"x\":\"é: y\"}\r\n\r\n\r\nevent: b\ndata: 1\ndata: 2\n\nid: 9\n";

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let expected = [
            SseEvent { id: Some(7), kind: "a".into(), data: "{\"x\":\"é: y\"}".into() },
            SseEvent { id: None, kind: "b".into(), data: "1\n2".into() },
        ];
        for size in [1, 2, 3, 10, STREAM.len()] {
            let mut parser = Parser::default();
            let events: Vec<_> = STREAM.as_bytes().chunks(size).flat_map(|piece| parser.push(piece).unwrap()).collect();
            assert_eq!(events, expected, "{size}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut parser = Parser::default();
        assert!(parser.push(&vec![b'x'; MAX_LINE]).is_ok());
        assert_eq!(parser.push(b"x"), Err(EndlessLine));
    }
}

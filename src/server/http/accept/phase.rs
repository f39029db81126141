//! Where a connection is between two requests, as far as its bytes tell.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where a connection is in its cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for a head that has begun, or for the first.
    Head,
    /// Between the end of a head and the end of the answer.
    Answering,
    /// At rest: nothing of a next head has come.
    Idle,
}

/// How much came after the end of a head: what tells a connection at rest from one with half a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Received {
    /// Still in the head; so many bytes of its end have been seen.
    Head(usize),
    /// So many bytes since its end.
    Beyond(u64),
    /// Part of a next head came early, so the count began in the middle. From then on the connection never counts as at
    /// rest, which only means that it is closed earlier.
    Unknown,
}

/// The end of a head (RFC 9112, section 2.1).
const HEAD_END: &[u8; 4] = b"\r\n\r\n";

impl Received {
    fn after(self, bytes: &[u8]) -> Self {
        match self {
            Self::Unknown => Self::Unknown,
            Self::Beyond(count) => Self::Beyond(count + bytes.len() as u64),
            Self::Head(seen) => Self::look_for_end(seen, bytes),
        }
    }

    fn look_for_end(mut seen: usize, mut bytes: &[u8]) -> Self {
        loop {
            if seen == 0 {
                // Most of a head is no end of a line.
                let Some(at) = memchr::memchr(HEAD_END[0], bytes) else { return Self::Head(0) };
                bytes = &bytes[at..];
            }
            let Some((byte, rest)) = bytes.split_first() else { return Self::Head(seen) };
            bytes = rest;
            seen = match *byte {
                byte if byte == HEAD_END[seen] => seen + 1,
                b'\r' => 1,
                _ => 0,
            };
            if seen == HEAD_END.len() {
                return Self::Beyond(bytes.len() as u64);
            }
        }
    }
}

/// The phase, shared by the two ends of hyper: the stream below and the service above.
#[derive(Clone)]
pub(super) struct SharedPhase(Arc<Mutex<PhaseState>>);

struct PhaseState {
    phase: Phase,
    received: Received,
    /// The length of the body of the request that is being answered, if it is known.
    body: Option<u64>,
    /// Tells the stream that its deadline is to be set anew.
    changed: bool,
}

impl SharedPhase {
    pub(super) fn new() -> Self {
        let state = PhaseState { phase: Phase::Head, received: Received::Head(0), body: None, changed: false };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, PhaseState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin_answer(&self, body: Option<u64>) {
        let mut state = self.state();
        state.phase = Phase::Answering;
        state.body = body;
        state.changed = true;
    }

    /// The answer is sent. The connection is at rest only if nothing but the request itself has come.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        let at_rest = matches!((state.received, state.body), (Received::Beyond(count), Some(body)) if count == body);
        (state.phase, state.received) =
            if at_rest { (Phase::Idle, Received::Head(0)) } else { (Phase::Head, Received::Unknown) };
        state.changed = true;
    }

    /// Bytes came.
    pub(super) fn received(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.received = state.received.after(bytes);
        if state.phase == Phase::Idle {
            state.phase = Phase::Head;
            state.changed = true;
        }
    }

    /// The phase, and whether it is new since the last look.
    pub(super) fn look(&self) -> (Phase, bool) {
        let mut state = self.state();
        (state.phase, std::mem::take(&mut state.changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The phase after a request came in these pieces and was answered.
    fn phase_after(pieces: &[&str], body: Option<u64>) -> Phase {
        let phase = SharedPhase::new();
        for piece in pieces {
            phase.received(piece.as_bytes());
        }
        phase.begin_answer(body);
        phase.answered();
        phase.look().0
    }

    #[test]
    fn a_connection_rests_only_when_nothing_of_a_next_head_has_come() {
        let table: [(&[&str], Option<u64>, Phase); 8] = [
            (&["GET / HTTP/1.1\r\n\r\n"], Some(0), Phase::Idle),
            (&["GET / HTTP/1.1\r", "\n\r", "\n"], Some(0), Phase::Idle),
            (&["POST / HTTP/1.1\r\n\r\nab"], Some(2), Phase::Idle),
            (&["POST / HTTP/1.1\r\n\r\n", "a", "b"], Some(2), Phase::Idle),
            (&["GET / HTTP/1.1\r\n\r\nGET"], Some(0), Phase::Head),
            (&["POST / HTTP/1.1\r\n\r\nabGET"], Some(2), Phase::Head),
            (&["POST / HTTP/1.1\r\n\r\n2\r\nab\r\n0\r\n\r\n"], None, Phase::Head),
            (&["GET / HTTP/1.1\n\n"], Some(0), Phase::Head),
        ];
        for (pieces, body, phase) in table {
            assert_eq!(phase_after(pieces, body), phase, "{pieces:?}");
        }
    }

    #[test]
    fn the_first_byte_ends_the_rest() {
        let phase = SharedPhase::new();
        phase.received(b"GET / HTTP/1.1\r\n\r\n");
        phase.begin_answer(Some(0));
        phase.answered();
        assert_eq!(phase.look(), (Phase::Idle, true));
        phase.received(b"G");
        assert_eq!(phase.look(), (Phase::Head, true));
    }
}

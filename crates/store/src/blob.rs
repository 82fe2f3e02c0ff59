//! Traces and token ids as compact bytes.
//!
//! A trace is a version byte and then, per token: the id (LEB128), one byte of provenance, the
//! reason if there is one, logprob, entropy and P(end) in half precision, the text's length
//! (LEB128) and the text. The alternatives are left out: they are ten times the size of the rest,
//! and the model gives them again.

use anyhow::{Result, bail};
use half::f16;

use s1_core::trace::{Alternatives, Origin, Phase, Reason, Token};

const VERSION: u8 = 1;

/// Every reason with its code in the file; a code is never used for another reason.
const REASONS: [(Reason, u8); 17] = [
    (Reason::Wait, 1),
    (Reason::UserWait, 2),
    (Reason::NaturalEnd, 3),
    (Reason::EndOfTurn, 4),
    (Reason::Budget, 5),
    (Reason::Cut, 6),
    (Reason::SentenceCut, 7),
    (Reason::Loop, 8),
    (Reason::Injected, 9),
    (Reason::Chosen, 10),
    (Reason::Kept, 11),
    (Reason::EndIgnored, 12),
    (Reason::UserEndIgnored, 13),
    (Reason::FinalAnswer, 14),
    (Reason::Message, 15),
    (Reason::UserMessage, 16),
    (Reason::Exit, 17),
];

pub(super) fn ids(ids: &[u32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ids.len() * 2);
    for &id in ids {
        number(&mut out, u64::from(id));
    }
    out
}

/// Token ids read back. Errors on damage.
pub(super) fn read_ids(mut bytes: &[u8]) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    while !bytes.is_empty() {
        ids.push(u32::try_from(read_number(&mut bytes)?)?);
    }
    Ok(ids)
}

/// Tokens without their alternatives.
pub(super) fn tokens(tokens: &[Token]) -> Vec<u8> {
    let mut out = vec![VERSION];
    for token in tokens {
        number(&mut out, u64::from(token.id));
        let origin = match token.origin {
            Origin::Sampled => 0,
            Origin::Forced => 1,
            Origin::User => 2,
        };
        let phase = u8::from(token.phase == Phase::Answer) << 2;
        let code = REASONS
            .iter()
            .find(|(reason, _)| Some(*reason) == token.reason)
            .map_or(0, |(_, code)| *code);
        out.push(origin | phase | code << 3);
        for score in [token.logprob, token.entropy, token.p_end] {
            out.extend(f16::from_f32(score).to_le_bytes());
        }
        number(&mut out, token.text.len() as u64);
        out.extend(token.text.as_bytes());
    }
    out
}

/// Tokens read back. Errors on damage.
pub(super) fn read_tokens(mut bytes: &[u8]) -> Result<Vec<Token>> {
    if take(&mut bytes, 1)? != [VERSION] {
        bail!("a stored trace has a format that this program does not know");
    }
    let mut tokens = Vec::new();
    while !bytes.is_empty() {
        let id = u32::try_from(read_number(&mut bytes)?)?;
        let flags = take(&mut bytes, 1)?.first().copied().unwrap_or_default();
        let reason = match flags >> 3 {
            0 => None,
            code => match REASONS.iter().find(|(_, c)| *c == code) {
                Some((reason, _)) => Some(*reason),
                None => bail!("a stored trace is damaged"),
            },
        };
        let mut scores = [0.0; 3];
        for score in &mut scores {
            let half = take(&mut bytes, 2)?;
            let half = f16::from_le_bytes([half[0], half[1]]).to_f32();
            // An impossible token has no finite logprob; what reads this expects numbers.
            *score = if half.is_nan() {
                0.0
            } else {
                half.clamp(f32::from(f16::MIN), f32::from(f16::MAX))
            };
        }
        let length = usize::try_from(read_number(&mut bytes)?)?;
        let text = str::from_utf8(take(&mut bytes, length)?)?;
        tokens.push(Token {
            id,
            text: text.into(),
            origin: match flags & 3 {
                0 => Origin::Sampled,
                1 => Origin::Forced,
                _ => Origin::User,
            },
            phase: if flags & 4 == 0 {
                Phase::Thinking
            } else {
                Phase::Answer
            },
            reason,
            logprob: scores[0],
            entropy: scores[1],
            p_end: scores[2],
            top: Alternatives::default(),
        });
    }
    Ok(tokens)
}

/// Unsigned LEB128.
fn number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn read_number(bytes: &mut &[u8]) -> Result<u64> {
    let mut n = 0;
    for shift in (0..63).step_by(7) {
        let byte = take(bytes, 1)?[0];
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(n);
        }
    }
    bail!("a stored trace is damaged")
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Result<&'a [u8]> {
    match bytes.split_at_checked(n) {
        Some((head, tail)) => {
            *bytes = tail;
            Ok(head)
        }
        None => bail!("a stored trace is damaged"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: u32, reason: Option<Reason>) -> Token {
        Token {
            id,
            text: "né\n".into(),
            origin: Origin::Forced,
            phase: Phase::Answer,
            reason,
            logprob: -1.5,
            entropy: 0.25,
            p_end: 1.0,
            top: Alternatives::default(),
        }
    }

    #[test]
    fn a_trace_comes_back_with_all_its_provenance() {
        let mut trace: Vec<Token> = REASONS
            .iter()
            .map(|(reason, _)| token(151_668, Some(*reason)))
            .collect();
        trace.push(token(0, None));
        for (i, token) in trace.iter_mut().enumerate() {
            token.origin = [Origin::Sampled, Origin::Forced, Origin::User][i % 3];
            token.phase = [Phase::Thinking, Phase::Answer][i % 2];
        }
        assert_eq!(read_tokens(&tokens(&trace)).unwrap(), trace);
        assert_eq!(read_tokens(&tokens(&[])).unwrap(), []);
        let many = [0, 127, 128, u32::MAX];
        assert_eq!(read_ids(&ids(&many)).unwrap(), many);
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let whole = tokens(&[token(300, Some(Reason::Wait)), token(5, None)]);
        for cut in 0..whole.len() {
            let _ = read_tokens(&whole[..cut]);
            let mut bent = whole.clone();
            bent[cut] ^= 0xff;
            let _ = read_tokens(&bent);
        }
        assert!(read_tokens(&whole[..whole.len() - 1]).is_err());
        let mut impossible = token(1, None);
        impossible.logprob = f32::NEG_INFINITY;
        let back = read_tokens(&tokens(&[impossible])).unwrap();
        assert!(back[0].logprob.is_finite());
    }
}

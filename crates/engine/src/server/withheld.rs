//! Tokens that llama.cpp's server writes and does not name.
//!
//! While a character is incomplete the server holds its events back, and of the tokens that it is made of
//! it then names the last alone. Their number tells: it counts those, too. A continuation that is not
//! streamed names all of them, so that one is asked for. What is not known of them then is their
//! probability.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::dialect::{Considered, Dialect, Drawn, Said, StreamEnd};
use super::http::{RequestFault, ServerClient};
use super::words::pieces;

/// A character has four bytes at most; more than this is no character.
const MOST: usize = 16;
/// So many tokens complete a character that was begun.
const REST: usize = 3;

/// How many tokens a server has written before those that `said` names and after the `named` ones that
/// it has named.
pub(super) fn between(said: &Said, named: usize) -> usize {
    let known = named + said.drawn.len();
    said.written.map_or(0, |all| all.saturating_sub(known))
}

/// What `said` should have said: with the tokens that were withheld before it. The stream that it comes
/// from has to be closed first, as a server may have one place alone; this says that it ended there.
///
/// # Errors
/// If the server does not write the same once more.
pub(super) fn ask(
    client: &ServerClient,
    request: &Value,
    (named, said): (&[u32], Said),
    vocabulary: usize,
) -> Result<Said, RequestFault> {
    let withheld = between(&said, named.len());
    let unnamed = || {
        RequestFault::passing(format!(
            "the server at {} does not name the tokens of a character that it has written",
            client.base
        ))
    };
    if withheld > MOST {
        return Err(unnamed());
    }
    let new = withheld + said.drawn.len();
    // Drawn at random, a text is only the same from the same beginning on.
    let random = request["temperature"].as_f64() != Some(0.0);
    let prompt = request["prompt"].as_array().cloned().unwrap_or_default();
    let (prompt, most) = match random {
        true => (prompt, named.len() + new),
        false => {
            let all = prompt.into_iter().chain(named.iter().map(|&id| json!(id)));
            (all.collect(), new)
        }
    };
    let mut whole = request.clone();
    whole["prompt"] = prompt.into();
    // With the rest of a character there is a text, which tells the bytes of its tokens.
    whole["n_predict"] = (most + REST).into();
    whole["stream"] = false.into();
    let answer = client.post(Dialect::Llama.path(), &whole)?;
    let ids = answer.get("tokens").and_then(Value::as_array);
    let id = |id: &Value| u32::try_from(id.as_u64()?).ok();
    let ids: Option<Vec<u32>> = ids.and_then(|ids| ids.iter().map(id).collect());
    let ids = ids.unwrap_or_default();
    let (before, rest) = ids.split_at(if random {
        named.len().min(ids.len())
    } else {
        0
    });
    let rest = &rest[..new.min(rest.len())];
    let same = rest.len() == new
        && (!random || before == named)
        && rest[withheld..]
            .iter()
            .eq(said.drawn.iter().map(|d| &d.token.id))
        && rest.iter().all(|&id| (id as usize) < vocabulary);
    if !same {
        return Err(unnamed());
    }
    let text = answer.get("content").and_then(Value::as_str);
    let bytes = bytes(client, text.unwrap_or_default())?;
    let first = rest[..withheld].iter().map(|&id| Drawn {
        token: Considered {
            id,
            bytes: bytes.get(&id).cloned(),
            logprob: 0.0,
        },
        top: Vec::new(),
    });
    Ok(Said {
        drawn: first.chain(said.drawn).collect(),
        ending: Some(StreamEnd::Limit),
        written: None,
    })
}

/// The bytes of the tokens that a text usually has.
fn bytes(client: &ServerClient, text: &str) -> Result<HashMap<u32, Vec<u8>>, RequestFault> {
    let form = json!({"content": text, "with_pieces": true, "parse_special": false});
    let answer = client.post("/tokenize", &form)?;
    Ok(pieces(&answer).unwrap_or_default().into_iter().collect())
}

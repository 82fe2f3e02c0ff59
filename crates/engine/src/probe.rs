//! The forced-answer probe: what would the model answer if its thinking were cut here?
//!
//! Computed on the lane's own cache by appending, reading and rewinding; nothing of it stays.

use anyhow::Result;

use super::lane::Lane;
use super::loaded::Loaded;
use s1_core::sampling::Sampling;
use s1_core::trace::{Phase, Token};
use s1_core::tree::Probe;
use s1_model::cache::Cache;
use s1_model::decoder::Logits;
use s1_model::sampler;
use s1_model::tokenizer::StreamDecoder;

/// Longest answer a probe waits for, in tokens. Enough for "The answer is …".
const MAX_PROBE_TOKENS: usize = 48;

pub(super) enum ProbeOutcome {
    Done(Probe),
    /// A command arrived first.
    Interrupted,
}

/// Probes the lane after the first `at` tokens of its trace. `interrupted` is asked between two
/// tokens. The lane is left as it was.
///
/// Errors where the model cannot compute, or where there is no thought at that place.
pub(super) fn run(
    model: &Loaded,
    lane: &mut Lane,
    at: usize,
    interrupted: &dyn Fn() -> bool,
) -> Result<ProbeOutcome> {
    let thinking = |t: &Token| t.phase == Phase::Thinking;
    if !lane.request.policy.think || !lane.tokens[..at].iter().all(thinking) {
        anyhow::bail!("a probe needs a position inside the thinking; move the cursor there");
    }
    let base = lane.prompt.len() + at;
    let Some(cache) = lane.cache.as_mut() else {
        anyhow::bail!("this branch has not been computed; resume it before probing");
    };
    let held = cache.len();
    if base < held {
        // The tokens after `at` must survive: work on a copy of the prefix.
        let mut copy = cache.fork(base, model.context)?;
        return answer(model, lane, &mut copy, at, interrupted);
    }
    let Some(mut cache) = lane.cache.take() else {
        return Ok(ProbeOutcome::Interrupted);
    };
    let outcome = answer(model, lane, &mut cache, at, interrupted);
    cache.truncate(held);
    lane.cache = Some(cache);
    outcome
}

/// Closes the thought in `cache`, which holds exactly the prompt and `at` tokens, and decodes the
/// answer greedily.
fn answer(
    model: &Loaded,
    lane: &Lane,
    cache: &mut Cache,
    at: usize,
    interrupted: &dyn Fn() -> bool,
) -> Result<ProbeOutcome> {
    let d = &model.delimiters;
    let before = lane.tokens[..at].iter().rev().find(|t| !t.text.is_empty());
    let mut ids = if before.is_some_and(|t| t.text.ends_with('\n')) {
        d.forced_close.clone()
    } else {
        d.forced_close_midline.clone()
    };
    let mut decoder = StreamDecoder::new();
    let mut text = String::new();
    for _ in 0..MAX_PROBE_TOKENS {
        if interrupted() {
            return Ok(ProbeOutcome::Interrupted);
        }
        if cache.len() + ids.len() > cache.capacity() {
            break;
        }
        let Some(rows) = model
            .decoder
            .forward(&mut [(&mut *cache, &ids)], Logits::Last)?
        else {
            break;
        };
        let logits: Vec<f32> = rows.flatten_all()?.to_vec1()?;
        let vocab = model.tokenizer.vocab_size();
        let id = sampler::sample(&logits, vocab, &[], &[], &Sampling::default(), 0, 0)?;
        let over =
            d.turn_ids.contains(&id) || (d.natural_close.is_some() && d.end_ids.contains(&id));
        if over {
            break;
        }
        text.push_str(&decoder.push(model.tokenizer.token_bytes(id)));
        // One line is an answer; more would only delay the thinking.
        if text.trim_start().contains('\n') {
            break;
        }
        ids = vec![id];
    }
    text.push_str(&decoder.finish());
    let text = text.trim().to_string();
    let answer = s1_grading::extract(&text, None).map(|a| a.text);
    let correct = lane
        .request
        .reference
        .as_deref()
        .map(|reference| s1_grading::grade(reference, &text).verdict.equal);
    Ok(ProbeOutcome::Done(Probe {
        at,
        answer,
        text,
        correct,
    }))
}

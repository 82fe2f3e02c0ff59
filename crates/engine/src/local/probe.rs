//! Probes on a sequence's own cache, by appending, reading and rewinding; nothing of it stays.

use anyhow::Result;

use super::loaded::Loaded;
use super::sequence::Sequence;
use crate::probe::{self, ProbeAnswer};
use s1_core::delimiters::Primer;
use s1_core::sampling::Sampling;
use s1_core::tree::Probe;
use s1_model::cache::Cache;
use s1_model::decoder::Logits;
use s1_model::sampler;
use s1_model::tokenizer::StreamDecoder;

/// Probes a sequence after the first `at` tokens of its trace. `interrupted` is asked between two
/// tokens; where it says so, there is no probe. The sequence is left as it was.
///
/// Errors where the model cannot compute, or where there is no thought at that place.
pub(super) fn run(
    model: &Loaded,
    sequence: &mut Sequence,
    at: usize,
    interrupted: &dyn Fn() -> bool,
) -> Result<Option<Probe>> {
    let machine = sequence.machine();
    let primer = machine.primer();
    let close = probe::closing(machine, &sequence.tokens[..at])?;
    let base = sequence.prompt.len() + at;
    let Some(cache) = sequence.cache.as_mut() else {
        anyhow::bail!("this branch has not been computed; resume it before probing");
    };
    let held = cache.len();
    let given = if base < held {
        // The tokens after `at` must survive: work on a copy of the prefix.
        let mut copy = cache.fork(base, model.context)?;
        answer(model, (close, primer), &mut copy, interrupted)
    } else {
        let given = answer(model, (close, primer), cache, interrupted);
        cache.truncate(held);
        given
    }?;
    let reference = sequence.members[0].request.reference.as_deref();
    Ok(given.map(|given| probe::read(primer, at, &given, reference)))
}

/// Closes the thought in `cache` and decodes the answer greedily.
fn answer(
    model: &Loaded,
    (close, primer): (Vec<u32>, Primer),
    cache: &mut Cache,
    interrupted: &dyn Fn() -> bool,
) -> Result<Option<ProbeAnswer>> {
    let mut ids = close;
    let mut complete = false;
    let mut decoder = StreamDecoder::new();
    let mut text = String::new();
    for _ in 0..probe::MAX_TOKENS {
        if interrupted() {
            return Ok(None);
        }
        if cache.len() + ids.len() > cache.capacity() {
            break;
        }
        let lane = (&mut *cache, &ids[..]);
        let rows = model.decoder.forward(&mut [lane], Logits::Last)?;
        let logits = rows.first().map(Vec::as_slice).unwrap_or_default();
        let vocab = model.tokenizer.vocab_size();
        let mask = model.delimiters.closed();
        let id = sampler::sample(logits, vocab, mask, &[], &Sampling::default(), 0, 0)?;
        complete = probe::ends_with(&model.delimiters, id);
        if complete {
            break;
        }
        text.push_str(&decoder.push(model.tokenizer.token_bytes(id)));
        complete = probe::is_complete(primer, &text);
        if complete {
            break;
        }
        ids = vec![id];
    }
    text.push_str(&decoder.finish());
    Ok(Some(ProbeAnswer { text, complete }))
}

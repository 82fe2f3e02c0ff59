//! Trials on a sequence's own cache, by appending, reading and rewinding; nothing of it stays.

use anyhow::Result;

use super::loaded::Loaded;
use super::sequence::Sequence;
use crate::probe::{self, Begun, CONSIDERED, Given};
use s1_core::exit::{Look, Measure, Scores, Seen, Sight, Trial};
use s1_core::sampling::Sampling;
use s1_core::tree::Probe;
use s1_model::cache::Cache;
use s1_model::decoder::Logits;
use s1_model::sampler::{self, LogitsRow};
use s1_model::tokenizer::StreamDecoder;

/// Rows of logits that are computed at once.
const ROWS: usize = 64;

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
    let trial = s1_core::exit::trial_of(&sequence.members[0].request.probe_text);
    let tried = attempt(model, sequence, (at, 0), &trial, interrupted)?;
    let reference = sequence.members[0].request.reference.as_deref();
    Ok(tried.map(|(begun, given)| probe::read(&begun.text, at, &given, reference)))
}

/// Looks at a sequence for one of its members. As [`run`].
pub(super) fn look(
    model: &Loaded,
    sequence: &mut Sequence,
    (look, member): (&Look, usize),
    interrupted: &dyn Fn() -> bool,
) -> Result<Option<Sight>> {
    let at = look.at;
    match &look.measure {
        Measure::Trial(trial) => {
            let tried = attempt(model, sequence, (at, member), trial, interrupted)?;
            Ok(tried.map(|(begun, given)| probe::sight(&begun, at, &given)))
        }
        Measure::Scores => {
            let (scores, tokens) = match &sequence.logits {
                Some(logits) if at == sequence.tokens.len() => (scores(model, logits), 0),
                _ => (scores_at(model, sequence, at)?, 1),
            };
            Ok(Some(Sight {
                at,
                seen: Seen::Scores(scores),
                tokens,
            }))
        }
    }
}

/// Looks at a sequence at the places that were asked for and are left, which are in the order of the
/// text. The thought is read once more, on a cache of its own, and each answer is tried where it has
/// got to. As [`run`].
pub(super) fn look_along(
    model: &Loaded,
    sequence: &mut Sequence,
    interrupted: &dyn Fn() -> bool,
) -> Result<()> {
    let Some(first) = sequence.asked.next().map(|look| look.at) else {
        return Ok(());
    };
    let ids = sequence.token_ids();
    let prompt = sequence.prompt.len();
    // The place before: scores are those of the token that leads to it.
    let from = (prompt + first).saturating_sub(1).min(ids.len());
    let mut cache = held(sequence)?.fork(from, model.context)?;
    while let Some(look) = sequence.asked.next().cloned() {
        if interrupted() {
            return Ok(());
        }
        let place = (prompt + look.at).min(ids.len());
        let sight = match &look.measure {
            Measure::Scores => {
                let ahead = ahead(&sequence.asked.looks[sequence.asked.sights.len()..]);
                let last = (prompt + ahead).min(ids.len());
                let start = cache.len().min(place.saturating_sub(1));
                cache.truncate(start);
                let lane = (&mut cache, &ids[start..last]);
                let rows = model.decoder.forward(&mut [lane], Logits::All)?;
                // All that come one after another are in these rows.
                while let Some(look) = sequence.asked.next().cloned() {
                    let row = (prompt + look.at).checked_sub(start + 1);
                    let row = row.and_then(|row| rows.get(row));
                    let Some(row) = row.filter(|_| look.measure == Measure::Scores) else {
                        break;
                    };
                    let seen = Seen::Scores(scores(model, row));
                    let (at, tokens) = (look.at, 0);
                    sequence.asked.sights.push(Sight { at, seen, tokens });
                }
                continue;
            }
            Measure::Trial(trial) => {
                let held = cache.len();
                if held < place {
                    let lane = (&mut cache, &ids[held..place]);
                    model.decoder.forward(&mut [lane], Logits::None)?;
                }
                cache.truncate(place);
                let member = &sequence.members[0];
                let encode = |text: &str| model.tokenizer.encode_plain(text);
                let tokens = &sequence.tokens[..look.at.min(sequence.tokens.len())];
                let begun = probe::begin(&member.machine, tokens, trial, encode)?;
                let sampling = probe::sampling(trial, &member.request);
                let attempt = Attempt {
                    model,
                    begun: &begun,
                    most: trial.tokens,
                    drawing: (&sampling, member.request.sample, look.at),
                    interrupted,
                };
                let given = attempt.run(&mut cache)?;
                cache.truncate(place);
                let Some(given) = given else {
                    return Ok(());
                };
                probe::sight(&begun, look.at, &given)
            }
        };
        sequence.asked.sights.push(sight);
    }
    Ok(())
}

/// The last place of the scores that begin these looks and are read in one go.
fn ahead(looks: &[Look]) -> usize {
    let first = looks.first().map_or(0, |look| look.at);
    let own = looks.iter().take_while(|look| {
        look.measure == Measure::Scores && look.at >= first && look.at < first + ROWS
    });
    own.last().map_or(first, |look| look.at)
}

fn scores(model: &Loaded, logits: &[f32]) -> Scores {
    let row = LogitsRow::new(logits, model.tokenizer.vocab_size(), CONSIDERED);
    let ends = &model.think_ends;
    let logit = |id: &u32| logits.get(*id as usize).copied();
    let best = ends
        .iter()
        .filter_map(logit)
        .fold(f32::NEG_INFINITY, f32::max);
    let rank = best.is_finite().then(|| {
        let better = logits.iter().filter(|&&z| z > best).count();
        let id = ends.iter().find(|id| logit(id) == Some(best));
        (better + 1, id.map_or(best, |&id| row.logprob(id)))
    });
    probe::scores(&row.top, rank, |id| ends.contains(&id))
}

/// The scores after `at` tokens, which were computed before: the last of them is computed again.
fn scores_at(model: &Loaded, sequence: &Sequence, at: usize) -> Result<Scores> {
    let place = sequence.prompt.len() + at;
    let ids = sequence.token_ids();
    let mut copy = held(sequence)?.fork(place.saturating_sub(1), model.context)?;
    let lane = (&mut copy, &ids[place.saturating_sub(1)..place]);
    let rows = model.decoder.forward(&mut [lane], Logits::Last)?;
    Ok(scores(model, rows.first().map_or(&[], Vec::as_slice)))
}

fn held(sequence: &Sequence) -> Result<&Cache> {
    let Some(cache) = sequence.cache.as_ref() else {
        anyhow::bail!("this branch has not been computed; resume it before probing");
    };
    Ok(cache)
}

/// Tries an answer after `at` tokens, as a member would give it.
fn attempt(
    model: &Loaded,
    sequence: &mut Sequence,
    (at, member): (usize, usize),
    trial: &Trial,
    interrupted: &dyn Fn() -> bool,
) -> Result<Option<(Begun, Given)>> {
    let asking = &sequence.members[member];
    let encode = |text: &str| model.tokenizer.encode_plain(text);
    let begun = probe::begin(&asking.machine, &sequence.tokens[..at], trial, encode)?;
    let drawing = (
        probe::sampling(trial, &asking.request),
        asking.request.sample,
    );
    let attempt = Attempt {
        model,
        begun: &begun,
        most: trial.tokens,
        drawing: (&drawing.0, drawing.1, at),
        interrupted,
    };
    let base = sequence.prompt.len() + at;
    let held = held(sequence)?.len();
    let given = if base < held {
        // The tokens after `at` must survive: work on a copy of the prefix.
        attempt.run(&mut self::held(sequence)?.fork(base, model.context)?)
    } else if let Some(cache) = sequence.cache.as_mut() {
        let given = attempt.run(cache);
        cache.truncate(held);
        given
    } else {
        Ok(None)
    }?;
    Ok(given.map(|given| (begun, given)))
}

/// One answer that is tried.
struct Attempt<'a> {
    model: &'a Loaded,
    begun: &'a Begun,
    most: usize,
    /// How it is drawn: for which sample, and after how many tokens of the trace.
    drawing: (&'a Sampling, u64, usize),
    interrupted: &'a dyn Fn() -> bool,
}

impl Attempt<'_> {
    /// Writes what begins the answer into `cache`, and decodes the answer.
    fn run(&self, cache: &mut Cache) -> Result<Option<Given>> {
        let model = self.model;
        let (sampling, sample, at) = self.drawing;
        let mut ids = self.begun.ids.clone();
        let mut given = Given::default();
        let mut decoder = StreamDecoder::new();
        for i in 0..self.most {
            if (self.interrupted)() {
                return Ok(None);
            }
            if ids.is_empty() || cache.len() + ids.len() > cache.capacity() {
                break;
            }
            let lane = (&mut *cache, &ids[..]);
            let rows = model.decoder.forward(&mut [lane], Logits::Last)?;
            let logits = rows.first().map(Vec::as_slice).unwrap_or_default();
            let vocab = model.tokenizer.vocab_size();
            let row = LogitsRow::new(logits, vocab, 1);
            if i == 0 {
                given.entropy = row.entropy;
            }
            let best = row.top.first().map_or(0.0, |(_, logprob)| logprob.exp());
            given.best.push(best);
            let mask = model.delimiters.closed();
            let position = (at + i) as u64;
            let id = sampler::sample(logits, vocab, mask, &[], sampling, position, sample)?;
            given.complete = probe::ends_with(&model.delimiters, id);
            if given.complete {
                break;
            }
            given
                .text
                .push_str(&decoder.push(model.tokenizer.token_bytes(id)));
            given.complete = probe::is_complete(&self.begun.text, &given.text);
            if given.complete {
                break;
            }
            ids = vec![id];
        }
        given.text.push_str(&decoder.finish());
        Ok(Some(given))
    }
}

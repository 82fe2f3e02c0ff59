//! Trials on a sequence's own cache, by appending, reading and rewinding; nothing of it stays.

use std::time::Instant;

use anyhow::Result;

use super::loaded::Loaded;
use super::sequence::Sequence;
use crate::probe::{self, Begun, CONSIDERED, Given};
use s1_core::exit::{Look, Measure, Scores, Seen, Sight, Trial};
use s1_core::protocol::Request;
use s1_core::sampling::Sampling;
use s1_core::tree::Probe;
use s1_model::cache::Cache;
use s1_model::decoder::Logits;
use s1_model::logits::PositionLogits;
use s1_model::sampler::LogitsRow;
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
                // The end's rank may be any.
                Some(logits) if at == sequence.tokens.len() => (scores(model, &logits.whole()?), 0),
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

/// Reads the scores that were asked for of a sequence and come before its next trial. The thought is
/// read once more for them, on a cache of its own.
pub(super) fn read_scores(model: &Loaded, sequence: &mut Sequence) -> Result<()> {
    let is_scores = |look: &&Look| look.measure == Measure::Scores;
    let Some(first) = sequence.asked.next().filter(is_scores) else {
        return Ok(());
    };
    let ids = sequence.token_ids();
    let prompt = sequence.prompt.len();
    // The place before: scores are those of the token that leads to it.
    let from = (prompt + first.at).saturating_sub(1).min(ids.len());
    let mut cache = held(sequence)?.fork(from, model.context)?;
    while let Some(look) = sequence.asked.next().filter(is_scores) {
        let place = (prompt + look.at).min(ids.len());
        let last = (prompt + ahead(sequence.asked.left())).min(ids.len());
        let start = cache.len().min(place.saturating_sub(1));
        cache.truncate(start);
        let lane = (&mut cache, &ids[start..last]);
        let rows = model.decoder.forward(&mut [lane], Logits::All)?;
        // All that come one after another are in these rows.
        while let Some(look) = sequence.asked.next().filter(is_scores) {
            let row = (prompt + look.at).checked_sub(start + 1);
            let Some(row) = row.and_then(|row| rows.get(row)) else {
                break;
            };
            let seen = Seen::Scores(scores(model, row));
            let (at, tokens) = (look.at, 0);
            sequence.asked.sights.push(Sight { at, seen, tokens });
        }
    }
    Ok(())
}

/// An answer that is tried on a branch of a sequence.
pub(super) struct TriedBranch {
    attempt: Attempt,
    cache: Cache,
}

impl TriedBranch {
    pub fn sight(self) -> Sight {
        let (begun, at, given) = self.attempt.end();
        probe::sight(&begun, at, &given)
    }
}

/// The trials that were asked for of a sequence and come next, `most` of them.
pub(super) fn next_trials(
    model: &Loaded,
    sequence: &Sequence,
    most: usize,
) -> Result<Vec<TriedBranch>> {
    let member = &sequence.members[0];
    let encode = |text: &str| model.tokenizer.encode_plain(text);
    let ids = sequence.token_ids();
    let held = held(sequence)?;
    let mut tried = Vec::new();
    for look in sequence.asked.left().iter().take(most) {
        let Measure::Trial(trial) = &look.measure else {
            break;
        };
        let at = look.at.min(sequence.tokens.len());
        let place = sequence.prompt.len() + at;
        let begun = probe::begin(&member.machine, &sequence.tokens[..at], trial, encode)?;
        let room = place.saturating_add(begun.ids.len() + trial.tokens);
        let mut attempt = Attempt::new(begun, trial, &member.request, look.at);
        // The last token of a thought may not have been computed.
        let shared = held.len().min(place);
        attempt
            .pending
            .splice(0..0, ids[shared..place].iter().copied());
        let cache = held.fork(shared, room.min(model.context))?;
        tried.push(TriedBranch { attempt, cache });
    }
    Ok(tried)
}

/// Decodes answers side by side; `false` if that was interrupted.
pub(super) fn try_all(
    model: &Loaded,
    tried: &mut [TriedBranch],
    interrupted: &dyn Fn() -> bool,
) -> Result<bool> {
    let attempts = tried.iter_mut().map(|t| (&mut t.attempt, &mut t.cache));
    run_all(model, &mut attempts.collect::<Vec<_>>(), interrupted)
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
    let mut attempt = Attempt::new(begun, trial, &asking.request, at);
    let base = sequence.prompt.len() + at;
    let held = held(sequence)?.len();
    let given = if base < held {
        // The tokens after `at` must survive: work on a copy of the prefix.
        let mut copy = self::held(sequence)?.fork(base, model.context)?;
        run_all(model, &mut [(&mut attempt, &mut copy)], interrupted)
    } else if let Some(cache) = sequence.cache.as_mut() {
        let given = run_all(model, &mut [(&mut attempt, &mut *cache)], interrupted);
        cache.truncate(held);
        given
    } else {
        Ok(false)
    }?;
    Ok(given.then(|| {
        let (begun, _, given) = attempt.end();
        (begun, given)
    }))
}

/// One answer that is tried.
struct Attempt {
    begun: Begun,
    most: usize,
    /// How it is drawn: for which sample, and after how many tokens of the trace.
    sampling: Sampling,
    sample: u64,
    at: usize,
    /// What is to be computed next.
    pending: Vec<u32>,
    given: Given,
    decoder: StreamDecoder,
}

impl Attempt {
    fn new(begun: Begun, trial: &Trial, request: &Request, at: usize) -> Attempt {
        Attempt {
            most: trial.tokens,
            sampling: probe::sampling(trial, request),
            sample: request.sample,
            at,
            pending: begun.ids.clone(),
            begun,
            given: Given::default(),
            decoder: StreamDecoder::new(),
        }
    }

    /// Whether it is to be gone on with.
    fn goes_on(&self, cache: &Cache) -> bool {
        !self.given.complete
            && self.given.best.len() < self.most
            && !self.pending.is_empty()
            && cache.len() + self.pending.len() <= cache.capacity()
    }

    /// Takes in the scores of its next token.
    fn take(&mut self, model: &Loaded, logits: &PositionLogits) -> Result<()> {
        let given = &mut self.given;
        let written = given.best.len();
        let vocab = model.tokenizer.vocab_size();
        let row = logits.read(vocab, 1, &[])?;
        if written == 0 {
            given.entropy = row.entropy;
        }
        let best = row.top.first().map_or(0.0, |(_, logprob)| logprob.exp());
        given.best.push(best);
        let mask = model.delimiters.closed();
        let position = (self.at + written) as u64;
        let drawing = &self.sampling;
        let id = logits.sample(vocab, mask, &[], drawing, position, self.sample)?;
        given.complete = probe::ends_with(&model.delimiters, id);
        if !given.complete {
            let text = self.decoder.push(model.tokenizer.token_bytes(id));
            given.text.push_str(&text);
            given.complete = probe::is_complete(&self.begun.text, &given.text);
            self.pending = vec![id];
        }
        Ok(())
    }

    /// What it was begun with, after how many tokens, and what came of it.
    fn end(mut self) -> (Begun, usize, Given) {
        self.given.text.push_str(&self.decoder.finish());
        (self.begun, self.at, self.given)
    }
}

/// Decodes answers side by side, each on its own cache; `false` if that was interrupted.
fn run_all(
    model: &Loaded,
    attempts: &mut [(&mut Attempt, &mut Cache)],
    interrupted: &dyn Fn() -> bool,
) -> Result<bool> {
    loop {
        let going = attempts.iter_mut().filter(|(a, cache)| a.goes_on(cache));
        let mut going: Vec<_> = going.collect();
        if going.is_empty() {
            return Ok(true);
        }
        if interrupted() {
            return Ok(false);
        }
        let lanes = going.iter_mut();
        let mut batch: Vec<_> = lanes
            .map(|(a, cache)| (&mut **cache, &a.pending[..]))
            .collect();
        let tokens: usize = batch.iter().map(|(_, pending)| pending.len()).sum();
        let started = Instant::now();
        let rows = model.decoder.next_logits(&mut batch, Logits::Last)?;
        tracing::trace!(
            attempts = batch.len(),
            tokens,
            us = started.elapsed().as_micros(),
            "trial"
        );
        for ((attempt, _), row) in going.into_iter().zip(&rows) {
            attempt.take(model, row)?;
        }
    }
}

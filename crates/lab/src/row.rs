//! One problem at all its points: what to ask, and what became of each trace.
//!
//! The points of a row are started as one ([`Command::StartRow`]), so that the engine computes every
//! prefix once.
//!
//! [`Command::StartRow`]: s1_core::protocol::Command::StartRow

use std::collections::BTreeMap;

use crate::problems::Problem;
use s1_core::protocol::{LaneId, Request};
use s1_core::trace::{
    POLICY_WAITS, Phase, Reason, StopReason, Token, phase_text, thinking_tokens, wait_positions,
};
use s1_engine::traces::Traces;
use s1_store::run::{NewRow, Sample, Settings};

/// The requests of a row, by lane from `first` on: all samples of the first point, then those of
/// the second, and so on.
pub fn requests(settings: &Settings, problem: &Problem, first: LaneId) -> Vec<(LaneId, Request)> {
    let question = question(settings, problem);
    let points = settings.points.iter();
    let members = points.flat_map(|&point| (0..settings.samples).map(move |s| (point, s)));
    members
        .enumerate()
        .map(|(i, (point, sample))| {
            let request = Request {
                question: question.clone(),
                system: settings.problems.prompt.system.clone(),
                raw: false,
                policy: settings.policy_of(point),
                sampling: settings.sampling.clone(),
                sample: sample as u64,
                reference: None,
                probe_every: None,
            };
            (first + i, request)
        })
        .collect()
}

/// The question as it is asked.
pub fn question(settings: &Settings, problem: &Problem) -> String {
    format!("{}{}", problem.question, settings.problems.prompt.suffix)
}

/// What became of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Thinking tokens.
    pub thinking: usize,
    /// Tokens of the answer, the delimiter included.
    pub answer_tokens: usize,
    /// Waits of the policy's that took effect (an empty wait text leaves no sign).
    pub waits_used: usize,
    /// Whether the thinking was cut off.
    pub forced: bool,
    /// The answer that was read out of the text.
    pub answer: Option<String>,
    /// Whether it equals the reference.
    pub correct: Option<bool>,
}

/// Counts and grades a trace.
pub fn judge(tokens: &[Token], reference: Option<&str>) -> Judged {
    let thinking = thinking_tokens(tokens);
    let waits = wait_positions(tokens, POLICY_WAITS).len();
    let cut = [
        Reason::Budget,
        Reason::Cut,
        Reason::SentenceCut,
        Reason::Loop,
    ];
    let text = phase_text(tokens, Phase::Answer);
    let (answer, correct) = match reference {
        Some(reference) => {
            let graded = s1_grading::grade(reference, &text);
            (graded.extracted, Some(graded.verdict.equal))
        }
        None => (s1_grading::extract(&text, None), None),
    };
    Judged {
        thinking,
        answer_tokens: tokens.len() - thinking,
        waits_used: waits,
        forced: tokens
            .iter()
            .any(|token| token.reason.is_some_and(|r| cut.contains(&r))),
        answer: answer.map(|found| found.text),
        correct,
    }
}

/// Puts a finished row together. `lanes` are those of [`requests`], `stops` says why each ended
/// (one that is not in it was refused and leaves no sample), `computed` is what the engine counted.
pub fn finish(
    settings: &Settings,
    (index, problem): (usize, &Problem),
    prompt: Vec<u32>,
    lanes: std::ops::Range<LaneId>,
    traces: &Traces,
    stops: &BTreeMap<LaneId, StopReason>,
    computed: usize,
) -> NewRow {
    let mut distinct: Vec<Vec<Token>> = Vec::new();
    let mut judged: Vec<Judged> = Vec::new();
    let mut samples = Vec::new();
    let mut pointwise = 0;
    for (i, lane) in lanes.enumerate() {
        let Some(&stop) = stops.get(&lane) else {
            continue;
        };
        let mut tokens = traces.get(lane).to_vec();
        for token in &mut tokens {
            // Not stored, and in the way of seeing what two traces share.
            token.top = Vec::new();
        }
        let at = distinct.iter().position(|other| *other == tokens);
        let at = at.unwrap_or_else(|| {
            judged.push(judge(&tokens, problem.reference.as_deref()));
            distinct.push(tokens);
            distinct.len() - 1
        });
        pointwise += prompt.len() + distinct[at].len();
        let found = judged[at].clone();
        samples.push(Sample {
            point: i / settings.samples.max(1),
            sample: i % settings.samples.max(1),
            trace: at as i64,
            thinking: found.thinking,
            answer_tokens: found.answer_tokens,
            waits_used: found.waits_used,
            forced: found.forced,
            answer: found.answer,
            correct: found.correct,
            stop,
        });
    }
    NewRow {
        problem: index,
        id: problem.id.clone(),
        question: question(settings, problem),
        reference: problem.reference.clone(),
        floor: if distinct.is_empty() {
            0
        } else {
            prompt.len() + different(&distinct)
        },
        prompt,
        computed,
        pointwise,
        traces: distinct,
        samples,
    }
}

/// Number of different places in a set of traces: what begins alike counts once.
fn different(traces: &[Vec<Token>]) -> usize {
    let ids = |trace: &Vec<Token>| trace.iter().map(|t| t.id).collect::<Vec<u32>>();
    let mut sorted: Vec<Vec<u32>> = traces.iter().map(ids).collect();
    sorted.sort_unstable();
    let mut sum = sorted.first().map_or(0, Vec::len);
    for pair in sorted.windows(2) {
        let same = pair[0].iter().zip(&pair[1]).take_while(|(a, b)| a == b);
        sum += pair[1].len() - same.count();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use s1_core::trace::Origin;

    fn trace(ids: &[u32]) -> Vec<Token> {
        ids.iter()
            .map(|&id| Token {
                id,
                text: format!("{id} "),
                origin: Origin::Sampled,
                phase: Phase::Thinking,
                reason: None,
                logprob: 0.0,
                entropy: 0.0,
                p_end: 0.0,
                top: vec![],
            })
            .collect()
    }

    #[test]
    fn what_traces_share_is_counted_once() {
        assert_eq!(different(&[]), 0);
        let traces = [
            trace(&[1, 2, 3, 4, 5]),
            trace(&[1, 2, 9]),
            trace(&[1, 2, 3, 8]),
            trace(&[1, 2, 9]),
        ];
        assert_eq!(different(&traces), 5 + 1 + 1);
    }

    #[test]
    fn a_trace_is_counted_and_graded() {
        let mut tokens = trace(&[1, 2, 3, 4, 5, 6]);
        for at in [1, 2, 4] {
            tokens[at].reason = Some(Reason::Wait);
        }
        tokens[5].reason = Some(Reason::EndIgnored);
        tokens.extend(trace(&[7, 42]));
        tokens[6].reason = Some(Reason::Budget);
        for token in &mut tokens[6..] {
            token.phase = Phase::Answer;
        }
        let judged = judge(&tokens, Some("42"));
        assert_eq!((judged.thinking, judged.answer_tokens), (6, 2));
        assert_eq!(judged.waits_used, 3, "two wait texts, and an end ignored");
        assert!(judged.forced);
        assert_eq!(judged.answer.as_deref(), Some("42"));
        assert_eq!(judged.correct, Some(true));
        assert_eq!(judge(&tokens, None).correct, None);
        assert_eq!(judge(&tokens, Some("41")).correct, Some(false));
    }
}

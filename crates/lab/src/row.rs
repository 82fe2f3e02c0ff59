//! One problem at all its points: what to ask, and what became of each trace.
//!
//! The points of a row are started as one ([`Command::StartRow`]), so that the engine computes every
//! prefix once.
//!
//! [`Command::StartRow`]: s1_core::protocol::Command::StartRow

use crate::answer::FinalAnswer;
use crate::outcome::Outcome;
use crate::problems::Problem;
use s1_core::protocol::{LaneId, Request};
use s1_core::trace::{Alternatives, POLICY_WAITS, Reason, Token, thinking_tokens, wait_positions};
use s1_core::view::LaneView;
use s1_store::run::{NewRow, Row, RunSettings, Sample};

/// The requests of a row, by lane from `first` on: all samples of the first point, then those of
/// the second, and so on.
pub fn requests(
    settings: &RunSettings,
    problem: &Problem,
    first: LaneId,
) -> Vec<(LaneId, Request)> {
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
                probe_text: String::new(),
                template_args: String::new(),
            };
            (first + i, request)
        })
        .collect()
}

/// The question as it is asked.
pub fn question(settings: &RunSettings, problem: &Problem) -> String {
    format!("{}{}", problem.question, settings.problems.prompt.suffix)
}

/// What became of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceResult {
    pub thinking: usize,
    /// Tokens of the answer, the delimiter included.
    pub answer_tokens: usize,
    /// Waits of the policy's that took effect.
    pub waits_used: usize,
    /// Whether the thinking was cut off.
    pub forced: bool,
    pub outcome: Outcome,
    pub answer: FinalAnswer,
}

impl TraceResult {
    /// Counts and grades a trace.
    pub fn of(tokens: &[Token], reference: Option<&str>) -> TraceResult {
        let thinking = thinking_tokens(tokens);
        let cut = [
            Reason::Budget,
            Reason::Cut,
            Reason::SentenceCut,
            Reason::Loop,
            Reason::Exit,
        ];
        let is_cut = |token: &Token| token.reason.is_some_and(|r| cut.contains(&r));
        let forced = tokens.iter().any(is_cut);
        TraceResult {
            thinking,
            answer_tokens: tokens.len() - thinking,
            waits_used: wait_positions(tokens, POLICY_WAITS).len(),
            forced,
            outcome: Outcome::of(tokens, forced),
            answer: FinalAnswer::of(tokens, reference),
        }
    }
}

/// Puts a finished row together. `lanes` are those of [`requests`], in their order (one that was
/// refused leaves no sample), `computed` is what the engine counted.
pub fn finish(
    settings: &RunSettings,
    (index, problem): (usize, &Problem),
    lanes: &[LaneView],
    computed: usize,
) -> NewRow {
    // One that had ended in an earlier sitting was not told of its prompt again.
    let mut prompts = lanes.iter().map(|lane| &lane.prompt[..]);
    let prompt = prompts.find(|prompt| !prompt.is_empty());
    let prompt = prompt.unwrap_or_default();
    let mut distinct: Vec<Vec<Token>> = Vec::new();
    let mut results: Vec<TraceResult> = Vec::new();
    let mut samples = Vec::new();
    let mut pointwise = 0;
    for (i, lane) in lanes.iter().enumerate() {
        let Some(stop) = lane.stop else {
            continue;
        };
        let mut tokens = lane.tokens.to_vec();
        for token in &mut tokens {
            // Not stored, and in the way of seeing what two traces share.
            token.top = Alternatives::default();
        }
        let at = distinct.iter().position(|other| *other == tokens);
        let at = at.unwrap_or_else(|| {
            results.push(TraceResult::of(&tokens, problem.reference.as_deref()));
            distinct.push(tokens);
            distinct.len() - 1
        });
        pointwise += prompt.len() + distinct[at].len();
        let found = results[at].clone();
        samples.push(Sample {
            point: i / settings.samples.max(1),
            sample: i % settings.samples.max(1),
            trace: at as i64,
            thinking: found.thinking,
            answer_tokens: found.answer_tokens,
            waits_used: found.waits_used,
            forced: found.forced,
            answer: found.answer.text,
            correct: found.answer.correct,
            stop,
            leaked: Some(found.outcome.leaked),
            second_end: Some(found.outcome.second_end),
            looking: lane.looking,
        });
    }
    let floor = match distinct.is_empty() {
        true => 0,
        false => prompt.len() + different(&distinct),
    };
    NewRow {
        row: Row {
            problem: index,
            id: problem.id.clone(),
            question: question(settings, problem),
            reference: problem.reference.clone(),
            computed,
            pointwise,
            floor,
            prompt_tokens: prompt.len(),
            samples,
        },
        prompt: prompt.to_vec(),
        traces: distinct,
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
    use s1_core::trace::Phase;

    fn trace(ids: &[u32]) -> Vec<Token> {
        ids.iter()
            .map(|&id| Token::new(id, format!("{id} "), Phase::Thinking))
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
        let found = TraceResult::of(&tokens, Some("42"));
        assert_eq!((found.thinking, found.answer_tokens), (6, 2));
        assert_eq!(found.waits_used, 3, "two wait texts, and an end ignored");
        assert!(found.forced);
        assert_eq!(found.answer.text.as_deref(), Some("42"));
        assert_eq!(found.answer.correct, Some(true));
        assert_eq!(TraceResult::of(&tokens, None).answer.correct, None);
        assert_eq!(
            TraceResult::of(&tokens, Some("41")).answer.correct,
            Some(false)
        );
    }
}

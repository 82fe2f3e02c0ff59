//! Early exits: rules that end a thought by themselves.
//!
//! A rule says where a thought is looked at ([`Exit::looks`]), what is measured there
//! ([`Exit::measure`]), and, from all that was seen so far, whether the thought is over
//! ([`Exit::says`]). It is pure: the same sights give the same verdict, whether they are made while
//! the thought is written or years later on a stored trace. The texts and words are data
//! (`assets/exits.toml`); where each rule comes from is said there.
//!
//! Not here: how something is measured (the engine), and what an exit writes ([`crate::forcing`]).

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::sentence::ends_sentence;
use crate::trace::{Origin, Token};

/// Numbers of the papers, for a rule that is named alone.
const EQUAL: usize = 10;
const DEER: f32 = 0.95;
const DYNASOR: (usize, usize) = (64, 3);
const EAT: (f32, f32) = (0.2, 0.01);
const THINKBRAKE: f32 = 0.25;
const RANK: usize = 5;
const DEEPCONF: (usize, f32) = (2048, 2.0);
/// More tokens than any context has.
const MOST: usize = 10_000_000;
/// DEER tries at most so often.
const DEER_LOOKS: usize = 10;

/// A rule that ends a thought early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// None.
    #[default]
    Off,
    /// So many trial answers in a row are equal, one at each sentence end.
    Consistency { equal: usize },
    /// A trial answer, before the model takes up another thread, is surer than this (the mean
    /// probability of its tokens without the first, 0 to 1).
    Deer { above: f32 },
    /// So many trial answers in a row are equal and do not hesitate, one every so many tokens.
    Dynasor { every: usize, equal: usize },
    /// At paragraph ends: the moving variance (with this share of the newest) of the entropy of an
    /// answer's first token, in nats², has settled below this.
    Eat { alpha: f32, below: f32 },
    /// At sentence ends: the end of thinking lacks at most this much log-probability to the best
    /// other token.
    Thinkbrake { margin: f32 },
    /// At sentence ends: the end of thinking is among so many most probable tokens.
    Rank { best: usize },
    /// The mean confidence of the last tokens (each minus the mean log-probability of its 20 most
    /// probable tokens, in nats) is below this: the model has lost its way.
    Deepconf { window: usize, below: f32 },
}

/// Where a rule looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    Nowhere,
    /// After every token.
    Tokens,
    SentenceEnds,
    /// After an empty line.
    ParagraphEnds,
    /// After every so many thinking tokens.
    Every(usize),
    /// Before a token of the model's that is one of DEER's words, so often at most.
    Words(usize),
}

/// What is measured where a rule looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// An answer is tried.
    Trial(Trial),
    /// The distribution of the next token.
    Scores,
}

/// What is measured, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// After so many tokens of the trace.
    pub at: usize,
    pub measure: Measure,
}

/// How an answer is tried. What each field means is said in `assets/exits.toml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    #[serde(default)]
    pub after_end: bool,
    #[serde(default)]
    pub text: String,
    pub tokens: usize,
    #[serde(default)]
    pub temperature: f32,
    #[serde(default = "whole")]
    pub top_p: f32,
}

fn whole() -> f32 {
    1.0
}

/// What was seen at one place of a thought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sight {
    /// After so many tokens of the trace.
    pub at: usize,
    pub seen: Seen,
    /// Tokens that went through the model for it.
    pub tokens: usize,
}

/// What a measurement gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    Trial(Tried),
    Scores(Scores),
}

/// A trial answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// What was read out of it; `None` where nothing could be.
    pub answer: Option<String>,
    /// Its words.
    pub text: String,
    /// Mean probability of its tokens, the first left out unless it is the only one: 0 to 1.
    pub confidence: f32,
    /// Entropy of its first token, in nats.
    pub entropy: f32,
}

/// What the distribution of a next token says about the end of thinking.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Log-probability of the best token that does not end the thinking, minus that of the best that
    /// does. Over a server that tells only some tokens, at least this much.
    pub margin: f32,
    /// Rank of the best token that ends the thinking, from 1; `None` where it is not told.
    pub rank: Option<usize>,
    /// Minus the mean log-probability of the 20 most probable tokens.
    pub confidence: f32,
}

impl Exit {
    /// What [`Exit`] reads.
    pub const NOTATION: &str = "\"off\", \"consistency:K\", \"deer:C\", \"dynasor:N:K\", \"eat:ALPHA:V\", \"thinkbrake:M\", \"close-rank:K\" or \"deepconf:N:C\" (numbers may be left out)";

    /// Its name alone.
    pub fn name(self) -> &'static str {
        match self {
            Exit::Off => "off",
            Exit::Consistency { .. } => "consistency",
            Exit::Deer { .. } => "deer",
            Exit::Dynasor { .. } => "dynasor",
            Exit::Eat { .. } => "eat",
            Exit::Thinkbrake { .. } => "thinkbrake",
            Exit::Rank { .. } => "close-rank",
            Exit::Deepconf { .. } => "deepconf",
        }
    }

    /// Where it looks.
    pub fn looks(self) -> Looks {
        match self {
            Exit::Off => Looks::Nowhere,
            Exit::Consistency { .. } | Exit::Thinkbrake { .. } | Exit::Rank { .. } => {
                Looks::SentenceEnds
            }
            Exit::Deer { .. } => Looks::Words(DEER_LOOKS),
            Exit::Dynasor { every, .. } => Looks::Every(every.max(1)),
            Exit::Eat { .. } => Looks::ParagraphEnds,
            Exit::Deepconf { .. } => Looks::Tokens,
        }
    }

    /// What it measures there.
    pub fn measure(self) -> Measure {
        let trials = &DATA.trial;
        match self {
            Exit::Consistency { .. } => Measure::Trial(trials.consistency.clone()),
            Exit::Deer { .. } => Measure::Trial(trials.deer.clone()),
            Exit::Dynasor { .. } => Measure::Trial(trials.dynasor.clone()),
            Exit::Eat { .. } => Measure::Trial(trials.eat.clone()),
            Exit::Off | Exit::Thinkbrake { .. } | Exit::Rank { .. } | Exit::Deepconf { .. } => {
                Measure::Scores
            }
        }
    }

    /// Whether the thought is over, after the last of what it saw, in the order of the text.
    pub fn says(self, sights: &[Sight]) -> bool {
        let tried = || sights.iter().rev().map(tried);
        let scored = || sights.iter().rev().map(scored);
        match self {
            Exit::Off => false,
            Exit::Consistency { equal } => are_equal(tried().take(equal), equal),
            Exit::Deer { above } => tried()
                .next()
                .flatten()
                .is_some_and(|t| t.answer.is_some() && t.confidence > above),
            Exit::Dynasor { equal, .. } => {
                let sure = tried().take(equal);
                let sure = sure.map(|t| t.filter(|t| !hesitates(&t.text)));
                are_equal(sure, equal)
            }
            Exit::Eat { alpha, below } => settled(sights, alpha, below),
            Exit::Thinkbrake { margin } => scored()
                .next()
                .flatten()
                .is_some_and(|s| s.margin <= margin),
            Exit::Rank { best } => {
                let rank = scored().next().flatten().and_then(|s| s.rank);
                rank.is_some_and(|rank| rank <= best)
            }
            Exit::Deepconf { window, below } => {
                let last = scored().take(window).flatten();
                let (n, sum) = last.fold((0, 0.0), |(n, sum), s| {
                    (n + 1, sum + f64::from(s.confidence))
                });
                n == window && sum / (n as f64) < f64::from(below)
            }
        }
    }

    /// Why it says what it says, in a few words: what it saw last beside what it asks for.
    pub fn why(self, sights: &[Sight]) -> String {
        let last = sights.last();
        let answer = last.and_then(tried).and_then(|t| t.answer.clone());
        let answer = answer.unwrap_or_else(|| "–".into());
        match self {
            Exit::Off => String::new(),
            Exit::Consistency { equal } => {
                format!("the answer was {answer} {equal} times in a row")
            }
            Exit::Dynasor { equal, .. } => {
                format!("the answer was {answer} {equal} times in a row, without hesitation")
            }
            Exit::Deer { above } => {
                let sure = last.and_then(tried).map_or(0.0, |t| t.confidence);
                format!("the answer {answer} has confidence {sure:.2}, above {above}")
            }
            Exit::Eat { below, .. } => {
                format!("the entropy of the answer has settled: its variance is below {below}")
            }
            Exit::Thinkbrake { margin } => {
                let lacks = last.and_then(scored).map_or(0.0, |s| s.margin);
                format!("the end of thinking lacks {lacks:.2} to the best token, at most {margin}")
            }
            Exit::Rank { best } => {
                let rank = last.and_then(scored).and_then(|s| s.rank).unwrap_or(0);
                format!("the end of thinking has rank {rank}, among the best {best}")
            }
            Exit::Deepconf { window, below } => {
                format!("the mean confidence of the last {window} tokens is below {below}")
            }
        }
    }
}

/// Finds the places where a rule looks, token by token.
#[derive(Clone, Debug, Default)]
pub struct LookPlaces {
    /// The end of the text so far.
    tail: String,
    /// Thinking tokens so far.
    thinking: usize,
    /// Places found by words.
    found: usize,
    /// The last place.
    last: usize,
}

/// Characters that may stand behind the end of a sentence and matter.
const TAIL: usize = 64;

impl LookPlaces {
    /// Takes in the next thinking token; returns the place to look at, if the rule looks now: after
    /// so many thinking tokens.
    pub fn push(&mut self, looks: Looks, token: &Token) -> Option<usize> {
        self.thinking += 1;
        self.tail.push_str(&token.text);
        let over = self.tail.chars().count().saturating_sub(TAIL);
        if let Some((at, _)) = self.tail.char_indices().nth(over).filter(|_| over > 0) {
            self.tail.drain(..at);
        }
        let here = match looks {
            Looks::Nowhere => false,
            Looks::Tokens => true,
            Looks::Every(n) => self.thinking.is_multiple_of(n.max(1)),
            Looks::SentenceEnds => {
                // White space behind an end is no other one.
                let behind = self.last + 1 == self.thinking && self.last > 0;
                let blank = token.text.trim().is_empty();
                !(token.text.is_empty() || behind && blank) && ends_sentence(&self.tail)
            }
            Looks::ParagraphEnds => {
                token.text.contains('\n') && self.tail.trim_end_matches(' ').ends_with("\n\n")
            }
            Looks::Words(most) => {
                let own = token.origin == Origin::Sampled && self.thinking > 1;
                if own && self.found < most && is_one_of(&token.text, &words().deer) {
                    self.found += 1;
                    // Another thread is left out, if it comes to that.
                    return Some(self.thinking - 1);
                }
                false
            }
        };
        if here {
            self.last = self.thinking;
        }
        here.then_some(self.thinking)
    }

    /// All places of a thought.
    pub fn of(looks: Looks, thought: &[Token]) -> Vec<usize> {
        let mut places = LookPlaces::default();
        let found = thought.iter().filter_map(|t| places.push(looks, t));
        found.collect()
    }
}

fn tried(sight: &Sight) -> Option<&Tried> {
    match &sight.seen {
        Seen::Trial(tried) => Some(tried),
        Seen::Scores(_) => None,
    }
}

fn scored(sight: &Sight) -> Option<&Scores> {
    match &sight.seen {
        Seen::Trial(_) => None,
        Seen::Scores(scores) => Some(scores),
    }
}

/// Whether there are so many answers, and all are the same.
fn are_equal<'a>(tried: impl Iterator<Item = Option<&'a Tried>>, equal: usize) -> bool {
    let answers: Vec<Option<&str>> = tried.map(|t| t?.answer.as_deref()).collect();
    let first = answers.first().copied().flatten();
    first.is_some() && answers.len() == equal && answers.iter().all(|answer| *answer == first)
}

fn hesitates(text: &str) -> bool {
    let words = text.split(|c: char| !c.is_alphabetic());
    let mut words = words.map(str::to_lowercase);
    words.any(|word| DATA.words.dynasor.contains(&word))
}

/// m ← αH + (1 − α)m, v ← α(H − m)² + (1 − α)v: whether v is below a bound, once it has seen enough
/// to forget where it began.
fn settled(sights: &[Sight], alpha: f32, below: f32) -> bool {
    let alpha = f64::from(alpha);
    let (mut mean, mut variance, mut seen) = (0.0, 0.0, 0usize);
    for tried in sights.iter().filter_map(tried) {
        let entropy = f64::from(tried.entropy);
        mean = alpha * entropy + (1.0 - alpha) * mean;
        variance = alpha * (entropy - mean).powi(2) + (1.0 - alpha) * variance;
        seen += 1;
    }
    seen as f64 >= 4.0 / alpha && variance < f64::from(below)
}

/// The rule with the numbers that its notation has.
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = self.name();
        match *self {
            Exit::Off => f.write_str(name),
            Exit::Consistency { equal: n } | Exit::Rank { best: n } => write!(f, "{name}:{n}"),
            Exit::Deer { above: x } | Exit::Thinkbrake { margin: x } => write!(f, "{name}:{x}"),
            Exit::Dynasor { every, equal } => write!(f, "{name}:{every}:{equal}"),
            Exit::Eat { alpha, below } => write!(f, "{name}:{alpha}:{below}"),
            Exit::Deepconf { window, below } => write!(f, "{name}:{window}:{below}"),
        }
    }
}

impl FromStr for Exit {
    type Err = ();

    fn from_str(text: &str) -> Result<Exit, ()> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let parts = std::cell::RefCell::new(parts);
        let whole = |usual: usize, most: usize| match parts.borrow_mut().next().map(str::parse) {
            None => Ok(usual),
            Some(Ok(n)) if (1..=most).contains(&n) => Ok(n),
            Some(_) => Err(()),
        };
        let real = |usual: f32, range: std::ops::RangeInclusive<f32>| match parts
            .borrow_mut()
            .next()
            .map(str::parse)
        {
            None => Ok(usual),
            Some(Ok(x)) if range.contains(&x) => Ok(x),
            Some(_) => Err(()),
        };
        let exit = match name {
            "off" => Exit::Off,
            "consistency" => Exit::Consistency {
                equal: whole(EQUAL, 1000)?,
            },
            "deer" => Exit::Deer {
                above: real(DEER, 0.0..=1.0)?,
            },
            "dynasor" => Exit::Dynasor {
                every: whole(DYNASOR.0, MOST)?,
                equal: whole(DYNASOR.1, 1000)?,
            },
            "eat" => Exit::Eat {
                alpha: real(EAT.0, 0.001..=1.0)?,
                below: real(EAT.1, 0.0..=1000.0)?,
            },
            "thinkbrake" => Exit::Thinkbrake {
                margin: real(THINKBRAKE, -1000.0..=1000.0)?,
            },
            "close-rank" => Exit::Rank {
                best: whole(RANK, 1_000_000)?,
            },
            "deepconf" => Exit::Deepconf {
                window: whole(DEEPCONF.0, MOST)?,
                below: real(DEEPCONF.1, 0.0..=1000.0)?,
            },
            _ => return Err(()),
        };
        match parts.into_inner().next() {
            None => Ok(exit),
            Some(_) => Err(()),
        }
    }
}

/// Whether a token's text is one of some words: what surrounds its letters does not count.
pub fn is_one_of(text: &str, words: &[String]) -> bool {
    let word = text.trim_matches(|c: char| !c.is_alphabetic());
    !word.is_empty() && words.contains(&word.to_lowercase())
}

/// The words of `assets/exits.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    pub deer: Vec<String>,
    pub dynasor: Vec<String>,
    pub nowait: Vec<String>,
    pub reasoning: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    trial: Trials,
    words: Words,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trials {
    consistency: Trial,
    deer: Trial,
    dynasor: Trial,
    eat: Trial,
}

const BUNDLED: &str = include_str!("../../../assets/exits.toml");

static DATA: LazyLock<Data> = LazyLock::new(|| toml::from_str(BUNDLED).unwrap_or_default());

/// The words that rules go by.
pub fn words() -> &'static Words {
    &DATA.words
}

/// What a probe writes: the end of thinking and the beginning of an answer, or a text of the user's.
pub fn trial_of(text: &str) -> Trial {
    let usual = DATA.trial.consistency.clone();
    match text {
        "" => usual,
        text => Trial {
            after_end: false,
            text: text.into(),
            ..usual
        },
    }
}

#[cfg(test)]
mod tests;

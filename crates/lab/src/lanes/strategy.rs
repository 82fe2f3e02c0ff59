//! What a lane does with the question.

use std::path::PathBuf;

use s1_core::exit::Exit;
use s1_core::forcing::{CutAt, Ending, Policy};

/// Waits that no thought uses up: a lane that must think longer than it would.
const ENDLESS: usize = 1 << 16;
/// Temperature of votes where nothing else is said.
const VOTE_TEMPERATURE: f32 = 0.8;

/// Which model computes a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The model in use.
    #[default]
    Own,
    /// Another model's file, in an engine of its own.
    Model(PathBuf),
}

/// How long a lane may think.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limit {
    /// As long as the request lets it.
    #[default]
    Free,
    Tokens(usize),
    /// `.0 / .1` of the natural length.
    Natural(usize, usize),
}

impl Limit {
    /// The limit in tokens (`Some(None)` means no limit), given the natural length; `None` if that has to
    /// be known first.
    pub fn tokens(self, natural: Option<usize>, policy: &Policy) -> Option<Option<usize>> {
        match self {
            Limit::Free => Some(policy.max_thinking),
            Limit::Tokens(n) => Some(Some(n)),
            Limit::Natural(n, d) => {
                let share = natural?.saturating_mul(n) / d.max(1);
                Some(Some(share.max(1)))
            }
        }
    }
}

/// What a lane does with the question.
#[derive(Clone, Debug, PartialEq)]
pub struct Strategy {
    pub source: Source,
    pub think: bool,
    /// How long it may think.
    pub limit: Limit,
    /// How many attempts to end are replaced by the wait text.
    pub waits: usize,
    /// The wait text; `None` is the request's.
    pub wait_text: Option<String>,
    /// Independent samples; more than one are a vote.
    pub samples: usize,
    /// Temperature; `None` is the request's.
    pub temperature: Option<f32>,
    /// What ends its thinking where it is cut; `None` is the request's.
    pub ending: Option<Ending>,
    /// Where it is cut; `None` is the request's.
    pub cut_at: Option<CutAt>,
    /// The rule that ends it early; `None` is the request's.
    pub exit: Option<Exit>,
}

impl Strategy {
    /// Thinks as long as it wants.
    pub fn natural() -> Strategy {
        Strategy {
            source: Source::Own,
            think: true,
            limit: Limit::Free,
            waits: 0,
            wait_text: None,
            samples: 1,
            temperature: None,
            ending: None,
            cut_at: None,
            exit: None,
        }
    }

    /// Answers at once.
    pub fn no_thinking() -> Strategy {
        Strategy {
            think: false,
            ..Strategy::natural()
        }
    }

    /// Thinks at most this long.
    pub fn limited(limit: Limit) -> Strategy {
        Strategy {
            limit,
            ..Strategy::natural()
        }
    }

    /// Its first `waits` attempts to end are replaced.
    pub fn waiting(waits: usize, text: Option<&str>) -> Strategy {
        Strategy {
            waits,
            wait_text: text.map(String::from),
            ..Strategy::natural()
        }
    }

    /// Half of the natural length, ended so.
    pub fn ended(ending: Ending, cut_at: CutAt) -> Strategy {
        Strategy {
            ending: Some(ending),
            cut_at: Some(cut_at),
            ..Strategy::limited(Limit::Natural(1, 2))
        }
    }

    /// Ended early by a rule.
    pub fn leaving(exit: Exit) -> Strategy {
        Strategy {
            exit: Some(exit),
            ..Strategy::natural()
        }
    }

    /// The majority of several samples.
    pub fn vote(samples: usize, temperature: Option<f32>, limit: Limit) -> Strategy {
        Strategy {
            limit,
            samples: samples.clamp(1, super::MAX_SAMPLES),
            temperature: temperature.or(Some(VOTE_TEMPERATURE)),
            ..Strategy::natural()
        }
    }

    /// The same by another model.
    pub fn by(self, source: Source) -> Strategy {
        Strategy { source, ..self }
    }

    /// Whether it shows the natural length.
    pub fn is_natural(&self) -> bool {
        let plain = Strategy::natural().by(self.source.clone());
        *self == plain
    }

    /// Whether it cannot start before the natural length is known.
    pub fn needs_natural(&self) -> bool {
        matches!(self.limit, Limit::Natural(..))
    }

    /// Whether its tokens are not those of the natural lane, even under the same rules.
    pub fn draws_anew(&self) -> bool {
        self.samples > 1 || self.temperature.is_some() || !self.think
    }

    /// Attempts to end that are replaced: all of them where it must think beyond its natural end.
    pub fn waits(&self) -> usize {
        match self.limit {
            Limit::Natural(n, d) if n > d && self.waits == 0 => ENDLESS,
            _ => self.waits,
        }
    }

    /// What it is called, in a few words; with the natural length, once that is known.
    pub fn label(&self, natural: Option<usize>) -> String {
        if !self.think {
            return "no thinking".into();
        }
        let tokens = self.limit.tokens(natural, &Policy::default());
        if self.samples > 1 {
            let each = match (self.limit, tokens) {
                (Limit::Natural(n, d), None) => format!(" × {}", share(n, d)),
                (_, Some(Some(n))) => format!(" × {n}"),
                _ => String::new(),
            };
            let hot = self.temperature.unwrap_or_default();
            return format!("vote of {}{each} · T {hot}", self.samples);
        }
        let limit = match (self.limit, tokens) {
            (Limit::Free, _) => String::new(),
            (Limit::Tokens(n), _) => format!("budget {n}"),
            (Limit::Natural(n, d), Some(Some(known))) => {
                format!("{} natural · {known}", share(n, d))
            }
            (Limit::Natural(n, d), _) => format!("{} natural", share(n, d)),
        };
        if self.waits > 0 {
            let text = self.wait_text.as_deref().unwrap_or("Wait");
            let wait = format!("{text} × {}", self.waits);
            return if limit.is_empty() {
                wait
            } else {
                format!("{wait} · {limit}")
            };
        }
        if let Some(exit) = self.exit {
            return format!("exit {exit}");
        }
        if let (Some(ending), Some(cut_at)) = (self.ending, self.cut_at) {
            // What is usual is not said.
            let how = match (ending, cut_at) {
                (ending, CutAt::Token) => ending.to_string(),
                (_, cut_at) => cut_at.to_string(),
            };
            return format!("{how} · {limit}");
        }
        match (limit.is_empty(), natural) {
            (false, _) => limit,
            (true, Some(len)) => format!("natural · {len}"),
            (true, None) => "natural".into(),
        }
    }
}

fn share(n: usize, d: usize) -> String {
    match (n, d) {
        (1, 2) => "½".into(),
        (1, 3) => "⅓".into(),
        (1, 4) => "¼".into(),
        (1, 5) => "⅕".into(),
        (n, 1) => format!("{n} ×"),
        (n, d) => format!("{n}/{d}"),
    }
}

/// Strategies worth putting side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// ¼, ½, 1 and 2 times the natural length.
    #[default]
    Budgets,
    /// 64, 128, 256 and 512 tokens.
    Tokens,
    /// No wait, one, two, four.
    Waits,
    /// Different wait texts.
    Words,
    /// One long thought against several short ones of the same length together.
    EqualTokens,
    /// Half the natural length, ended in different ways.
    Endings,
    /// Rules that end a thought early.
    Exits,
}

impl Preset {
    pub const ALL: [Preset; 7] = [
        Preset::Budgets,
        Preset::Tokens,
        Preset::Waits,
        Preset::Words,
        Preset::EqualTokens,
        Preset::Endings,
        Preset::Exits,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Preset::Budgets => "budgets",
            Preset::Tokens => "tokens",
            Preset::Waits => "waits",
            Preset::Words => "words",
            Preset::EqualTokens => "equal tokens",
            Preset::Endings => "endings",
            Preset::Exits => "early exits",
        }
    }

    /// What it asks, in one sentence.
    pub fn about(self) -> &'static str {
        match self {
            Preset::Budgets => "¼, ½, 1 and 2 × the natural length",
            Preset::Tokens => "64, 128, 256 and 512 tokens of thinking",
            Preset::Waits => "no Wait, 1, 2 and 4",
            Preset::Words => "Wait, Hmm, Alternatively, none",
            Preset::EqualTokens => "one long thought, or 3 or 5 short ones by vote",
            Preset::Endings => "½ natural, ended bare, by a message, at a sentence, by rank",
            Preset::Exits => "natural, DEER, ThinkBrake, 3 equal answers",
        }
    }

    pub fn strategies(self) -> Vec<Strategy> {
        let share = |n, d| Strategy::limited(Limit::Natural(n, d));
        let short = |n| Strategy::vote(n, None, Limit::Natural(1, n));
        let word = |text| Strategy::waiting(2, Some(text));
        match self {
            Preset::Budgets => vec![share(1, 4), share(1, 2), Strategy::natural(), share(2, 1)],
            Preset::Tokens => [64, 128, 256, 512]
                .map(|n| Strategy::limited(Limit::Tokens(n)))
                .to_vec(),
            Preset::Waits => [0, 1, 2, 4].map(|n| Strategy::waiting(n, None)).to_vec(),
            Preset::Words => vec![
                Strategy::natural(),
                word("Wait"),
                word("Hmm"),
                word("Alternatively"),
            ],
            Preset::EqualTokens => vec![Strategy::natural(), short(3), short(5)],
            Preset::Endings => vec![
                Strategy::ended(Ending::Bare, CutAt::Token),
                Strategy::ended(Ending::Message, CutAt::Token),
                Strategy::ended(Ending::Auto, CutAt::NextSentence { within: 64 }),
                Strategy::ended(
                    Ending::Auto,
                    CutAt::Rank {
                        best: 3,
                        within: 64,
                    },
                ),
            ],
            Preset::Exits => vec![
                Strategy::natural(),
                Strategy::leaving(Exit::Deer { above: 0.95 }),
                Strategy::leaving(Exit::Thinkbrake { margin: 0.25 }),
                Strategy::leaving(Exit::Consistency { equal: 3 }),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_says_what_it_does_and_more_once_the_natural_length_is_known() {
        let label = |s: &Strategy| (s.label(None), s.label(Some(58)));
        let of = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let share = |n, d| Strategy::limited(Limit::Natural(n, d));
        assert_eq!(label(&Strategy::natural()), of("natural", "natural · 58"));
        assert_eq!(label(&share(1, 4)), of("¼ natural", "¼ natural · 14"));
        assert_eq!(label(&share(2, 1)), of("2 × natural", "2 × natural · 116"));
        assert_eq!(
            label(&Strategy::limited(Limit::Tokens(32))),
            of("budget 32", "budget 32")
        );
        assert_eq!(
            label(&Strategy::waiting(2, Some("Hmm"))),
            of("Hmm × 2", "Hmm × 2")
        );
        assert_eq!(
            label(&Strategy::vote(5, None, Limit::Natural(1, 5))),
            of("vote of 5 × ⅕ · T 0.8", "vote of 5 × 11 · T 0.8")
        );
        assert_eq!(label(&Strategy::no_thinking()).0, "no thinking");
        let bare = Strategy::ended(Ending::Bare, CutAt::Token);
        assert_eq!(
            label(&bare),
            of("bare · ½ natural", "bare · ½ natural · 29")
        );
        let rank = Strategy::ended(
            Ending::Auto,
            CutAt::Rank {
                best: 3,
                within: 64,
            },
        );
        assert_eq!(label(&rank).0, "rank:3:64 · ½ natural");
        let deer = Strategy::leaving(Exit::Deer { above: 0.95 });
        assert_eq!(label(&deer).0, "exit deer:0.95");
    }

    #[test]
    fn a_share_of_almost_nothing_is_one_token_and_of_everything_no_overflow() {
        let policy = Policy::default();
        assert_eq!(Limit::Natural(1, 4).tokens(Some(2), &policy), Some(Some(1)));
        assert_eq!(
            Limit::Natural(2, 1).tokens(Some(usize::MAX), &policy),
            Some(Some(usize::MAX))
        );
        assert_eq!(Limit::Natural(1, 2).tokens(None, &policy), None);
    }

    #[test]
    fn thinking_beyond_the_natural_end_needs_waits_without_end() {
        assert!(Strategy::limited(Limit::Natural(2, 1)).waits() > 1000);
        assert_eq!(Strategy::limited(Limit::Natural(1, 2)).waits(), 0);
    }
}

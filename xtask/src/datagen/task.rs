//! The four families behind one face, and the split into training and held-out problems.

use super::injected_error::{InjectedError, off_by_a_digit};
use super::letters::Letters;
use super::product::Multiplication;
use super::search::Search;
use super::sum::Sum;
use super::worked_path::WorkedPath;
use super::{letters, product, sum, words};
use s1_core::rng::Rng;

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// Three digits times two.
    Product,
    /// Three or four three-digit numbers.
    Sum,
    /// A letter in a word.
    Letters,
    /// A target from three numbers.
    Search,
}

impl ProblemKind {
    pub const ALL: [ProblemKind; 4] = [
        ProblemKind::Product,
        ProblemKind::Sum,
        ProblemKind::Letters,
        ProblemKind::Search,
    ];

    /// Name in the data.
    pub fn name(self) -> &'static str {
        match self {
            ProblemKind::Product => "product",
            ProblemKind::Sum => "sum",
            ProblemKind::Letters => "letters",
            ProblemKind::Search => "search",
        }
    }
}

/// The side of the split a problem is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitSide {
    /// May be in any training data.
    Train,
    /// Never in training data.
    HeldOut,
}

/// One problem in this many is held out.
const HELD_OUT: u64 = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// See [`Multiplication`].
    Product(Multiplication),
    /// See [`Sum`].
    Sum(Sum),
    /// See [`Letters`].
    Letters(Letters),
    /// See [`Search`].
    Search(Search),
}

impl Task {
    /// A random problem of a family, on one side of the split.
    pub fn draw(family: ProblemKind, side: SplitSide, rng: &mut Rng) -> Task {
        loop {
            let task = match family {
                ProblemKind::Product => Task::Product(Multiplication::draw(rng)),
                ProblemKind::Sum => Task::Sum(Sum::draw(rng)),
                ProblemKind::Letters => {
                    let mut drawn = Letters::draw(rng);
                    if side == SplitSide::Train {
                        drawn = drawn.harder(rng);
                    }
                    // People ask about words they know: half of the held-out words are such.
                    if side == SplitSide::HeldOut && rng.chance(50) {
                        drawn.word = words::known(rng);
                        let letters: Vec<char> = drawn.word.chars().collect();
                        drawn.letter = letters[rng.range(0, letters.len() as i64 - 1) as usize];
                    }
                    Task::Letters(drawn)
                }
                ProblemKind::Search => Task::Search(Search::draw(rng)),
            };
            if task.side() == side {
                return task;
            }
        }
    }

    pub fn family(&self) -> ProblemKind {
        match self {
            Task::Product(_) => ProblemKind::Product,
            Task::Sum(_) => ProblemKind::Sum,
            Task::Letters(_) => ProblemKind::Letters,
            Task::Search(_) => ProblemKind::Search,
        }
    }

    /// The name of the problem, whatever its wording: two questions are the same problem when
    /// their keys are equal.
    pub fn key(&self) -> String {
        match self {
            Task::Product(p) => p.key(),
            Task::Sum(s) => s.key(),
            Task::Letters(l) => l.key(),
            Task::Search(s) => s.key(),
        }
    }

    /// The side of the split, told by a hash of the key (FNV-1a, 64 bits): no list of held-out
    /// problems is needed to keep them out of training.
    pub fn side(&self) -> SplitSide {
        let shown = |l: &Letters| words::SHOWN.contains(&l.word.as_str());
        if matches!(self, Task::Letters(l) if shown(l)) {
            return SplitSide::HeldOut;
        }
        let hash = self
            .key()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        if (hash >> 32) % HELD_OUT == 0 {
            SplitSide::HeldOut
        } else {
            SplitSide::Train
        }
    }

    /// The question in one of its wordings.
    pub fn question(&self, rng: &mut Rng) -> String {
        match self {
            Task::Product(p) => p.question(rng),
            Task::Sum(s) => s.question(rng),
            Task::Letters(l) => l.question(rng),
            Task::Search(s) => s.question(rng),
        }
    }

    /// The right answer; for a search, the first that the search in order finds.
    pub fn answer(&self) -> String {
        match self {
            Task::Product(p) => (p.a * p.b).to_string(),
            Task::Sum(s) => s.numbers.iter().sum::<i64>().to_string(),
            Task::Letters(l) => l.count().to_string(),
            Task::Search(s) => s.first(&mut InjectedError::none()).result,
        }
    }

    /// The number that a check compares with: the answer, or the target of a search.
    pub fn result(&self) -> String {
        match self {
            Task::Search(s) => s.target.to_string(),
            _ => self.answer(),
        }
    }

    /// Whether an answer is right, recomputed from the problem. A search has many right answers:
    /// each expression that uses every number once and gives the target.
    pub fn accepts(&self, answer: &str) -> bool {
        match self {
            Task::Search(s) => s.solved_by(answer),
            _ => answer == self.answer(),
        }
    }

    /// The problem in one line, for lines of the base that begin in the middle of a thought.
    pub fn given(&self) -> String {
        match self {
            Task::Product(p) => p.statement(),
            Task::Sum(s) => s.statement(),
            Task::Letters(l) => format!("{}\n", l.word),
            Task::Search(s) => s.statement(),
        }
    }

    pub fn first(&self, error: &mut InjectedError) -> WorkedPath {
        match self {
            Task::Product(p) => p.first(error),
            Task::Sum(s) => s.first(error),
            Task::Letters(l) => l.first(error),
            Task::Search(s) => s.first(error),
        }
    }

    /// A second path, to check a claimed result: ends with the comparison of both and, where they
    /// agree, with the claim once more, so that what comes next need not look far for it. Returns
    /// the text, the path's own result, and whether they agree.
    pub fn check(&self, claim: &str, error: &mut InjectedError) -> (String, String, bool) {
        let (path, against) = match self {
            Task::Product(p) => (p.second(error), claim.to_owned()),
            Task::Sum(s) => (s.second(error), claim.to_owned()),
            Task::Letters(l) => (l.second(error), claim.to_owned()),
            Task::Search(s) => (s.second(claim, error), s.target.to_string()),
        };
        let same = path.result == against;
        let mut text = path.text + &comparison(&against, &path.result);
        if same {
            text += &format!("so {claim}\n");
        }
        (text, path.result, same)
    }

    /// A third path, after two that differ: ends with what is to be believed.
    pub fn tie_break(
        &self,
        claim: &str,
        other: &str,
        error: &mut InjectedError,
    ) -> (String, String) {
        let (path, before) = match self {
            Task::Product(p) => (p.third(error), format!("{claim} {other} ")),
            Task::Sum(s) => (s.third(error), format!("{claim} {other} ")),
            Task::Letters(l) => (l.third(error), format!("{claim} {other} ")),
            Task::Search(s) => (s.third(error), String::new()),
        };
        let result = path.result;
        let votes = if before.is_empty() {
            String::new()
        } else {
            format!("{before}{result} ")
        };
        (format!("{}{votes}so {result}\n", path.text), result)
    }

    /// A wrong result that looks like one.
    pub fn wrong_claim(&self, rng: &mut Rng) -> String {
        let number = |right: i64, rng: &mut Rng| off_by_a_digit(right, rng).to_string();
        match self {
            Task::Product(p) => number(p.a * p.b, rng),
            Task::Sum(s) => number(s.numbers.iter().sum(), rng),
            Task::Letters(l) => number(l.count(), rng),
            Task::Search(s) => s.near_miss(rng),
        }
    }

    /// Two results that differ, as the last line of a check shows them; mostly one is right.
    pub fn dispute(&self, rng: &mut Rng) -> (String, String) {
        if let Task::Search(s) = self {
            // What a search compares is the target and what the expression really gives.
            let miss = s.near_miss(rng);
            return (
                s.target.to_string(),
                s.second(&miss, &mut InjectedError::none()).result,
            );
        }
        let (right, wrong) = (self.answer(), self.wrong_claim(rng));
        match rng.range(0, 99) {
            0..45 => (right, wrong),
            45..90 => (wrong, right),
            _ => loop {
                let other = self.wrong_claim(rng);
                if other != wrong {
                    return (wrong, other);
                }
            },
        }
    }

    /// An error somewhere in the path.
    pub fn inject_error(&self, rng: &mut Rng) -> InjectedError {
        // As many as the shortest path of a family writes.
        let results = match self {
            Task::Product(_) => product::RESULTS,
            Task::Sum(_) => sum::RESULTS,
            Task::Letters(_) => letters::RESULTS,
            Task::Search(_) => 9,
        };
        InjectedError::one_of(results, rng)
    }
}

/// `31341 31241 ==/== differ`: the line that ends a check, digit by digit.
pub fn comparison(claim: &str, other: &str) -> String {
    let marks: String = if claim.len() == other.len() {
        let pairs = claim.chars().zip(other.chars());
        pairs.map(|(a, b)| if a == b { '=' } else { '/' }).collect()
    } else {
        "/".into()
    };
    let verdict = if claim == other { "same" } else { "differ" };
    format!("{claim} {other} {marks} {verdict}\n")
}

//! Making a number from three others with plus, times and minus.
//!
//! A search in a fixed order: each pair of numbers with each sign, and what the third number then
//! gives, added and multiplied, until the target is there. Every row repeats the target, and
//! every value is marked: `=` hits it, `/` does not.

use super::injected_error::InjectedError;
use super::worked_path::WorkedPath;
use s1_core::rng::Rng;
use std::fmt::Write;

/// Make `target` from `numbers`, each used once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// 1 to 99.
    pub target: i64,
    /// Each 1 to 9.
    pub numbers: [i64; 3],
}

const WORDINGS: [&str; 6] = [
    "Make {t} from {n}.",
    "How can you make {t} from {n}?",
    "Make {t} from {n}",
    "Use {n} to make {t}.",
    "Find a way to make {t} from {n}.",
    "Which expression of {n} gives {t}?",
];

/// Between the first two numbers.
const INNER: [char; 3] = ['+', '*', '-'];
/// Before the third.
const OUTER: [char; 2] = ['+', '*'];

impl Search {
    /// A random one that has a solution.
    pub fn draw(rng: &mut Rng) -> Search {
        loop {
            let numbers = [(); 3].map(|()| rng.range(1, 9));
            let order = pairs(numbers);
            let (x, y, z) = order[rng.range(0, 2) as usize];
            let inner = apply(INNER[rng.range(0, 2) as usize], x, y);
            let target = apply(OUTER[rng.range(0, 1) as usize], inner, z);
            if (1..=99).contains(&target) {
                return Search { target, numbers };
            }
        }
    }

    /// The name of the problem, whatever the order of the numbers.
    pub fn key(&self) -> String {
        let mut sorted = self.numbers;
        sorted.sort_unstable();
        format!("search {} {sorted:?}", self.target)
    }

    /// The question in one of its wordings.
    pub fn question(&self, rng: &mut Rng) -> String {
        let [a, b, c] = self.numbers;
        let numbers = match rng.range(0, 2) {
            0 => format!("{a}, {b} and {c}"),
            1 => format!("{a}, {b}, {c}"),
            _ => format!("{a} {b} {c}"),
        };
        rng.pick(&WORDINGS)
            .replace("{t}", &self.target.to_string())
            .replace("{n}", &numbers)
    }

    /// What the bare lines of the base begin with, as a question would.
    pub fn statement(&self) -> String {
        let [a, b, c] = self.numbers;
        format!("{} from {a} {b} {c}\n", self.target)
    }

    /// The numbers in the order given.
    pub fn first(&self, error: &mut InjectedError) -> WorkedPath {
        self.rows(self.numbers, error)
    }

    /// The numbers from the other end.
    pub fn third(&self, error: &mut InjectedError) -> WorkedPath {
        let [a, b, c] = self.numbers;
        self.rows([c, b, a], error)
    }

    /// Works out an expression of two signs. The value is what the expression gives.
    pub fn second(&self, expression: &str, error: &mut InjectedError) -> WorkedPath {
        let mut text = String::new();
        let mut value = 0;
        if let Some((x, inner, y, outer, z)) = parse(expression) {
            let first = error.write(apply(inner, x, y));
            value = error.write(apply(outer, first, z));
            let _ = writeln!(text, "{x}{inner}{y}={first}\n{first}{outer}{z}={value}");
        }
        WorkedPath::new(text, value)
    }

    /// Whether the expression uses each number once and gives the target.
    pub fn solved_by(&self, expression: &str) -> bool {
        let Some((x, inner, y, outer, z)) = parse(expression) else {
            return false;
        };
        let mut used = [x, y, z];
        let mut given = self.numbers;
        used.sort_unstable();
        given.sort_unstable();
        used == given && apply(outer, apply(inner, x, y), z) == self.target
    }

    /// An expression of the numbers that looks like a solution but is not one.
    pub fn near_miss(&self, rng: &mut Rng) -> String {
        loop {
            let (x, y, z) = pairs(self.numbers)[rng.range(0, 2) as usize];
            let inner = INNER[rng.range(0, 2) as usize];
            let outer = OUTER[rng.range(0, 1) as usize];
            let expression = write(x, inner, y, outer, z);
            if !self.solved_by(&expression) {
                return expression;
            }
        }
    }

    fn rows(&self, numbers: [i64; 3], error: &mut InjectedError) -> WorkedPath {
        let [a, b, c] = numbers;
        let mut text = format!("{} from {a} {b} {c}\n", self.target);
        for (x, y, z) in pairs(numbers) {
            for inner in INNER {
                let (x, y) = if inner == '-' {
                    (x.max(y), x.min(y))
                } else {
                    (x, y)
                };
                let first = apply(inner, x, y);
                let _ = write!(text, "{}: {x}{inner}{y}={first},{z}:", self.target);
                for outer in OUTER {
                    let value = error.write(apply(outer, first, z));
                    let mark = if value == self.target { '=' } else { '/' };
                    let _ = write!(text, " {value}{mark}");
                    if value == self.target {
                        let found = write(x, inner, y, outer, z);
                        let _ = write!(text, "\n{found}\n");
                        return WorkedPath {
                            text,
                            result: found,
                        };
                    }
                }
                text.push('\n');
            }
        }
        // Not reached by a problem that was drawn: it has a solution.
        text.push_str("none\n");
        WorkedPath {
            text,
            result: "none".into(),
        }
    }
}

/// Every pair with the number that is left.
fn pairs([a, b, c]: [i64; 3]) -> [(i64, i64, i64); 3] {
    [(a, b, c), (a, c, b), (b, c, a)]
}

/// A difference is always the larger less the smaller.
fn apply(sign: char, x: i64, y: i64) -> i64 {
    match sign {
        '+' => x + y,
        '*' => x * y,
        _ => (x - y).abs(),
    }
}

/// `(3*8)*1`; of a difference the larger number goes first.
fn write(x: i64, inner: char, y: i64, outer: char, z: i64) -> String {
    let (x, y) = if inner == '-' {
        (x.max(y), x.min(y))
    } else {
        (x, y)
    };
    format!("({x}{inner}{y}){outer}{z}")
}

/// The parts of an expression in the form that [`write()`] gives. A difference below zero does not count.
fn parse(expression: &str) -> Option<(i64, char, i64, char, i64)> {
    let digit = |c: char| c.to_digit(10).map(i64::from);
    let chars: Vec<char> = expression.chars().collect();
    let ['(', x, inner, y, ')', outer, z] = chars[..] else {
        return None;
    };
    let (x, y, z) = (digit(x)?, digit(y)?, digit(z)?);
    let signs = INNER.contains(&inner) && OUTER.contains(&outer);
    (signs && (inner != '-' || x >= y)).then_some((x, inner, y, outer, z))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAME: Search = Search {
        target: 24,
        numbers: [3, 8, 1],
    };

    #[test]
    fn the_search_goes_in_order_until_it_finds_the_target() {
        let path = GAME.first(&mut InjectedError::none());
        assert_eq!(
            path.text,
            "24 from 3 8 1\n24: 3+8=11,1: 12/ 11/\n24: 3*8=24,1: 25/ 24=\n(3*8)*1\n"
        );
        assert_eq!(path.result, "(3*8)*1");
        let back = GAME.third(&mut InjectedError::none());
        assert!(
            back.text
                .starts_with("24 from 1 8 3\n24: 1+8=9,3: 12/ 27/\n"),
            "{}",
            back.text
        );
        assert_eq!(back.result, "(1*8)*3");
        assert_eq!(
            GAME.second("(3*8)*1", &mut InjectedError::none()).text,
            "3*8=24\n24*1=24\n"
        );
    }

    #[test]
    fn an_expression_counts_only_with_the_right_numbers_and_value() {
        assert!(GAME.solved_by("(3*8)*1"));
        assert!(GAME.solved_by("(8*1)*3"));
        assert!(!GAME.solved_by("(3*8)+1"), "it gives 25");
        assert!(!GAME.solved_by("(4*6)*1"), "other numbers");
        assert!(!GAME.solved_by("24"), "no expression");
    }

    #[test]
    fn every_problem_drawn_has_a_solution_by_both_orders() {
        let mut rng = Rng::new(4);
        for _ in 0..3000 {
            let s = Search::draw(&mut rng);
            for path in [
                s.first(&mut InjectedError::none()),
                s.third(&mut InjectedError::none()),
            ] {
                assert!(s.solved_by(&path.result), "{}", path.text);
                let worked = s.second(&path.result, &mut InjectedError::none());
                assert_eq!(worked.result, s.target.to_string());
            }
            assert!(!s.solved_by(&s.near_miss(&mut rng)));
        }
    }
}

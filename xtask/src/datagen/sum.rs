//! Sums of three or four three-digit numbers, by three paths.

use super::column::{add, add_at_once};
use super::injected_error::InjectedError;
use super::worked_path::WorkedPath;
use s1_core::rng::Rng;

/// The numbers to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Three or four numbers from 100 to 999.
    pub numbers: Vec<i64>,
}

/// `{+}`: the numbers with plus signs; `{,}`: with commas and a last "and".
const WORDINGS: [&str; 7] = [
    "What is {+}?",
    "Add {,}.",
    "{+}=?",
    "How much is {+}?",
    "What is the sum of {,}?",
    "Calculate {+}.",
    "Find the total of {,}.",
];

impl Sum {
    pub fn draw(rng: &mut Rng) -> Sum {
        let count = rng.range(3, 4);
        Sum {
            numbers: (0..count).map(|_| rng.range(100, 999)).collect(),
        }
    }

    /// The name of the problem, whatever its wording and order.
    pub fn key(&self) -> String {
        let mut sorted = self.numbers.clone();
        sorted.sort_unstable();
        format!("sum {sorted:?}")
    }

    /// The question in one of its wordings.
    pub fn question(&self, rng: &mut Rng) -> String {
        let spaced = rng.chance(50);
        let texts: Vec<String> = self.numbers.iter().map(i64::to_string).collect();
        let commas = match texts.split_last() {
            Some((last, head)) => format!("{} and {last}", head.join(", ")),
            None => String::new(),
        };
        rng.pick(&WORDINGS)
            .replace("{+}", &texts.join(if spaced { " + " } else { "+" }))
            .replace("{,}", &commas)
    }

    /// The problem in one line.
    pub fn statement(&self) -> String {
        statement(&self.numbers)
    }

    /// From the left, two numbers at a time, each time at once.
    pub fn first(&self, error: &mut InjectedError) -> WorkedPath {
        running(&self.numbers, add_at_once, error)
    }

    /// Column by column. The numbers keep their order: a check that has to turn it round miscopies
    /// one now and then, and a check that reads another problem breaks what was right.
    pub fn second(&self, error: &mut InjectedError) -> WorkedPath {
        let mut text = self.statement();
        let mut column = |place: i64| {
            let digits = self.numbers.iter().map(|n| n / place % 10 * place);
            let mut steps: Vec<String> = Vec::new();
            let total = digits
                .reduce(|total, digit| {
                    let sum = error.write(total + digit);
                    steps.push(format!("{total}+{digit}={sum}"));
                    sum
                })
                .unwrap_or(0);
            text.push_str(&(steps.join(",") + "\n"));
            total
        };
        let [hundreds, tens, ones] = [100, 10, 1].map(&mut column);
        let most = add(&mut text, hundreds, tens, error);
        let result = add(&mut text, most, ones, error);
        WorkedPath::new(text, result)
    }

    /// From the other end, place by place.
    pub fn third(&self, error: &mut InjectedError) -> WorkedPath {
        running(&self.reversed(), add, error)
    }

    /// The numbers in both orders, a line each: what a path has to copy before it can add.
    pub fn orders(&self) -> String {
        self.statement() + &statement(&self.reversed())
    }

    fn reversed(&self) -> Vec<i64> {
        self.numbers.iter().rev().copied().collect()
    }
}

/// How many results the shortest path writes; an error injected among these always takes effect.
pub const RESULTS: usize = 2;

/// `347+285+962` in a line.
fn statement(numbers: &[i64]) -> String {
    let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("{}\n", texts.join("+"))
}

/// How two numbers are added.
type Add = fn(&mut String, i64, i64, &mut InjectedError) -> i64;

/// The numbers in this order, two at a time.
fn running(numbers: &[i64], add: Add, error: &mut InjectedError) -> WorkedPath {
    let mut text = statement(numbers);
    let mut numbers = numbers.iter().copied();
    let first = numbers.next().unwrap_or(0);
    let result = numbers.fold(first, |total, number| add(&mut text, total, number, error));
    WorkedPath::new(text, result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_paths_are_different_and_meet() {
        let s = Sum {
            numbers: vec![347, 285, 962],
        };
        let none = || InjectedError::none();
        assert_eq!(
            s.first(&mut none()).text,
            "347+285+962\n347+285=632\n632+962=1594\n"
        );
        assert_eq!(
            s.second(&mut none()).text,
            "347+285+962\n\
             300+200=500,500+900=1400\n\
             40+80=120,120+60=180\n\
             7+5=12,12+2=14\n\
             1400+180=1000+500+80+0=1580\n\
             1580+14=1000+500+90+4=1594\n"
        );
        assert_eq!(
            s.third(&mut none()).text,
            "962+285+347\n962+285=1100+140+7=1247\n1247+347=1000+500+80+14=1594\n"
        );
    }

    #[test]
    fn every_path_gives_the_sum() {
        let mut rng = Rng::new(6);
        for _ in 0..2000 {
            let s = Sum::draw(&mut rng);
            let right = s.numbers.iter().sum::<i64>().to_string();
            let error = &mut InjectedError::none();
            for path in [s.first(error), s.second(error), s.third(error)] {
                assert_eq!(path.result, right, "{}", path.text);
            }
        }
    }
}

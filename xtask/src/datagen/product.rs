//! Products of a three-digit and a two-digit number, by three paths.
//!
//! Every row splits one multiplication by a single digit into its places, so that each step is a
//! line of the multiplication table and some zeros.

use super::column::{add, add_at_once};
use super::injected_error::InjectedError;
use super::worked_path::WorkedPath;
use s1_core::rng::Rng;
use std::fmt::Write;

/// `a` × `b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiplication {
    /// 100 to 999.
    pub a: i64,
    /// 10 to 99.
    pub b: i64,
}

const WORDINGS: [&str; 8] = [
    "What is {a} times {b}?",
    "What is {a} * {b}?",
    "Multiply {a} by {b}.",
    "{a}*{b}=?",
    "How much is {a} times {b}?",
    "Calculate {a} * {b}.",
    "What is the product of {a} and {b}?",
    "Find {a} x {b}.",
];

impl Multiplication {
    pub fn draw(rng: &mut Rng) -> Multiplication {
        Multiplication {
            a: rng.range(100, 999),
            b: rng.range(11, 99),
        }
    }

    /// The name of the problem, whatever its wording.
    pub fn key(&self) -> String {
        format!("product {} {}", self.a, self.b)
    }

    /// The question in one of its wordings.
    pub fn question(&self, rng: &mut Rng) -> String {
        rng.pick(&WORDINGS)
            .replace("{a}", &self.a.to_string())
            .replace("{b}", &self.b.to_string())
    }

    /// The problem in one line.
    pub fn statement(&self) -> String {
        format!("{}*{}\n", self.a, self.b)
    }

    /// The second factor split into tens and ones, and these added at once.
    pub fn first(&self, error: &mut InjectedError) -> WorkedPath {
        let mut text = self.statement();
        let tens = row(&mut text, self.a, self.b / 10 * 10, error);
        let ones = row(&mut text, self.a, self.b % 10, error);
        let result = add_at_once(&mut text, tens, ones, error);
        WorkedPath::new(text, result)
    }

    /// The factors swapped: the first one split into hundreds, tens and ones.
    pub fn second(&self, error: &mut InjectedError) -> WorkedPath {
        let mut text = format!("{}*{}\n", self.b, self.a);
        let hundreds = row(&mut text, self.b, self.a / 100 * 100, error);
        let tens = row(&mut text, self.b, self.a / 10 % 10 * 10, error);
        let both = add(&mut text, hundreds, tens, error);
        let ones = row(&mut text, self.b, self.a % 10, error);
        let result = add(&mut text, both, ones, error);
        WorkedPath::new(text, result)
    }

    /// The second factor in three parts: its tens in two, and its ones.
    pub fn third(&self, error: &mut InjectedError) -> WorkedPath {
        let mut text = self.statement();
        let tens = self.b / 10;
        let most = row(&mut text, self.a, (tens + 1) / 2 * 10, error);
        let rest = row(&mut text, self.a, tens / 2 * 10, error);
        let both = add(&mut text, most, rest, error);
        let ones = row(&mut text, self.a, self.b % 10, error);
        let result = add(&mut text, both, ones, error);
        WorkedPath::new(text, result)
    }
}

/// How many results the shortest path writes; an error injected among these always takes effect.
pub const RESULTS: usize = 3;

/// `337*90=27000+2700+630=30330`: every digit of `many` times `by`.
fn row(text: &mut String, many: i64, by: i64, error: &mut InjectedError) -> i64 {
    let digits = many.to_string();
    let parts: Vec<String> = digits
        .bytes()
        .enumerate()
        .map(|(at, digit)| {
            let place = 10_i64.pow((digits.len() - 1 - at) as u32);
            (i64::from(digit - b'0') * place * by).to_string()
        })
        .collect();
    let result = error.write(many * by);
    let _ = writeln!(text, "{many}*{by}={}={result}", parts.join("+"));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_paths_are_different_and_meet() {
        let p = Multiplication { a: 337, b: 93 };
        let none = || InjectedError::none();
        assert_eq!(
            p.first(&mut none()).text,
            "337*93\n337*90=27000+2700+630=30330\n337*3=900+90+21=1011\n\
             30330+1011=31341\n"
        );
        assert_eq!(
            p.second(&mut none()).text,
            "93*337\n93*300=27000+900=27900\n93*30=2700+90=2790\n\
             27900+2790=20000+9000+1600+90+0=30690\n93*7=630+21=651\n\
             30690+651=30000+0+1200+140+1=31341\n"
        );
        assert_eq!(
            p.third(&mut none()).text,
            "337*93\n337*50=15000+1500+350=16850\n337*40=12000+1200+280=13480\n\
             16850+13480=20000+9000+1200+130+0=30330\n337*3=900+90+21=1011\n\
             30330+1011=30000+1000+300+40+1=31341\n"
        );
    }

    #[test]
    fn every_path_gives_the_product() {
        let mut rng = Rng::new(5);
        for _ in 0..2000 {
            let p = Multiplication::draw(&mut rng);
            let right = (p.a * p.b).to_string();
            let error = &mut InjectedError::none();
            for path in [p.first(error), p.second(error), p.third(error)] {
                assert_eq!(path.result, right, "{}", path.text);
            }
        }
    }
}

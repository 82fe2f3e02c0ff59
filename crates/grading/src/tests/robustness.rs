//! Models write anything. Nothing may panic, overflow the stack, or take long.

use crate::{AnswerKind, equal, extract, grade};
use std::time::{Duration, Instant};

/// Far above what any input needs (at most a second or so), so that a slow machine does not fail it.
const LIMIT: Duration = Duration::from_secs(30);

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }
}

#[test]
fn random_text_never_panics() {
    let pieces = [
        "\\frac",
        "\\sqrt",
        "\\boxed",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "\\{",
        "\\}",
        "1",
        "23",
        "0",
        ".",
        ",",
        "/",
        "^",
        "_",
        "-",
        "+",
        "\\pm",
        "\\cup",
        "\\infty",
        "π",
        "x",
        "y",
        "i",
        "e",
        "=",
        "<",
        "≤",
        "\\in",
        "|",
        "!",
        "%",
        "°",
        "\\text{",
        "\\begin{pmatrix}",
        "\\end{pmatrix}",
        "\\\\",
        "&",
        " ",
        "\n",
        "$",
        "\\",
        "é",
        "½",
        "²",
        "Answer:",
        "####",
        "\\log",
        "\\sin",
        "\\lfloor",
        "\\rfloor",
        " or ",
        "C",
        "√",
        "\\left(",
        "\\right]",
        "1,000",
    ];
    let mut random = Random(1);
    for _ in 0..4000 {
        let mut make = || {
            (0..random.below(14))
                .map(|_| pieces[random.below(pieces.len())])
                .collect::<String>()
        };
        let (a, b) = (make(), make());
        equal(&a, &b);
        grade(&a, &b);
        for kind in [
            AnswerKind::Number,
            AnswerKind::Choice,
            AnswerKind::Math,
            AnswerKind::Text,
        ] {
            if let Some(found) = extract(&a, Some(kind)) {
                assert_eq!(a[found.span], found.text);
            }
        }
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(2);
    for _ in 0..2000 {
        let bytes: Vec<u8> = (0..random.below(60))
            .map(|_| u8::try_from(random.below(256)).unwrap())
            .collect();
        let text = String::from_utf8_lossy(&bytes);
        equal(&text, &text);
        equal("1", &text);
        grade(&text, &text);
    }
}

#[test]
fn everything_parsed_equals_itself() {
    for text in [
        "x^2",
        "(1,2]",
        "\\{a,b\\}",
        "\\pm\\sqrt{x}",
        "x>y",
        "2^{2^{x}}",
        "\\sin\\frac{x}{2}",
        "10^{400}",
        "e^{1000}",
    ] {
        assert!(equal(text, text).equal, "{text}: {:?}", equal(text, text));
    }
}

#[test]
fn hostile_input_ends_soon() {
    let million = 1_000_000;
    let hostile = [
        "9^9^9^9".to_owned(),
        "9^{9^{9^{9}}}".to_owned(),
        "(((1+\\sqrt2+\\sqrt3+\\sqrt5+\\sqrt7)^{99})^{99})^{99}+".repeat(30) + "1",
        "(1+\\sqrt2+\\sqrt3+\\sqrt5+\\sqrt7)^{4000}+".repeat(40) + "1",
        "\\frac{1}{\\sqrt2+\\sqrt3+\\sqrt5+\\sqrt7+\\sqrt{11}}+".repeat(30) + "1",
        "\\sqrt{999999999989}+".repeat(90) + "1",
        "1000!".repeat(300),
        "400!".repeat(300),
        (1..400).map(|n| format!("1/{n}+")).collect::<String>() + "1",
        "1e1000*".repeat(200) + "1",
        "1e99999999999".to_owned(),
        "x^{999999999}".to_owned(),
        "{".repeat(million),
        "(".repeat(million),
        "\\frac{".repeat(million / 6),
        "\\boxed{".repeat(million / 7),
        format!("\\boxed{{{}{}}}", "{".repeat(million), "}".repeat(million)),
        "(".repeat(900) + "1" + &")".repeat(900),
        "-".repeat(2000) + "1",
        "1".to_owned() + &"!".repeat(2000),
        "1".to_owned() + &"/2".repeat(1000),
        "2".to_owned() + &"^2".repeat(1000),
        "|".repeat(2000),
        "1,".repeat(1000) + "1",
        "\\pm".repeat(600) + "1",
        "(\\pm1,".repeat(300) + "1",
        "7".repeat(2000),
        "7".repeat(million),
        "\\text{".repeat(300),
        "Answer: ".repeat(million / 8),
        "#### ".repeat(million / 5),
        "$".repeat(million),
        "1_{36}".repeat(300),
        "\\sin".repeat(500) + "x",
        "x=".repeat(900) + "1",
    ];
    for text in &hostile {
        let start = Instant::now();
        equal(text, text);
        equal("1", text);
        equal(text, "\\sqrt{x}+1");
        grade(text, text);
        extract(text, None);
        let head: String = text.chars().take(60).collect();
        assert!(
            start.elapsed() < LIMIT,
            "{head}… took {:?}",
            start.elapsed()
        );
    }
}

#[test]
fn deep_answers_fit_a_small_stack() {
    let worst = [
        "\\frac{".repeat(11) + "1" + &"}{2}".repeat(11),
        "\\sqrt{(|-".repeat(12) + "1" + &"|)}".repeat(12),
        "1".to_owned() + &"!".repeat(78),
        "1".to_owned() + &"/2".repeat(78),
    ];
    // The default for threads is 2 MiB; half of it must do, even unoptimised.
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    let work = thread
        .spawn(move || worst.iter().for_each(|text| drop(grade(text, text))))
        .unwrap();
    work.join().unwrap();
}

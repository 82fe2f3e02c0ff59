use super::*;
use crate::tui::widgets::trace::maths::Maths;

pub fn token(text: &str) -> Token {
    Token::new(0, text, Phase::Thinking)
}

fn with(text: &str, phase: Phase, reason: Option<Reason>) -> Token {
    Token {
        phase,
        reason,
        ..token(text)
    }
}

fn lay(tokens: &[Token], width: usize) -> Layout {
    let mut layout = Layout::default();
    layout.update(tokens, &Maths::default(), 0, width, false);
    layout
}

/// A user would lose: which letters the program wrote, and which the model, right behind them.
#[test]
fn words_that_were_forced_do_not_run_into_those_that_follow() {
    let forced = Token {
        origin: Origin::Forced,
        ..with("Alternatively", Phase::Thinking, Some(Reason::Wait))
    };
    let x = |next: &str| {
        let tokens = [token("so"), forced.clone(), token(next)];
        lay(&tokens, 40).find(2).map(|(_, x, _)| x)
    };
    assert_eq!(x("ssir5"), Some(14));
    assert_eq!((x(", so"), x(" so")), (Some(13), Some(13)));
    // Told once more as it grows, and at the end of a line.
    let mut layout = Layout::default();
    let tokens = [forced.clone(), token("ss"), token("ir")];
    for n in 1..=3 {
        layout.update(&tokens[..n], &Maths::default(), n - 1, 40, false);
    }
    assert_eq!(layout.pieces, lay(&tokens, 40).pieces);
    for width in 1..30 {
        lay(&tokens, width);
    }
}

fn drawn(layout: &Layout) -> Vec<String> {
    (0..layout.lines().len())
        .map(|l| {
            let line = &layout.lines()[l];
            let mut text = match line.kind {
                LineKind::Thinking => "|".to_owned(),
                LineKind::Answer => ">".to_owned(),
                LineKind::Rule(r) => format!("--{}", r.name()),
            };
            if let Some(mark) = line.mark {
                text += mark.sign();
            }
            for (_, t) in layout.pieces(l) {
                text += t;
            }
            if let Some(note) = &line.note {
                text += &format!(" [{note}]");
            }
            text
        })
        .collect()
}

fn texts(texts: &[&str]) -> Vec<Token> {
    texts.iter().map(|t| token(t)).collect()
}

#[test]
fn words_wrap_whole_and_long_words_are_split() {
    let tokens = texts(&["The", " quick", " br", "own", " fox"]);
    assert_eq!(drawn(&lay(&tokens, 13)), ["|The quick ", "|brown fox"]);
    let tokens = texts(&["ab", " abcdef", "ghijkl", "mn z"]);
    assert_eq!(drawn(&lay(&tokens, 9)), ["|ab ", "|abcdefgh", "|ijklmn z"]);
}

#[test]
fn wide_characters_are_not_cut_in_half() {
    let tokens = texts(&["漢字", "漢字", "ab", "字"]);
    // Nine columns without a gutter, one of them free: four wide characters.
    assert_eq!(drawn(&lay(&tokens, 10)), ["|漢字漢字", "|ab字"]);
    let layout = lay(&tokens, 10);
    assert_eq!(layout.find(3), Some((1, 2, 2)));
    assert_eq!(layout.token_at(0, 5), Some(1));
}

#[test]
fn line_breaks_are_kept_but_not_at_the_edges_of_a_part() {
    let tokens = texts(&["\n", "\na", "\n\n\n", "b", "\n", "  c\n", "\n"]);
    assert_eq!(drawn(&lay(&tokens, 40)), ["|a", "|", "|", "|b", "|  c"]);
}

#[test]
fn a_wait_starts_its_own_line_with_a_note() {
    let mut tokens = texts(&["so", " 3."]);
    tokens.push(with("\nWait", Phase::Thinking, Some(Reason::Wait)));
    tokens.push(token(", let me see"));
    tokens.push(with(" count", Phase::Thinking, Some(Reason::Injected)));
    assert_eq!(
        drawn(&lay(&tokens, 60)),
        [
            "|so 3.",
            "|⟲Wait, let me see [forced · token 2]",
            "|✎count [by you · token 4]"
        ]
    );
    assert_eq!(
        drawn(&lay(&tokens, 30))[1],
        "|⟲Wait, let me see",
        "no note without room"
    );
}

#[test]
fn the_delimiter_hides_behind_a_rule() {
    let mut tokens = texts(&["so 3", "\n\n"]);
    tokens.push(with("</think>", Phase::Answer, Some(Reason::Cut)));
    tokens.push(with("\n\n", Phase::Answer, Some(Reason::Cut)));
    let rule = drawn(&lay(&tokens, 60));
    assert_eq!(rule, ["|so 3", "--cut"]);
    tokens.push(with("The answer", Phase::Answer, None));
    let layout = lay(&tokens, 60);
    assert_eq!(drawn(&layout), ["|so 3", "--cut", ">The answer"]);
    assert_eq!(
        layout.find(3).map(|f| f.0),
        Some(1),
        "the delimiter is found at the rule"
    );
    let mut shown = Layout::default();
    shown.update(&tokens, &Maths::default(), 0, 60, true);
    assert_eq!(
        drawn(&shown),
        ["|so 3", "--cut", "></think>", ">", ">The answer"]
    );
}

/// A small generator: the tests need variety, not randomness.
struct Dice(u64);
impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }
}

/// What a user would lose: text that jumps, doubles or vanishes while it streams.
#[test]
fn streaming_gives_the_same_lines_as_laying_out_at_once() {
    let words = [
        "a",
        " the",
        " quick",
        "\n",
        "\n\n",
        " ",
        "  ",
        "漢",
        "字。",
        "é",
        "e\u{301}",
        "\u{301}",
        "",
        "\t",
        "averyveryverylongwordthatneedssplitting",
        " 🦀",
        "👩\u{200d}💻",
        "\u{200d}",
        "x y z",
        "\r\n",
        "\x1b[0m",
    ];
    let reasons = [
        None,
        None,
        None,
        None,
        None,
        None,
        Some(Reason::Wait),
        Some(Reason::Injected),
        Some(Reason::Chosen),
        Some(Reason::Cut),
    ];
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let width = 1 + dice.roll(70);
        let show = dice.roll(2) == 0;
        let mut tokens: Vec<Token> = Vec::new();
        let mut live = Layout::default();
        for _ in 0..60 {
            let mut changed = tokens.len();
            if dice.roll(8) == 0 {
                let keep = tokens.len().saturating_sub(dice.roll(4));
                tokens.truncate(keep);
                changed = keep;
            }
            if dice.roll(16) == 0 {
                let from = tokens.len().saturating_sub(dice.roll(3));
                for t in &mut tokens[from..] {
                    t.phase = Phase::Answer;
                    t.reason = Some(Reason::NaturalEnd);
                }
                changed = changed.min(from);
            }
            for _ in 0..dice.roll(4) {
                let ended = tokens.iter().any(Token::is_delimiter);
                let reason = reasons[dice.roll(reasons.len())];
                let phase = if ended {
                    Phase::Answer
                } else {
                    Phase::Thinking
                };
                tokens.push(with(words[dice.roll(words.len())], phase, reason));
            }
            live.update(&tokens, &Maths::default(), changed, width, show);
            let whole = {
                let mut l = Layout::default();
                l.update(&tokens, &Maths::default(), 0, width, show);
                l
            };
            assert!(live.lines() == whole.lines(), "seed {seed} width {width}");
            assert_eq!(drawn(&live), drawn(&whole), "seed {seed} width {width}");
            for i in 0..tokens.len() {
                let (line, x, w) = whole.find(i).expect("every token has a place");
                assert_eq!(live.find(i), Some((line, x, w)));
                let shown = whole.indent(line) + x + w;
                assert!(
                    w == 0 || shown <= width.max(2) || width < 4,
                    "seed {seed}: {shown} > {width}"
                );
            }
        }
    }
}

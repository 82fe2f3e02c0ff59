use super::*;
use s1_core::trace::Reason;

fn token(text: &str) -> Token {
    Token::new(0, text, Phase::Thinking)
}

fn prose(n: usize) -> Vec<Token> {
    let words = [
        "So", " the", " count", " is", " three", ".", " Is", " that", " right", "?\n",
    ];
    (0..n).map(|i| token(words[i % words.len()])).collect()
}

fn top_token(view: &View) -> usize {
    view.layout().lines()[view.first_line()].start.token
}

#[test]
fn a_pinned_view_does_not_move_while_text_streams() {
    let mut tokens = prose(400);
    let mut view = View::default();
    view.update(&tokens, (40, 10), false, 0);
    view.scroll(-15);
    let (line, token) = (view.first_line(), top_token(&view));
    for _ in 0..300 {
        tokens.push(prose(1).remove(0));
        let n = tokens.len();
        view.text_changed(n - 1);
        view.update(&tokens, (40, 10), false, 2);
        assert_eq!((view.first_line(), top_token(&view)), (line, token));
    }
}

#[test]
fn a_pinned_view_stays_on_its_text_when_the_width_changes() {
    let tokens = prose(600);
    let mut view = View::default();
    view.update(&tokens, (40, 10), false, 0);
    view.put(&tokens, Some(300));
    let top = view.top.unwrap();
    for width in [20, 90, 7, 200, 40] {
        view.text_changed(600);
        view.update(&tokens, (width, 10), false, 0);
        let first = view.layout().lines()[view.first_line()].start;
        let next = view
            .layout()
            .lines()
            .get(view.first_line() + 1)
            .unwrap()
            .start;
        assert!(
            first <= top && top < next,
            "the same text is at the top at width {width}"
        );
        assert_eq!(view.cursor(), Some(300));
    }
    assert_eq!(
        view.top,
        Some(top),
        "and exactly as before at the first width"
    );
}

#[test]
fn at_the_end_the_view_follows_and_end_returns_to_it() {
    let mut tokens = prose(200);
    let mut view = View::default();
    view.update(&tokens, (40, 10), false, 0);
    assert!(view.follows());
    view.go(&tokens, Motion::Token(Towards::Back));
    assert_eq!((view.cursor(), view.follows()), (Some(199), false));
    tokens.extend(prose(200));
    view.text_changed(200);
    view.update(&tokens, (40, 10), false, 0);
    assert_eq!(view.cursor(), Some(199));
    view.go(&tokens, Motion::End);
    assert!(view.follows() && view.cursor().is_none());
    assert_eq!(view.first_line() + 10, view.total());
    view.scroll(-5);
    assert!(!view.follows());
    view.scroll(5);
    assert!(view.follows(), "scrolling to the end follows again");
}

#[test]
fn the_cursor_moves_by_tokens_words_sentences_and_lines() {
    let tokens = prose(30);
    let mut view = View::default();
    view.update(&tokens, (60, 10), false, 0);
    view.go(&tokens, Motion::Start);
    view.go(&tokens, Motion::Sentence(Towards::On));
    assert_eq!(view.cursor(), Some(6), "' Is'");
    view.go(&tokens, Motion::Word(Towards::On));
    assert_eq!(view.cursor(), Some(7));
    view.go(&tokens, Motion::Sentence(Towards::On));
    assert_eq!(view.cursor(), Some(10), "the next line's 'So'");
    view.go(&tokens, Motion::Sentence(Towards::Back));
    assert_eq!(view.cursor(), Some(6));
    view.go(&tokens, Motion::Line(Towards::On));
    assert_eq!(view.cursor().map(|c| c / 10), Some(1));
    view.go(&tokens, Motion::Line(Towards::Back));
    assert_eq!(view.cursor(), Some(6), "the same column");
    view.go(&tokens, Motion::Line(Towards::Back));
    assert_eq!(view.cursor(), Some(0), "above the first line is the start");
    view.go(&tokens, Motion::Page(Towards::On));
    assert!(view.follows());
}

#[test]
fn the_delimiter_is_one_stop() {
    let mut tokens = prose(5);
    for text in ["</", "think", ">"] {
        tokens.push(Token {
            phase: Phase::Answer,
            reason: Some(Reason::Cut),
            ..token(text)
        });
    }
    tokens.push(Token {
        phase: Phase::Answer,
        ..token("3")
    });
    let mut view = View::default();
    view.update(&tokens, (60, 10), false, 0);
    view.go(&tokens, Motion::Token(Towards::Back));
    view.go(&tokens, Motion::Token(Towards::Back));
    assert_eq!(view.cursor(), Some(5));
    view.go(&tokens, Motion::Token(Towards::On));
    assert_eq!(view.cursor(), Some(8));
    assert_eq!(
        view.token_at(&tokens, 30, 1),
        Some(5),
        "a click on the rule"
    );
}

#[test]
fn nothing_is_fine_too() {
    let mut view = View::default();
    for size in [(0, 0), (1, 1), (80, 24)] {
        view.update(&[], size, false, 0);
        view.go(&[], Motion::Line(Towards::Back));
        view.go(&[], Motion::End);
        view.scroll(-3);
        view.scroll(3);
        assert_eq!(view.token_at(&[], 3, 3), None);
        assert_eq!(view.first_line(), 0);
    }
}

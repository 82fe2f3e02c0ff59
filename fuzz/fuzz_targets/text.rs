//! Text of a model on its way to the terminal: nothing is left that a terminal obeys.

#![no_main]

use libfuzzer_sys::fuzz_target;
use s1_data::sanitize::{clean, clean_line, fit, fit_end, graphemes, width};

fn seed() {
    let texts = [
        "\u{1b}[31mred\u{7}\u{9b}2J\r\n\tx",
        "e\u{301}\u{200d}❤\u{fe0f}\u{200d}🔥 \u{202e}abc",
        "नमस्ते 👨\u{200d}👩\u{200d}👧 ｗｉｄｅ",
    ];
    s1_fuzz::seed("text", texts.map(|text| text.as_bytes().to_vec()));
}

fuzz_target!(init: seed(), |text: &str| {
    let shown = clean(text);
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    assert!(clean(&shown) == shown, "{shown:?}");
    let line = clean_line(text);
    assert!(!line.contains('\n'));
    let cells: usize = graphemes(&line).map(|(_, width)| width).sum();
    assert!(cells == width(&line));
    for most in [0, 1, 2, 7, 80] {
        assert!(width(&fit(&line, most)) <= most);
        assert!(width(&fit_end(&line, most)) <= most);
    }
});

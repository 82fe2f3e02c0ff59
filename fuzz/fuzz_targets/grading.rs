//! A reference answer and a response, parted by a line break.

#![no_main]

use libfuzzer_sys::fuzz_target;
use s1_grading::{AnswerKind, equal, extract, grade};

fn seed() {
    let pairs = [
        ("\\frac{1}{2}", "so \\boxed{0.5}"),
        ("(B)", "The answer is B."),
        ("1,234", "#### 1234"),
        (
            "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}",
            "$\\begin{bmatrix}1&2\\\\3&4\\end{bmatrix}$",
        ),
        ("x \\in [-2,7)", "-2 \\le x < 7"),
        ("\\sqrt[3]{54}", "3\\sqrt[3]{2}"),
        ("12\\text{ cm}^2", "12 square centimetres"),
        ("x^2+2x+1", "(x+1)^2"),
        ("\\{1,2,3\\}", "{3, 2, 1}"),
        ("11_{16}", "$\\dfrac{17}{1}_{10}$"),
        ("3+4i", "Final Answer: \\(4i+3\\)"),
        ("\\arcsin 1 + e^{\\pi}", "90^\\circ"),
    ];
    let inputs = pairs.map(|(reference, response)| format!("{reference}\n{response}").into_bytes());
    s1_fuzz::seed("grading", inputs);
}

fuzz_target!(init: seed(), |text: &str| {
    let (reference, response) = text.split_once('\n').unwrap_or((text, text));
    let _ = grade(reference, response);
    for kind in [AnswerKind::Number, AnswerKind::Choice, AnswerKind::Math, AnswerKind::Text] {
        if let Some(found) = extract(response, Some(kind)) {
            assert!(response.get(found.span).is_some());
        }
    }
    let itself = equal(reference, reference);
    assert!(itself.equal || itself.reason == "no answer", "{itself:?}");
});

//! Finding the answer in what a model wrote.

use crate::{AnswerKind, ExtractionRule, extract, grade};

#[test]
fn each_form_is_found_by_its_rule() {
    let number = Some(AnswerKind::Number);
    let choice = Some(AnswerKind::Choice);
    let math = Some(AnswerKind::Math);
    for (text, kind, answer, rule) in [
        // The last box wins, braces balance, spaces and missing braces are tolerated.
        ("So \\boxed{7}.", None, "7", ExtractionRule::Boxed),
        (
            "First \\boxed{1}, then \\boxed{\\frac{1}{2}}.",
            None,
            "\\frac{1}{2}",
            ExtractionRule::Boxed,
        ),
        (
            "\\boxed{\\{1,2\\}}",
            None,
            "\\{1,2\\}",
            ExtractionRule::Boxed,
        ),
        ("\\boxed{ 12 }", None, "12", ExtractionRule::Boxed),
        ("\\boxed 5 is it", None, "5", ExtractionRule::Boxed),
        ("\\fbox{9}", None, "9", ExtractionRule::Boxed),
        ("\\boxed{\\boxed{5}}", None, "5", ExtractionRule::Boxed),
        (
            "\\boxed{3} and an unfinished \\boxed{4",
            None,
            "3",
            ExtractionRule::Boxed,
        ),
        (
            "\\boxed{3} and an empty \\boxed{}",
            None,
            "3",
            ExtractionRule::Boxed,
        ),
        ("\\boxed{3}\nAnswer: 4", None, "3", ExtractionRule::Boxed),
        // GSM8K's own form.
        (
            "16 - 7 = <<16-7=9>>9\n#### 18",
            None,
            "18",
            ExtractionRule::Hashes,
        ),
        ("#### 1,234", number, "1,234", ExtractionRule::Hashes),
        // Markers.
        (
            "Thus.\nAnswer: 42",
            None,
            "42",
            ExtractionRule::AnswerMarker,
        ),
        (
            "answer: no\nFINAL ANSWER: yes",
            None,
            "yes",
            ExtractionRule::AnswerMarker,
        ),
        ("**Answer:** 42", None, "42", ExtractionRule::AnswerMarker),
        (
            "**Final Answer**: **42**.",
            None,
            "42",
            ExtractionRule::AnswerMarker,
        ),
        (
            "**Final Answer:**\n\n$\\sqrt{2}$",
            math,
            "\\sqrt{2}",
            ExtractionRule::AnswerMarker,
        ),
        (
            "The final answer is $5$. I hope it is correct.",
            number,
            "5",
            ExtractionRule::AnswerMarker,
        ),
        (
            "The answer is 42.",
            number,
            "42",
            ExtractionRule::AnswerMarker,
        ),
        (
            "Answer: she makes $18 every day",
            number,
            "18",
            ExtractionRule::AnswerMarker,
        ),
        (
            "Answer: 5, since 2 of 3 remain",
            number,
            "5",
            ExtractionRule::AnswerMarker,
        ),
        (
            "Answer: 2 + 3 = 5",
            number,
            "2 + 3 = 5",
            ExtractionRule::AnswerMarker,
        ),
        (
            "Answer: -5 (below zero, not 3)",
            number,
            "-5",
            ExtractionRule::AnswerMarker,
        ),
        (
            "Answer: (B) because of A",
            choice,
            "B",
            ExtractionRule::AnswerMarker,
        ),
        // The last number.
        (
            "3 + 4 makes 7 apples",
            number,
            "7",
            ExtractionRule::LastNumber,
        ),
        (
            "it costs $1,234.56.",
            number,
            "1,234.56",
            ExtractionRule::LastNumber,
        ),
        (
            "it falls to -3.5 degrees, I think",
            number,
            "-3.5",
            ExtractionRule::LastNumber,
        ),
        ("so 10 - 7", number, "7", ExtractionRule::LastNumber),
        (
            "we are left with 10-7",
            number,
            "7",
            ExtractionRule::LastNumber,
        ),
        (
            "about 3/4 of them",
            number,
            "3/4",
            ExtractionRule::LastNumber,
        ),
        (
            "that is 25% of all",
            number,
            "25%",
            ExtractionRule::LastNumber,
        ),
        ("we count 1, 2, 3", number, "3", ExtractionRule::LastNumber),
        (
            "we get $\\frac{3}{4}$ of it",
            number,
            "\\frac{3}{4}",
            ExtractionRule::LastFormula,
        ),
        ("3/4", number, "3/4", ExtractionRule::Whole),
        ("12 apples", number, "12 apples", ExtractionRule::Whole),
        // A formula is one answer: no number may be picked out of it.
        ("2\\sqrt{5}", number, "2\\sqrt{5}", ExtractionRule::Whole),
        ("1, -2", number, "1, -2", ExtractionRule::Whole),
        (
            "The answer is 2\\sqrt{5}.",
            number,
            "2\\sqrt{5}",
            ExtractionRule::AnswerMarker,
        ),
        (
            "The answer is $2\\sqrt{5}$. I hope so.",
            number,
            "2\\sqrt{5}",
            ExtractionRule::AnswerMarker,
        ),
        (
            "and so we have $2\\sqrt{5}$",
            number,
            "2\\sqrt{5}",
            ExtractionRule::LastFormula,
        ),
        ("It is 5", number, "5", ExtractionRule::LastNumber),
        // The last option.
        (
            "I think (B), not (C)",
            choice,
            "B",
            ExtractionRule::LastOption,
        ),
        (
            "A good choice would be D",
            choice,
            "D",
            ExtractionRule::AnswerMarker,
        ),
        (
            "It must be B because A is wrong.",
            choice,
            "B",
            ExtractionRule::LastOption,
        ),
        // Formulas and whole texts.
        (
            "We find $x$ and then \\(x^2+1\\)",
            math,
            "x^2+1",
            ExtractionRule::LastFormula,
        ),
        ("x^2+1", math, "x^2+1", ExtractionRule::Whole),
        ("Evelyn", None, "Evelyn", ExtractionRule::Whole),
    ] {
        let found = extract(text, kind);
        let found = found.as_ref().map(|f| (f.text.as_str(), f.rule));
        assert_eq!(found, Some((answer, rule)), "{text}");
    }
}

#[test]
fn no_answer_is_none() {
    for (text, kind) in [
        ("", None),
        ("   \n", None),
        ("no digits at all", Some(AnswerKind::Number)),
        ("nothing to choose", Some(AnswerKind::Choice)),
        ("a\nlong\ntext", Some(AnswerKind::Text)),
    ] {
        assert_eq!(extract(text, kind), None, "{text:?}");
    }
}

#[test]
fn the_span_points_at_the_answer() {
    for text in ["π: \\boxed{ 7 }", "é Answer: **12**.", "ü 3, then 45!"] {
        let found = extract(text, Some(AnswerKind::Number)).unwrap();
        assert_eq!(&text[found.span.clone()], found.text);
    }
}

#[test]
fn whole_texts_are_graded() {
    for (reference, text, equal) in [
        ("18", "She makes 9 * 2 = 18 dollars a day.", true),
        ("Long solution\n#### 1,018", "The total is $1018.", true),
        ("So $\\boxed{\\frac12}$.", "Answer: 0.5", true),
        ("\\frac{3}{4}", "The probability is $\\frac{6}{8}$.", true),
        ("(C)", "Therefore the answer is C.", true),
        ("\\text{Evelyn}", "The answer is **Evelyn**.", true),
        ("\\sqrt{2}", "We get $1$, and hence $\\sqrt 2$.", true),
        ("5", "Answer: 2 + 3 = 5", true),
        ("5", "We add them: 2 + 3 = 5 apples.", true),
        ("5", "2\\sqrt{5}", false),
        ("2", "204_2", false),
        ("5", "We get $x \\approx 5$", true),
        ("5", "\\begin{pmatrix} 1 \\\\ 5 \\end{pmatrix}", false),
        ("18", "She makes 19 dollars.", false),
        ("18", "", false),
    ] {
        let graded = grade(reference, text);
        assert_eq!(graded.verdict.equal, equal, "{text}: {graded:?}");
    }
}

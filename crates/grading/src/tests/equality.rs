//! Equivalence by value, one table per kind of answer.

use crate::{AnswerKind, equal, grade};

/// Checks both directions: equality has no favourite side.
fn check(equals: &[(&str, &str)], differs: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (expected, pairs) in [(true, equals), (false, differs)] {
        for (a, b) in pairs {
            for (reference, answer) in [(a, b), (b, a)] {
                let verdict = equal(reference, answer);
                if verdict.equal != expected {
                    wrong.push(format!(
                        "{reference} | {answer} | expected {expected}: {}",
                        verdict.reason
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn integers_and_decimals() {
    check(
        &[
            ("42", "42"),
            ("42", " 42. "),
            ("42", "42.0"),
            ("42", "+42"),
            ("-7", "−7"),
            ("007", "7"),
            (".5", "0.50"),
            ("0", "-0"),
            ("10^{20}+1", "100000000000000000001"),
            ("2^{100}", "1267650600228229401496703205376"),
            ("5!", "120"),
            ("\\binom{5}{2}", "10"),
            ("2.5 million", "2{,}500{,}000"),
            ("\\lfloor 7/2 \\rfloor", "3"),
            ("|-3|", "3"),
            ("3 \\times 4", "12"),
        ],
        &[
            ("3", "4"),
            ("3", "-3"),
            ("3", "30"),
            ("0.1", "0.10000000000000001"),
            ("10^{20}+1", "10^{20}"),
            ("100000000000000000001", "100000000000000000000"),
            ("0.3", "0.33"),
            (".0000672", ".0000673"),
            ("3", "3!"),
            ("5", "5 thousand"),
        ],
    );
}

#[test]
fn thousands_separators() {
    check(
        &[
            ("1000", "1,000"),
            ("1000", "1{,}000"),
            ("1000", "1\\,000"),
            ("1000", "1 000"),
            ("1000", "1,\\!000"),
            ("11,\\! 111,\\! 111,\\! 100", "11111111100"),
            ("58,500", "58500.00"),
            ("1,234.5", "1234.5"),
            // Two readings, either may hold.
            ("100,200", "100, 200"),
            ("100,200", "100200"),
            ("(100,200)", "(100, 200)"),
        ],
        &[
            ("1000", "1,0"),
            ("1000", "1, 000, 0"),
            ("(100,200)", "100200"),
            ("1,000", "1.000"),
        ],
    );
}

#[test]
fn percentages_currencies_and_units() {
    check(
        &[
            ("50\\%", "50%"),
            ("50\\%", "0.5"),
            ("50\\%", "50"),
            ("50\\%", "\\frac12"),
            ("50", "50 percent"),
            ("\\$18.90", "18.90"),
            ("\\$18.90", "$18.9$"),
            ("\\$32,\\!348", "32348"),
            ("36", "36\\text{ dollars}"),
            ("36", "€36"),
            ("5.4 \\text{ cents}", "5.4"),
            ("864 \\mbox{ inches}^2", "864"),
            ("864 \\mbox{ inches}^2", "864 \\text{ square inches}"),
            ("15\\mbox{ cm}^2", "15 cm^2"),
            ("12", "12 apples"),
            ("12", "12 men"),
            ("3 hours", "3\\text{ hr}"),
            ("90^\\circ", "90"),
            ("90^\\circ", "90°"),
            ("90^{\\circ}", "90 degrees"),
            ("90^\\circ", "90\\text{ degrees}"),
            ("\\frac{270}7\\text{ degrees}", "270/7"),
            ("60", "60 \\text{ miles/hour}"),
            ("60\\text{ mph}", "60 mph"),
        ],
        &[
            ("50\\%", "5"),
            ("50\\%", "0.05"),
            ("5\\text{ cm}", "5\\text{ m}"),
            ("5 \\text{ cm}", "5 \\text{ cm}^2"),
            ("10 dollars", "10 cents"),
            ("\\$36", "37"),
            ("90^\\circ", "91^\\circ"),
            ("12", "13 apples"),
        ],
    );
}

#[test]
fn fractions() {
    check(
        &[
            ("\\frac12", "0.5"),
            ("\\frac12", "1/2"),
            ("\\frac{1}{2}", "\\dfrac{1}{2}"),
            ("\\frac{1}{2}", "\\tfrac 12"),
            ("\\frac{1}{2}", "½"),
            ("\\frac 59", "\\frac{5}{9}"),
            ("\\frac9{19}", "9/19"),
            ("\\frac{270}7", "270/7"),
            ("\\frac{6}{4}", "\\frac32"),
            ("-\\frac{1}{2}", "\\frac{-1}{2}"),
            ("-\\frac{1}{2}", "\\frac{1}{-2}"),
            ("1\\frac{4}{5}", "\\frac95"),
            ("1\\frac{4}{5}", "1 4/5"),
            ("137 \\frac{1}{2}", "137.5"),
            ("\\frac{\\frac12}{3}", "\\frac16"),
            ("\\frac{1}{3}", "0.333333"),
            ("\\frac{2}{3}", "0.6666667"),
        ],
        &[
            ("\\frac12", "\\frac13"),
            ("\\frac12", "2"),
            ("\\frac12", "-0.5"),
            ("\\frac13", "0.33"),
            ("\\frac13", "0.333334"),
            ("1\\frac45", "\\frac45"),
            ("\\frac{1}{0}", "0"),
        ],
    );
}

#[test]
fn roots_powers_pi_and_complex_numbers() {
    check(
        &[
            ("3\\sqrt{13}", "\\sqrt{117}"),
            ("3\\sqrt{13}", "3 * sqrt(13)"),
            ("11\\sqrt2", "11√2"),
            ("\\frac{\\sqrt{3}}{3}", "\\frac{1}{\\sqrt{3}}"),
            ("\\frac{1}{1+\\sqrt2}", "\\sqrt{2}-1"),
            ("\\frac{1+\\sqrt5}{2}", "\\frac{2}{\\sqrt5-1}"),
            ("\\sqrt{3+2\\sqrt2}", "1+\\sqrt2"),
            ("\\sqrt[3]{-8}", "-2"),
            ("\\sqrt[3]{2}", "2^{1/3}"),
            ("2^{-3}", "\\frac18"),
            ("4^{3/2}", "8"),
            ("x^10", "x^{10}"),
            ("288 \\pi", "288π"),
            ("288 \\pi", "pi * 288"),
            ("\\frac{20000}{\\pi}", "20000\\pi^{-1}"),
            ("\\pi", "3.141593"),
            ("6 - 5i", "-5i+6"),
            ("\\frac{1}{1+i}", "\\frac{1-i}{2}"),
            ("i^2", "-1"),
            ("\\sqrt{-4}", "2i"),
            ("e^{2}", "e \\cdot e"),
            ("\\log_2 8", "3"),
            ("\\log 100", "2"),
            ("\\ln e", "1"),
            ("\\sin 30^\\circ", "\\frac12"),
            ("\\cos\\frac{\\pi}{3}", "0.5"),
            ("\\cot x", "\\frac{\\cos x}{\\sin x}"),
            ("\\sin^2 x + \\cos^2 x", "1"),
            ("\\tan^{-1} 1", "\\frac{\\pi}{4}"),
            ("1.5e3", "1500"),
            ("6.72 \\times 10^{-5}", ".0000672"),
            ("6.72e-5", "6.72 \\cdot 10^{-5}"),
            ("9^9^9^9", "9^9^9^9"),
        ],
        &[
            ("3\\sqrt{13}", "3\\sqrt{14}"),
            ("3\\sqrt{13}", "10.817"),
            ("\\sqrt{999999999999}", "1000000"),
            ("\\pi", "3.14"),
            ("\\pi", "\\frac{22}{7}"),
            ("6 - 5i", "6 + 5i"),
            ("i", "1"),
            ("\\sqrt{2}+\\sqrt{3}", "\\sqrt{5}"),
            ("2^{100}", "2^{101}"),
            ("1.5e3", "1.5e4"),
            ("\\sin 30", "\\frac12"),
        ],
    );
}

#[test]
fn intervals() {
    check(
        &[
            ("(3,4]", "( 3 , 4 ]"),
            ("(-\\infty, 0]", "(-∞,0]"),
            ("(-\\infty, 0]", "[-\\infty, 0]"),
            ("\\left(\\frac{3}{5},\\frac{8}{3}\\right]", "(0.6, 8/3]"),
            ("(0,9) \\cup (9,36)", "(9,36) ∪ (0,9)"),
            ("(0,9) \\cup (9,36)", "(0,9) U (9,36)"),
            ("x \\in [-2,7]", "[-2,7]"),
            ("[-2,7]", "-2 \\le x \\le 7"),
            ("[-2,7)", "7 > x >= -2"),
            ("(5,\\infty)", "x > 5"),
            ("(-\\infty,5]", "x \\leq 5"),
            ("(5,\\infty)", "5 < x"),
        ],
        &[
            ("(3,4]", "[3,4]"),
            ("(3,4]", "(3,4)"),
            ("(3,4]", "(3,5]"),
            ("(0,9) \\cup (9,36)", "(0,36)"),
            ("(0,9) \\cup (9,36)", "(0,9), [9,36)"),
            ("(5,\\infty)", "x \\ge 5"),
            ("(5,\\infty)", "x < 5"),
            ("(-\\infty,5)", "(5,-\\infty)"),
            ("\\infty", "-\\infty"),
        ],
    );
}

#[test]
fn tuples_lists_and_sets() {
    check(
        &[
            ("\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\pi/2)"),
            ("(6,31,-1)", "( 6, 31, -1 )"),
            ("(3,4)", "3, 4"),
            ("(x,y) = (3,4)", "(3,4)"),
            ("\\langle 1,2 \\rangle", "(1,2)"),
            ("1,-2", "-2, 1"),
            ("1,-2", "\\{-2,1\\}"),
            ("1,-2", "x=1 \\text{ or } x=-2"),
            ("1,-2", "1 and -2"),
            ("1,-2", "1;-2"),
            ("\\{1,2\\}", "{2,1}"),
            ("\\{1,1,2\\}", "\\{1,2\\}"),
            ("\\{5\\}", "5"),
            ("\\emptyset", "\\{\\}"),
            ("(1,2),(3,4)", "(3,4),(1,2)"),
            ("1 \\pm \\sqrt{19}", "1-\\sqrt{19}, 1+\\sqrt{19}"),
            ("1 \\pm \\sqrt{19}", "x = 1 ± √19"),
            ("\\{1\\pm\\sqrt{5},-2\\}", "-2, 1+\\sqrt5, 1-\\sqrt5"),
            ("\\pm 3", "3, -3"),
        ],
        &[
            ("(3,4)", "(4,3)"),
            ("(3,4)", "4, 3"),
            ("(3,4)", "(3,4,5)"),
            ("1,-2", "1,2"),
            ("1,-2", "1"),
            ("1,-2", "1,-2,3"),
            ("1 \\pm \\sqrt{19}", "1+\\sqrt{19}"),
            ("\\pm 3", "3"),
            ("\\{1,2\\}", "\\{1,3\\}"),
        ],
    );
}

#[test]
fn matrices() {
    check(
        &[
            (
                "\\begin{pmatrix} -1/3 \\\\ 2/3 \\end{pmatrix}",
                "\\begin{bmatrix} -\\frac13 \\\\ \\frac23 \\\\ \\end{bmatrix}",
            ),
            (
                "\\begin{pmatrix} 1 & 0 \\\\ 0 & 1 \\end{pmatrix}",
                "\\left(\\begin{array}{cc}1&0\\\\0&1\\end{array}\\right)",
            ),
        ],
        &[
            (
                "\\begin{pmatrix} 1 & 2 \\end{pmatrix}",
                "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}",
            ),
            (
                "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}",
                "\\begin{pmatrix} 2 \\\\ 1 \\end{pmatrix}",
            ),
            (
                "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}",
                "\\begin{pmatrix} 1 \\\\ -2 \\end{pmatrix}",
            ),
        ],
    );
}

#[test]
fn equations_with_the_left_side_named() {
    check(
        &[
            ("x=5", "5"),
            ("x=5", "5 = x"),
            ("5", "= 5"),
            ("5", "2 + 3 = 5"),
            ("y = 2x + 3", "2x+3"),
            ("y = 2x + 3", "y - 2x = 3"),
            ("f(x) = 2x", "2x"),
            ("\\text{Area} = 12", "12"),
            ("5x - 7y + 11z + 4 = 0", "10x - 14y + 22z = -8"),
            ("x^2+y^2=1", "1-x^2=y^2"),
            ("x_1 = 2", "2"),
        ],
        &[
            ("x=5", "6"),
            ("x=5", "y=5"),
            ("y = 2x + 3", "y = 3x + 2"),
            ("5x - 7y + 11z + 4 = 0", "5x - 7y + 11z - 4 = 0"),
            ("x^2=4", "4"),
        ],
    );
}

#[test]
fn expressions_in_variables() {
    check(
        &[
            ("2x+1", "1+2x"),
            ("p - q", "-q+p"),
            ("(a+5)(b+2)", "ab+2a+5b+10"),
            ("6r^2-4r-24", "2(3r^2-2r-12)"),
            ("\\frac{11+9a}{20}", "0.45a+0.55"),
            ("\\frac{x^2-1}{x-1}", "x+1"),
            ("x^3+3x-6", "x(x^2+3)-6"),
            ("2^{n+1}", "2 \\cdot 2^n"),
            ("\\sqrt{x^2}", "|x|"),
            ("\\theta", "θ"),
            ("xyz", "zyx"),
            ("a_1 + a_2", "a_{2}+a_{1}"),
        ],
        &[
            ("2x+1", "2x-1"),
            ("2x+1", "2y+1"),
            ("(a+5)(b+2)", "ab+10"),
            ("(a+5)(b+2)", "(a+5](b+2)"),
            ("x^2", "2x"),
            ("\\sqrt{x^2}", "x"),
            ("|xy|", "xy"),
            ("x", "X"),
            ("x", "1"),
        ],
    );
}

#[test]
fn bases() {
    check(
        &[
            ("52_8", "52_{8}"),
            ("4210_{5}", "4210_5"),
            ("52_8", "101010_2"),
            ("52_8", "52_{\\text{eight}}"),
        ],
        &[("52_8", "52_9"), ("52_8", "53_8")],
    );
    // The question named the base; an answer in another base than asked is never those digits.
    assert!(equal("52_8", "52").equal);
    assert!(!equal("52_8", "42").equal);
    assert!(!equal("52", "52_8").equal);
    assert!(equal("42", "52_8").equal);
}

#[test]
fn words() {
    check(
        &[
            ("\\text{Evelyn}", "Evelyn"),
            ("\\text{Evelyn}", "\\textbf{evelyn}."),
            ("\\text{even}", "Even"),
            ("\\text{ellipse}", "an ellipse"),
            ("\\text{No solution}", "no  solution"),
            ("\\mathbb{R}", "$\\mathbb{R}$"),
        ],
        &[
            ("\\text{east}", "\\text{seat}"),
            ("\\text{east}", "west"),
            ("\\text{even}", "odd"),
            ("\\text{even}", "2"),
        ],
    );
}

#[test]
fn multiple_choice() {
    check(
        &[
            ("(C)", "C"),
            ("C", "\\text{(C)}"),
            ("\\text{(C)}", "\\textbf{C}"),
            ("C", "(C)"),
            ("C", "C."),
            ("C", "**C**"),
        ],
        &[("C", "D"), ("(C)", "\\text{(D)}"), ("C", "12")],
    );
    assert!(equal("C", "(C) 12 apples").equal);
    assert!(equal("C", "Option C").equal);
    assert!(equal("C", "c)").equal);
    assert!(!equal("C", "(D) C").equal);
}

/// A user would lose: a wrong answer counted as wrong. An option is a letter in words or in marks; a
/// small letter written as mathematics is a constant or a variable.
#[test]
fn an_option_is_no_constant_or_variable_in_another_case() {
    check(
        &[
            ("$e$", "e"),
            ("$\\text{e}$", "$e$"),
            ("$\\text{E}$", "$E$"),
            ("$E$", "E"),
            ("$e$", "\\mathrm{e}"),
            ("$c$", "\\(c\\)"),
        ],
        &[
            ("E", "$e$"),
            ("E", "\\(e\\)"),
            ("E", "$$e$$"),
            ("E", "\\[e\\]"),
            ("E", "$e$."),
            ("E", "\\mathrm{e}"),
            ("E", "$\\mathit{e}$"),
            ("(E)", "$e$"),
            ("$E$", "$e$"),
            ("$\\text{E}$", "$e$"),
            ("I", "$i$"),
            ("A", "$a$"),
            ("$A$", "$a$"),
            ("D", "\\mathbf{d}"),
            ("\\text{K}", "$k$"),
        ],
    );
    for small in [
        "c",
        "c.",
        "(c)",
        "**c**",
        "\\text{c}",
        "$\\text{(c)}$",
        "option c",
        "$(c)$",
    ] {
        assert!(equal("C", small).equal, "{small}");
    }
    for (reference, response, same) in [
        ("E", "The answer is $e$.", false),
        ("E", "So it is $\\boxed{e}$.", false),
        ("$e$", "So it is $\\boxed{e}$.", true),
        ("C", "So it is \\boxed{c}.", true),
        ("E", "The answer is e.", true),
        ("E", "The answer is (e).", true),
    ] {
        let verdict = grade(reference, response).verdict;
        assert_eq!(
            verdict.equal, same,
            "{reference} | {response}: {}",
            verdict.reason
        );
    }
}

#[test]
fn reasons_are_short_and_human() {
    for (reference, answer, reason) in [
        ("\\frac12", "0.5", "same value 1/2"),
        ("3", "4", "3 ≠ 4"),
        ("\\sqrt{2}", "√2", "same value \\sqrt{2}"),
        ("(C)", "C", "same option C"),
        ("(C)", "D", "option C ≠ D"),
        ("\\text{east}", "East", "same text"),
        ("\\text{east}", "west", "\\text{east} ≠ west"),
        (
            "\\spadesuit",
            "\\clubsuit",
            "differs as text: \\spadesuit ≠ \\clubsuit",
        ),
        ("3", "", "no answer"),
    ] {
        assert_eq!(
            equal(reference, answer).reason,
            reason,
            "{reference} | {answer}"
        );
    }
}

#[test]
fn the_kind_is_guessed_from_the_reference() {
    for (reference, kind) in [
        ("18", AnswerKind::Number),
        ("\\frac{3}{4}", AnswerKind::Number),
        ("1,234", AnswerKind::Number),
        ("(C)", AnswerKind::Choice),
        ("B", AnswerKind::Choice),
        ("\\sqrt{2}", AnswerKind::Math),
        ("(3,4)", AnswerKind::Math),
        ("x^2+1", AnswerKind::Math),
        ("\\text{Evelyn}", AnswerKind::Text),
    ] {
        assert_eq!(AnswerKind::of(reference), kind, "{reference}");
    }
}

//! What models write around an answer, and what must not be read into it: one table per kind, each
//! with the answers that are right and those that only look so. `grade` reads the answer out.

use crate::grade;

/// Checks answers against one reference: the right ones, then the wrong ones.
fn check(reference: &str, right: &[&str], wrong: &[&str]) {
    let mut mistakes = Vec::new();
    for (answers, expected) in [(right, true), (wrong, false)] {
        for answer in answers {
            let graded = grade(reference, answer);
            if graded.verdict.equal != expected {
                let found = graded.extracted.map(|found| found.text);
                mistakes.push(format!(
                    "{reference} | {answer} | expected {expected}: {} (read: {found:?})",
                    graded.verdict.reason
                ));
            }
        }
    }
    assert!(mistakes.is_empty(), "\n{}", mistakes.join("\n"));
}

#[test]
fn a_named_value_is_the_value() {
    check(
        "41",
        &[
            "\\boxed{p+q=41}",
            "\\boxed{p + q + r = 20+20+1 = 41}",
            "Answer: a+b = 40+1 = 41",
            "\\boxed{g(3)=41}",
            "\\boxed{N_{\\max}=41}",
            "\\boxed{AB = 41}",
            "\\boxed{|PQ| = 41}",
            "\\boxed{\\angle B = 41}",
        ],
        &[
            "\\boxed{x^2=41}",
            "\\boxed{2p=41}",
            "\\boxed{41=7k}",
            "\\boxed{p+q=14}",
        ],
    );
    check("|PQ|=9", &["\\boxed{9}"], &["\\boxed{8}"]);
    check("\\frac{PQ}{RS}=4", &["\\boxed{4}"], &["\\boxed{\\frac14}"]);
    check("\\cos B=\\frac45", &["\\boxed{0.8}"], &["\\boxed{0.6}"]);
    // The same as a reference is an equation, which a number does not answer.
    check("x+y=7", &["\\boxed{y=7-x}"], &["\\boxed{7}"]);
    check(
        "f(x)=3x",
        &["\\boxed{3x}", "\\boxed{y=3x}"],
        &["\\boxed{g(x)=3x}"],
    );
}

#[test]
fn a_functions_value_is_no_product() {
    check(
        "0",
        &[],
        &["\\boxed{h(0)}", "\\boxed{v(0)}", "\\boxed{M(0)}"],
    );
    check(
        "g(4)",
        &["\\boxed{g(4)}"],
        &["\\boxed{4g}", "\\boxed{g(5)}", "\\boxed{f(4)}"],
    );
    check(
        "f(x+2)",
        &["\\boxed{f(2+x)}"],
        &["\\boxed{f(x)+2}", "\\boxed{f(x)+f(2)}"],
    );
    check("n(n+1)", &["\\boxed{n^2+n}"], &["\\boxed{n+1}"]);
    check(
        "h'(x)",
        &["\\boxed{h'(x)}"],
        &["\\boxed{h(x)}", "\\boxed{h''(x)}"],
    );
    check(
        "f(3) < f(0) < f(7)",
        &["\\boxed{f(3) < f(0) < f(7)}"],
        &["\\boxed{f(0) < f(3) < f(7)}"],
    );
}

#[test]
fn both_signs_are_two_values() {
    check(
        "x=\\pm6",
        &["\\boxed{6, -6}", "\\boxed{x=\\pm 6}"],
        &["\\boxed{x=6}", "\\boxed{-6}"],
    );
    check("x=6", &["\\boxed{6}"], &["\\boxed{x=\\pm6}"]);
    check("6\\%", &["\\boxed{0.06}"], &["\\boxed{x=\\pm6}"]);
    check("1,1,2", &["\\boxed{2,1,1}"], &["\\boxed{1,2}"]);
}

#[test]
fn an_approximation_stands_beside_the_exact_value() {
    let answer = "\\boxed{\\frac{5}{3} \\approx 1.67}";
    check("\\frac53", &[answer], &["\\boxed{\\frac43 \\approx 1.33}"]);
    check("1.67", &[answer], &[]);
    check(
        "\\frac53 \\approx 1.67",
        &["\\boxed{\\frac53}"],
        &["\\boxed{\\frac54}"],
    );
    check(
        "8",
        &["\\boxed{t \\approx 8}", "\\boxed{≈ 8}"],
        &["\\boxed{t \\approx 9}"],
    );
}

#[test]
fn a_reference_is_always_equal_to_itself() {
    for reference in [
        "2 - \\frac{3}{\\mathrm{e}}",
        "x^2 - 4x + 4 \\ge 0",
        "g^{-1}(x)=\\sqrt[3]{x+2}",
        "A^{-1}=\\left[\\begin{array}{rr}1 & 2 \\\\ 3 & 5\\end{array}\\right]",
        "31 ( story books)",
        "Machine 3",
        "(3b)^{2}=9b^{2}",
        "\\text{somewhat } \\heartsuit",
    ] {
        check(reference, &[&format!("\\boxed{{{reference}}}")], &[]);
    }
    check("3-\\mathrm{i}", &["\\boxed{3-i}"], &["\\boxed{3+i}"]);
}

#[test]
fn signs_between_digits_count() {
    check(
        "7:4",
        &["\\boxed{7:4}"],
        &["\\boxed{7.4}", "\\boxed{7,4}", "\\boxed{74}"],
    );
    check(
        "11:45",
        &["\\boxed{11:45}"],
        &["\\boxed{11.45}", "\\boxed{11,45}", "\\boxed{1:45}"],
    );
    check("6!!", &["\\boxed{48}"], &["\\boxed{6!}", "\\boxed{6}"]);
    check("B'", &["\\boxed{B'}"], &["\\boxed{B}"]);
    check(
        "\\frac{1}{34}k, k\\in\\mathbb{Z}",
        &["\\boxed{\\frac{1}{34}k, k \\in \\mathbb{Z}}"],
        &["\\boxed{\\frac{13}{4}k, k\\in\\mathbb{Z}}"],
    );
    check(
        "\\mathbb{R}\\setminus\\{3,4\\}",
        &[],
        &["\\boxed{\\mathbb{R}\\setminus\\{3.4\\}}"],
    );
}

#[test]
fn ratios_are_in_proportion() {
    check(
        "4:3",
        &["\\boxed{8:6}", "\\boxed{\\frac43}", "\\boxed{4/3}"],
        &["\\boxed{3:4}"],
    );
    check("P:Q=4:3", &["\\boxed{4:3}"], &["\\boxed{3:4}"]);
    check(
        "2:3:4",
        &["\\boxed{4:6:8}"],
        &["\\boxed{2,3,4}", "\\boxed{2:3:5}"],
    );
}

#[test]
fn repeating_decimals_are_fractions() {
    check(
        "\\frac{5}{9}",
        &[
            "\\boxed{0.\\overline{5}}",
            "\\boxed{0.\\dot{5}}",
            "\\boxed{0.555\\ldots}",
        ],
        &["\\boxed{0.55}"],
    );
    check(
        "\\frac{7}{30}",
        &["\\boxed{0.2\\overline{3}}"],
        &["\\boxed{0.\\overline{23}}"],
    );
    check(
        "\\frac{4}{11}",
        &["\\boxed{0.\\overline{36}}", "\\boxed{0.3636...}"],
        &["\\boxed{0.36}"],
    );
}

#[test]
fn the_sentence_behind_a_marker_is_read_and_no_further() {
    check(
        "26{,}104",
        &["The final answer is $26{,}104$. I hope it is correct. It ends in 4."],
        &["The final answer is $26{,}105$. It is near 26104."],
    );
    check(
        "\\frac25",
        &["The answer is $\\frac25$. Note that $\\frac12$ is more."],
        &["The answer is $\\frac12$, not $\\frac25$."],
    );
    check(
        "9",
        &[
            "The answer would be 9 (not 10).",
            "My answer is: **9**",
            "Answer → 9",
            "{\"answer\": 9}",
            "<answer>9</answer>",
            "A: 9",
            "The answer is not 8 but 9.",
        ],
        &[
            "The answer is not 9.",
            "The answer is 9 or 11.",
            "The answer is 5 + 4.",
            "The answer is between 9 and 11",
        ],
    );
    check(
        "x^2-3",
        &[
            "The answer is $x^2-3$, since $x<0$.",
            "The answer is x^2-3.",
        ],
        &["The answer is $x^2$, since $x^2-3$ is too small."],
    );
    check(
        "30",
        &[
            "She has 30.\n#### 30\n\nQuestion: How many are 2 and 2?\n#### 4",
            "#### 30 and so the sum of 2 steps holds.",
            "#### Answer: 30",
        ],
        &["#### 31 and not 30 steps."],
    );
    check(
        "8",
        &["\\boxed{5}</think>\n\nThe answer is 8."],
        &["\\boxed{8}</think> The answer is 5."],
    );
}

#[test]
fn numbers_in_sentences_keep_sign_and_size() {
    check(
        "-60",
        &[
            "The net change is -$60",
            "It falls by −60 degrees",
            "it is minus 60",
            "-\\boxed{60}",
        ],
        &["It is $60"],
    );
    check(
        "60",
        &[],
        &["The loss is -$60", "it is negative 60", "-\\boxed{60}"],
    );
    check(
        "15",
        &[
            "the area is 15 cm^2",
            "15 m²",
            "15 km/h",
            "the area is $15$ cm$^2$.",
        ],
        &["He left at 15:30."],
    );
    check(
        "\\frac{5}{8}",
        &["The chance is \\frac{5}{8}."],
        &["The chance is \\frac{5}{9}."],
    );
    check(
        "8",
        &[],
        &["The chance is \\frac{5}{8}.", "the area is 15 cm^8"],
    );
    check(
        "2.5",
        &[
            "It takes 2 1/2 hours.",
            "It takes 2½ hours.",
            "It takes 2 and a half hours.",
        ],
        &["It takes 1/2 hour."],
    );
    check("2500000", &["It costs $2.5 million."], &["It costs 2.5."]);
    check("16", &["The value is 2^4."], &["H2O16"]);
    check(
        "13",
        &["the total is thirteen", "\\boxed{thirteen}"],
        &["the total is thirty"],
    );
}

#[test]
fn the_option_that_is_chosen_counts() {
    check(
        "C",
        &[
            "Answer: C, because A and B are wrong",
            "The answer is C because (A) and (B) are wrong.",
            "C) Rome\n\nThe other options A, B and D are wrong.",
            "C\n\nExplanation: A is too small, B and D are too large.",
            "Answer: C, not B",
            "I would pick C — a safe choice.",
            "A and B are wrong, so it must be C",
            "c",
            "The correct answer is c.",
            "\\boxed{\\text{Answer: C}}",
            "First \\boxed{E = mc^2}.\n\nAnswer: C",
            "答案：C",
            "因此选C。",
            "C。不是 A",
            "정답: C",
        ],
        &[
            "Answer: B, because C is wrong",
            "B) Paris\n\nThe other options A, C and D are wrong.",
            "Answer: D, not C",
            "Both B and C",
            "\\boxed{B, C}",
        ],
    );
    check(
        "A",
        &["Answer: A is correct", "A is the answer"],
        &["A good choice would be D"],
    );
    check("Rome", &["\\boxed{C. Rome}"], &["\\boxed{C. Paris}"]);
}

#[test]
fn boxes_of_one_sentence_are_one_answer() {
    check(
        "4,9",
        &[
            "The roots are \\boxed{4} and \\boxed{9}.",
            "\\boxed{9}, \\boxed{4}",
            "\\boxed{4} pens and \\boxed{9} books",
        ],
        &["\\boxed{4} or \\boxed{8}"],
    );
    check(
        "9",
        &[
            "First \\boxed{4}, no wait, \\boxed{9}",
            "\\boxed{4}\n\nLet me see again. \\boxed{9}",
            "\\boxed{9} (within \\boxed as asked)",
        ],
        &["The roots are \\boxed{4} and \\boxed{9}"],
    );
    check(
        "x=1, y=4",
        &["\\boxed{x=1} and \\boxed{y=4}"],
        &["\\boxed{x=4} and \\boxed{y=1}"],
    );
    check("(4,1)", &["\\boxed{y=1, x=4}"], &["\\boxed{x=1, y=4}"]);
}

#[test]
fn units_that_differ_differ() {
    check(
        "7\\text{ m}",
        &["\\boxed{7}", "\\boxed{7\\text{ meters}}"],
        &["\\boxed{7\\text{ kg}}", "\\boxed{7\\text{ m}^2}"],
    );
    check(
        "8\\text{ AM}",
        &["\\boxed{8\\text{ a.m.}}"],
        &["\\boxed{8\\text{ PM}}"],
    );
    check(
        "6\\text{ boys}",
        &["\\boxed{6}", "\\boxed{6\\text{ small boys}}"],
        &["\\boxed{6\\text{ girls}}"],
    );
    check(
        "\\$6",
        &["\\boxed{6\\text{ dollars}}", "\\boxed{6}"],
        &["\\boxed{6^\\circ}", "\\boxed{6\\text{ cents}}"],
    );
    check(
        "48",
        &["\\boxed{4\\text{ dozen}}"],
        &["\\boxed{48\\text{ dozen}}"],
    );
    check(
        "3",
        &["\\boxed{3\\text{ (days)}}", "\\boxed{3 m/s}"],
        &[
            "\\boxed{3\\text{ thirds}}",
            "\\boxed{3\\text{ pairs}}",
            "\\boxed{3\\text{ or more}}",
            "\\boxed{\\text{about }3}",
            "\\boxed{3\\text{ to }7}",
        ],
    );
    check("4\\pmod 7", &["\\boxed{4}"], &["\\boxed{4\\pmod 9}"]);
}

#[test]
fn sets_have_many_spellings() {
    check(
        "\\mathbb{R}",
        &[
            "\\boxed{(-\\infty,\\infty)}",
            "\\boxed{\\text{all real numbers}}",
        ],
        &["\\boxed{(0,\\infty)}"],
    );
    check(
        "[-3,5)",
        &[
            "\\boxed{\\{x\\mid -3\\le x<5\\}}",
            "\\boxed{[-3,1]\\cup[1,5)}",
        ],
        &["\\boxed{[-3,1)\\cup(1,5)}"],
    );
    check(
        "x<4",
        &["\\boxed{-x>-4}", "\\boxed{2x<8}", "\\boxed{(-\\infty,4)}"],
        &["\\boxed{-x<-4}", "\\boxed{y<4}"],
    );
    check(
        "x \\neq 5",
        &[
            "\\boxed{x \\ne 5}",
            "\\boxed{x != 5}",
            "\\boxed{(-\\infty,5)\\cup(5,\\infty)}",
        ],
        &["\\boxed{x=5}"],
    );
    check("|x|<2", &["\\boxed{(-2,2)}"], &["\\boxed{[-2,2]}"]);
    check(
        "\\text{no solution}",
        &["\\boxed{\\emptyset}", "\\boxed{\\text{No solutions}}"],
        &["\\boxed{0}"],
    );
    check("3,4", &["\\boxed{4,3}"], &["\\boxed{3<x<4}"]);
}

#[test]
fn matrices_can_be_worked_out() {
    let reference = "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}";
    check(
        reference,
        &[
            "\\boxed{\\begin{pmatrix} 1 & 2 \\\\[2pt] 3 & 4 \\end{pmatrix}}",
            "\\boxed{\\begin{pmatrix} 1 & 2 \\cr 3 & 4 \\end{pmatrix}}",
            "\\boxed{\\frac12\\begin{pmatrix}2&4\\\\6&8\\end{pmatrix}}",
            "\\boxed{[[1,2],[3,4]]}",
        ],
        &[
            "\\boxed{2\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}}",
            "\\boxed{-2}",
        ],
    );
    check(
        "-2",
        &["\\boxed{\\begin{vmatrix}1&2\\\\3&4\\end{vmatrix}}"],
        &["\\boxed{\\begin{vmatrix}1&2\\\\3&5\\end{vmatrix}}"],
    );
}

#[test]
fn notation_of_many_hands_is_read() {
    check(
        "17",
        &[
            "\\boxed{\\bf 17}",
            "\\boxed{\\color{red}{17}}",
            "\\boxed{\\underline{17}}",
            "\\boxed{\\boldsymbol{17}}",
            "１７",
            "\\boxed{𝟏𝟕}",
            "\\boxed{\\begin{aligned}x=17\\end{aligned}}",
            "\\boxed{\"17\"}",
        ],
        &["\\boxed{\\phantom{1}7}"],
    );
    check(
        "200000",
        &["\\boxed{2,00,000}", "\\boxed{200'000}"],
        &["\\boxed{2,0,000}"],
    );
    check("7654321", &["\\boxed{7.654.321}"], &["\\boxed{7.654321}"]);
    check(
        "84",
        &[
            "\\boxed{{9 \\choose 3}}",
            "\\boxed{C_9^3}",
            "\\boxed{C(9,3)}",
            "\\boxed{_9C_3}",
        ],
        &["\\boxed{\\binom{8}{3}}"],
    );
    check(
        "\\binom{n}{2}",
        &["\\boxed{\\frac{n(n-1)}{2}}"],
        &["\\boxed{\\frac{n(n+1)}{2}}"],
    );
    check("k!", &["\\boxed{k\\cdot(k-1)!}"], &["\\boxed{(k-1)!}"]);
    check(
        "6",
        &["\\boxed{\\gcd(18,24)}", "\\boxed{\\max(2,6)}"],
        &["\\boxed{\\gcd(18,25)}"],
    );
    check("\\sqrt[3]{y}", &["\\boxed{y^{1/3}}"], &["\\boxed{y^{1/2}}"]);
    check(
        "3,-3",
        &["\\boxed{3\\text{或}-3}", "3、-3"],
        &["\\boxed{3\\text{或}3}"],
    );
    check("2.71", &["\\boxed{2,71}"], &["\\boxed{2,7,1}"]);
    check("x^3+C", &["\\boxed{x^3+c}"], &["\\boxed{x^3}"]);
}

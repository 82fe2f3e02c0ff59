//! Mathematics as people write it, out of what models write: `\frac{3}{4} \times 108` is 3/4 × 108.
//!
//! What is not understood stays as it is, and so does the text itself: only what is shown changes. A
//! formula may be spread over many tokens; the first of them then shows it, and the others nothing.
//!
//! Not here: laying out, and reading answers.

use std::collections::BTreeMap;
use std::ops::Range;

use s1_core::trace::Token;

/// Commands that stand for a sign.
const SIGNS: &[(&str, &str)] = &[
    ("alpha", "α"),
    ("beta", "β"),
    ("gamma", "γ"),
    ("delta", "δ"),
    ("epsilon", "ε"),
    ("varepsilon", "ε"),
    ("zeta", "ζ"),
    ("eta", "η"),
    ("theta", "θ"),
    ("iota", "ι"),
    ("kappa", "κ"),
    ("lambda", "λ"),
    ("mu", "μ"),
    ("nu", "ν"),
    ("xi", "ξ"),
    ("pi", "π"),
    ("rho", "ρ"),
    ("sigma", "σ"),
    ("tau", "τ"),
    ("upsilon", "υ"),
    ("phi", "φ"),
    ("varphi", "φ"),
    ("chi", "χ"),
    ("psi", "ψ"),
    ("omega", "ω"),
    ("Gamma", "Γ"),
    ("Delta", "Δ"),
    ("Theta", "Θ"),
    ("Lambda", "Λ"),
    ("Xi", "Ξ"),
    ("Pi", "Π"),
    ("Sigma", "Σ"),
    ("Phi", "Φ"),
    ("Psi", "Ψ"),
    ("Omega", "Ω"),
    ("times", "×"),
    ("cdot", "·"),
    ("div", "÷"),
    ("pm", "±"),
    ("mp", "∓"),
    ("le", "≤"),
    ("leq", "≤"),
    ("ge", "≥"),
    ("geq", "≥"),
    ("ne", "≠"),
    ("neq", "≠"),
    ("approx", "≈"),
    ("equiv", "≡"),
    ("cong", "≅"),
    ("sim", "~"),
    ("infty", "∞"),
    ("to", "→"),
    ("rightarrow", "→"),
    ("leftarrow", "←"),
    ("Rightarrow", "⇒"),
    ("implies", "⇒"),
    ("iff", "⇔"),
    ("sum", "∑"),
    ("prod", "∏"),
    ("int", "∫"),
    ("partial", "∂"),
    ("nabla", "∇"),
    ("in", "∈"),
    ("notin", "∉"),
    ("subset", "⊂"),
    ("subseteq", "⊆"),
    ("cup", "∪"),
    ("cap", "∩"),
    ("emptyset", "∅"),
    ("forall", "∀"),
    ("exists", "∃"),
    ("neg", "¬"),
    ("land", "∧"),
    ("lor", "∨"),
    ("angle", "∠"),
    ("circ", "°"),
    ("degree", "°"),
    ("triangle", "△"),
    ("perp", "⊥"),
    ("parallel", "∥"),
    ("mid", "|"),
    ("ldots", "…"),
    ("dots", "…"),
    ("cdots", "⋯"),
    ("prime", "′"),
    ("quad", "  "),
    ("qquad", "    "),
    ("lfloor", "⌊"),
    ("rfloor", "⌋"),
    ("lceil", "⌈"),
    ("rceil", "⌉"),
    ("langle", "⟨"),
    ("rangle", "⟩"),
    ("left", ""),
    ("right", ""),
    ("big", ""),
    ("Big", ""),
    ("displaystyle", ""),
];

/// Commands whose argument is shown as it is.
const PLAIN: &[&str] = &[
    "text",
    "textbf",
    "textit",
    "mathrm",
    "mathbf",
    "mathit",
    "mathbb",
    "operatorname",
    "mbox",
];

/// Characters after a backslash that stand for themselves, or for a space.
const ESCAPED: &[(char, &str)] = &[
    ('%', "%"),
    ('$', "$"),
    ('{', "{"),
    ('}', "}"),
    ('_', "_"),
    ('#', "#"),
    ('&', "&"),
    (',', " "),
    (';', " "),
    (':', " "),
    ('!', ""),
    (' ', " "),
    ('(', ""),
    (')', ""),
    ('[', ""),
    (']', ""),
];

const RAISED: (&str, &str) = ("0123456789+-=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ");
const LOWERED: (&str, &str) = ("0123456789+-=()aeoxijn", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓᵢⱼₙ");

/// Deeper than anybody nests; what is deeper stays as it is.
const DEEPEST: usize = 12;

/// Reads a piece of mathematics from a place on.
struct MathReader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> MathReader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_blank(&mut self) {
        let blank = self.rest().len() - self.rest().trim_start_matches(' ').len();
        self.at += blank;
    }

    /// What stands between two brackets, the inner pairs included; `None` where it is not closed.
    fn group(&mut self, open: char, close: char) -> Option<&'a str> {
        if self.peek()? != open {
            return None;
        }
        let mut depth = 0;
        let mut escaped = false;
        for (i, c) in self.rest().char_indices() {
            match c {
                _ if escaped => {}
                '\n' => return None,
                c if c == open => depth += 1,
                c if c == close => depth -= 1,
                _ => {}
            }
            escaped = c == '\\' && !escaped;
            if depth == 0 {
                let inside = &self.rest()[open.len_utf8()..i];
                self.at += i + close.len_utf8();
                return Some(inside);
            }
        }
        None
    }

    /// The argument of a command: a group, or one character.
    fn argument(&mut self) -> Option<&'a str> {
        self.skip_blank();
        match self.peek()? {
            '{' => self.group('{', '}'),
            '\\' | '}' | '\n' => None,
            c => {
                let one = &self.rest()[..c.len_utf8()];
                self.at += c.len_utf8();
                Some(one)
            }
        }
    }

    /// A command at a place: what it is shown as. Goes behind it where it is understood.
    fn command(&mut self, depth: usize) -> Option<String> {
        let start = self.at;
        let shown = self.command_or_not(depth);
        if shown.is_none() {
            self.at = start;
        }
        shown
    }

    fn command_or_not(&mut self, depth: usize) -> Option<String> {
        let after = self.rest().strip_prefix('\\')?;
        let name: &str = {
            let end = after.find(|c: char| !c.is_ascii_alphabetic());
            &after[..end.unwrap_or(after.len())]
        };
        if name.is_empty() {
            let c = after.chars().next()?;
            let (_, shown) = ESCAPED.iter().find(|(known, _)| *known == c)?;
            self.at += 1 + c.len_utf8();
            return Some((*shown).to_owned());
        }
        self.at += 1 + name.len();
        let inside = |text: &str| converted(text, true, depth + 1);
        match name {
            "frac" | "dfrac" | "tfrac" => {
                let (above, below) = (self.argument()?, self.argument()?);
                Some(format!("{}/{}", bound(inside(above)), bound(inside(below))))
            }
            "sqrt" => {
                let root = match self.peek() {
                    Some('[') => shifted(self.group('[', ']')?, RAISED)?,
                    _ => String::new(),
                };
                Some(format!("{root}√{}", bound(inside(self.argument()?))))
            }
            "boxed" => Some(format!("[{}]", inside(self.argument()?))),
            "overline" | "bar" => Some(format!("‾{}", bound(inside(self.argument()?)))),
            name if PLAIN.contains(&name) => Some(inside(self.argument()?)),
            name => {
                let (_, sign) = SIGNS.iter().find(|(known, _)| *known == name)?;
                Some((*sign).to_owned())
            }
        }
    }

    /// An exponent or an index at a place; `None` where there is none, or no signs for it.
    fn shift(&mut self, depth: usize) -> Option<String> {
        let start = self.at;
        let sign = self.peek()?;
        let signs = match sign {
            '^' => RAISED,
            '_' => LOWERED,
            _ => return None,
        };
        self.at += 1;
        let shown = match self.peek() {
            // A degree is high already.
            Some('\\') => self
                .command(depth + 1)
                .filter(|shown| ["°", "′"].contains(&&**shown)),
            _ => self.argument().map(|argument| {
                let argument = converted(argument, true, depth + 1);
                match shifted(&argument, signs) {
                    _ if ["°", "′"].contains(&&*argument) => argument,
                    Some(shown) => shown,
                    None => format!("{sign}{}", bound(argument)),
                }
            }),
        };
        if shown.is_none() {
            self.at = start;
        }
        shown
    }
}

/// A text in small signs, if there is one for each of its characters.
fn shifted(text: &str, (plain, small): (&str, &str)) -> Option<String> {
    let sign = |c| plain.chars().position(|known| known == c);
    let signs = text.chars().map(|c| small.chars().nth(sign(c)?));
    signs
        .collect::<Option<String>>()
        .filter(|signs| !signs.is_empty())
}

/// A part of a formula, in parentheses where it is more than one thing.
fn bound(text: String) -> String {
    let text = text.trim().to_owned();
    let one = |c: char| c.is_alphanumeric() || ".,°′√∞%".contains(c) || "⁰¹²³⁴⁵⁶⁷⁸⁹".contains(c);
    let whole = text.starts_with('(') && text.ends_with(')') && !text[1..].contains('(');
    match text.chars().all(one) || whole {
        true => text,
        false => format!("({text})"),
    }
}

/// A text with all its mathematics readable; `within` says that all of it is a formula.
fn converted(text: &str, within: bool, depth: usize) -> String {
    if depth > DEEPEST {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (range, shown) in pieces(text, within, depth) {
        out.push_str(&text[from..range.start]);
        out.push_str(&shown);
        from = range.end;
    }
    out + &text[from..]
}

/// The pieces of a text that are shown otherwise, in order.
fn pieces(text: &str, within: bool, depth: usize) -> Vec<(Range<usize>, String)> {
    let mut found = Vec::new();
    if !text.contains(['\\', '^', '_']) {
        return found;
    }
    let mut reader = MathReader { text, at: 0 };
    let mut formula = within;
    while let Some(c) = reader.peek() {
        let start = reader.at;
        let delimiter = reader.rest().get(..2).unwrap_or_default();
        match delimiter {
            "\\(" | "\\[" => formula = true,
            "\\)" | "\\]" => formula = within,
            _ => {}
        }
        let shown = match c {
            '\\' => reader.command(depth),
            '^' | '_' if formula => reader.shift(depth),
            '^' if delimiter == "^{" => reader.shift(depth),
            _ => None,
        };
        match shown {
            Some(shown) => found.push((start..reader.at, shown)),
            None => reader.at += c.len_utf8(),
        }
    }
    found
}

/// A text with its mathematics readable.
pub fn readable(text: &str) -> String {
    converted(text, false, 0)
}

/// What tokens show instead of their text, where that is something else.
#[derive(Clone, Debug, Default)]
pub struct Maths {
    shown: BTreeMap<usize, String>,
    /// Number of tokens looked at.
    seen: usize,
    /// All tokens show their text.
    pub raw: bool,
}

impl Maths {
    /// What a token shows.
    pub fn text<'a>(&'a self, at: usize, token: &'a Token) -> &'a str {
        self.shown
            .get(&at)
            .map_or(token.text.as_str(), String::as_str)
    }

    /// Brings it up to date with `tokens`, of which those before `unchanged` are as they were. Returns
    /// the first that shows something else than before; `unchanged` if there is none before it.
    pub fn update(&mut self, tokens: &[Token], unchanged: usize) -> usize {
        if unchanged == tokens.len() && self.seen == unchanged {
            return unchanged;
        }
        self.seen = tokens.len();
        // A formula does not go on behind a line break.
        let head = tokens.get(..unchanged).unwrap_or(tokens);
        let from = head.iter().rposition(|token| token.text.contains('\n'));
        let from = from.map_or(0, |at| at + 1);
        let old = self.shown.split_off(&from);
        if !self.raw {
            self.shown.extend(shown(&tokens[from..], from));
        }
        let new = self.shown.range(from..);
        let differs = |at: &usize| old.get(at) != self.shown.get(at);
        let first = new
            .map(|(at, _)| at)
            .chain(old.keys())
            .filter(|at| differs(at))
            .min();
        first.map_or(unchanged, |first| unchanged.min(*first))
    }
}

/// What tokens show that is not their text; the first has the index `from`.
fn shown(tokens: &[Token], from: usize) -> Vec<(usize, String)> {
    if !tokens.iter().any(|token| token.text.contains(['\\', '^'])) {
        return Vec::new();
    }
    let text: String = tokens.iter().map(|token| token.text.as_str()).collect();
    let pieces = pieces(&text, false, 0);
    let mut out = Vec::new();
    let mut pieces = pieces.iter().peekable();
    let mut start = 0;
    for (i, token) in tokens.iter().enumerate() {
        let end = start + token.text.len();
        let mut own = String::new();
        let mut at = start;
        while let Some((range, shown)) = pieces.peek() {
            if range.start >= end {
                break;
            }
            own.push_str(text.get(at..range.start.max(at)).unwrap_or_default());
            if range.start >= start {
                own.push_str(shown);
            }
            at = range.end.min(end).max(at);
            if range.end > end {
                break;
            }
            pieces.next();
        }
        own.push_str(text.get(at..end).unwrap_or_default());
        if own != token.text.as_str() {
            out.push((from + i, own));
        }
        start = end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use s1_core::trace::Phase;

    /// A user would lose: a thought they can read.
    #[test]
    fn formulas_read_as_people_write_them() {
        for (text, shown) in [
            (r"\frac{3}{4} \times 108", "3/4 × 108"),
            (r"\dfrac{a+b}{2c}", "(a+b)/2c"),
            (r"\sqrt{2}, \sqrt{x+1}, \sqrt[3]{8}", "√2, √(x+1), ³√8"),
            (r"\(x^2 + y_1 \leq 10^{12}\)", "x² + y₁ ≤ 10¹²"),
            (r"\[ 3 \text{ boxes} \cdot \pi \]", " 3  boxes · π "),
            (r"Final Answer: \(\boxed{27}\)", "Final Answer: [27]"),
            (r"\boxed{\frac{1}{\sqrt{2}}}", "[1/√2]"),
            (r"90^{\circ} and \(45^\circ\)", "90° and 45°"),
            (r"\(2^{n+k}\)", "2^(n+k)"),
            (r"50\% of \$4", "50% of $4"),
            (r"\left( \alpha \right)", "( α )"),
        ] {
            assert_eq!(readable(text), shown, "{text}");
        }
    }

    #[test]
    fn what_is_not_mathematics_or_not_whole_stays() {
        for text in [
            r"C:\Users\ada",
            r"a ^ b, snake_case_name, x^2",
            r"\frac{1}{",
            r"\frac",
            r"\",
            "{}",
            "\\sqrt{1\n}",
            r"\unknown{x}",
            "日本^語",
        ] {
            assert_eq!(readable(text), text);
        }
        let deep = r"\sqrt{".repeat(500) + "1" + &"}".repeat(500);
        assert!(readable(&deep).contains('1'), "and nothing overflows");
    }

    fn tokens(texts: &[&str]) -> Vec<Token> {
        let token = |text: &&str| Token::new(0, *text, Phase::Thinking);
        texts.iter().map(token).collect()
    }

    fn seen(maths: &Maths, tokens: &[Token]) -> String {
        let text = |(at, token)| maths.text(at, token).to_owned();
        tokens.iter().enumerate().map(text).collect()
    }

    #[test]
    fn a_formula_over_many_tokens_is_shown_by_its_first_while_it_streams() {
        let texts = [
            "so", " \\", "frac", "{", "3", "}{", "4", "}", " of", " 8\n", " \\", "pi",
        ];
        let all = tokens(&texts);
        let mut maths = Maths::default();
        let mut changed = Vec::new();
        for n in 1..=all.len() {
            changed.push(maths.update(&all[..n], n - 1));
        }
        assert_eq!(seen(&maths, &all), "so 3/4 of 8\n π");
        assert_eq!(
            changed[7], 1,
            "the brace that closes it changes its first token"
        );
        assert_eq!(changed[9], 9);
        let whole = Maths::default();
        let mut whole = whole;
        whole.update(&all, 0);
        assert_eq!(whole.shown, maths.shown);
        maths.raw = true;
        assert_eq!(maths.update(&all, 0), 0);
        assert_eq!(seen(&maths, &all), texts.concat());
    }
}

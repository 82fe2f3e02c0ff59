//! LaTeX commands: what they mean, and which only dress the answer.

use super::{Environment, Lexeme, Lexer};

/// Greek letters by their LaTeX names, and in the same order; π is a constant, not a letter.
const GREEK: (&str, &str) = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu \
     nu xi rho sigma tau phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi \
     Psi Omega ell",
    "αβγδεεζηθθικλμνξρστφφχψωΓΔΘΛΞΠΣΦΨΩl",
);

/// Commands that say how something looks: size, weight, space. Their argument, if they have one, is
/// part of the answer.
const DRESS: &str = "left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr displaystyle \
     textstyle scriptstyle limits quad qquad thinspace mathopen mathclose mathstrut boxed Boxed fbox \
     framebox underline underbrace bf it rm sf tt bfseries itshape rmfamily tiny small normalsize \
     large Large LARGE huge Huge boldsymbol pmb bm bold mathsf mathtt mathit mathnormal \
     textcolor overrightarrow vec ensuremath";

/// Commands whose argument is no part of the answer.
const DROPPED: [&str; 7] = [
    "phantom",
    "hspace",
    "vspace",
    "color",
    "textcolor",
    "tag",
    "label",
];

impl Lexer {
    /// A command, without the backslash it starts with.
    pub(super) fn command(&mut self) -> Option<()> {
        self.at += 1;
        let c = self.peek(0)?;
        if !c.is_ascii_alphabetic() {
            self.at += 1;
            return self.punctuation(c);
        }
        let name = self.run_of(char::is_ascii_alphabetic);
        // `\quadx` is a space and an x to those who wrote it.
        if let Some(rest) = name.strip_prefix("quad").filter(|rest| !rest.is_empty()) {
            self.at -= rest.len();
            return Some(());
        }
        if DROPPED.contains(&name.as_str()) {
            self.braced();
            return Some(());
        }
        // Two boxes side by side are two answers.
        if name.ends_with("oxed") && self.last() == Some(&Lexeme::Symbol('}')) {
            self.symbol(';');
        }
        if DRESS.split_whitespace().any(|dress| dress == name) {
            if matches!(name.as_str(), "left" | "right") && self.peek(0) == Some('.') {
                self.at += 1;
            }
            return Some(());
        }
        match name.as_str() {
            "text" | "mbox" | "textbf" | "textit" | "textrm" | "textnormal" | "texttt"
            | "textsf" | "mathrm" | "operatorname" | "hbox" => {
                let content = self.braced();
                self.words_in_text(content.trim_matches(|c: char| c.is_whitespace() || c == '~'))?;
            }
            "mathbf" | "hat" => self.bold(),
            "mathbb" | "mathds" => self.number_set()?,
            "overline" | "bar" | "widehat" | "tilde" => self.marked_letters(&name)?,
            "begin" | "end" => self.environment(name == "begin")?,
            "pmatrix" | "bmatrix" | "matrix" | "vmatrix" => self.plain_matrix(&name)?,
            "cr" | "newline" => self.row_break(),
            "Omega" | "mu" if self.names_a_unit(&name) => self.push(Lexeme::Text(name)),
            "prime" => return None,
            _ => match symbol_of(&name) {
                Some(symbol) => self.symbol(symbol),
                None => {
                    let greek = GREEK.0.split(' ').position(|spelled| spelled == name);
                    self.push(match greek.and_then(|at| GREEK.1.chars().nth(at)) {
                        Some(letter) => Lexeme::Name(letter.to_string()),
                        None => Lexeme::Command(canonical(name)),
                    });
                }
            },
        }
        Some(())
    }

    /// A backslash before a sign.
    fn punctuation(&mut self, c: char) -> Option<()> {
        match c {
            '{' => self.symbol('⦃'),
            '}' => self.symbol('⦄'),
            '|' => self.symbol('|'),
            '%' => self.symbol('%'),
            '$' => self.out.currency = Some("dollar"),
            // A command with its backslash doubled, as in a string of JSON.
            '\\' if self.environments.is_empty()
                && self.peek(0).is_some_and(|c| c.is_ascii_alphabetic()) =>
            {
                self.at -= 1;
                return self.command();
            }
            '\\' => self.row_break(),
            ',' | ';' | ':' | '!' | ' ' | '(' | ')' | '[' | ']' | '\n' | '#' => {}
            _ => return None,
        }
        Some(())
    }

    /// `\\`, `\cr`, and the space that may follow them: `\\[2pt]`.
    fn row_break(&mut self) {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|c| *c == ']');
        if let Some(length) = length.filter(|_| rest.first() == Some(&'['))
            && rest[1..length]
                .iter()
                .all(|c| c.is_ascii_alphanumeric() || *c == '.')
            && rest[length - 1].is_ascii_alphabetic()
        {
            self.at += length + 1;
        }
        if self.environments.last() != Some(&Environment::Layout) {
            self.push(Lexeme::RowBreak);
        }
    }

    /// The content of the next pair of balanced braces; empty when no brace follows.
    pub(super) fn braced(&mut self) -> String {
        while self.peek(0).is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        let mut content = String::new();
        if self.peek(0) != Some('{') {
            return content;
        }
        let mut depth = 0_usize;
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if !(c == '{' && depth == 1) {
                content.push(c);
            }
        }
        content
    }

    /// Puts `text` before what is still to be read.
    pub(super) fn splice(&mut self, text: &str) {
        self.chars.splice(self.at..self.at, text.chars());
    }

    /// A bold letter is that letter, but i, j and k are unit vectors then.
    fn bold(&mut self) {
        let content = self.braced();
        let inner = content
            .trim_start_matches("\\hat")
            .trim_matches(['{', '}', ' ']);
        match inner {
            "i" => self.push(Lexeme::Name("𝐢".into())),
            "j" => self.push(Lexeme::Name("𝐣".into())),
            "k" => self.push(Lexeme::Name("𝐤".into())),
            _ => self.splice(&content),
        }
    }

    /// `\mathbb{R}`, `\mathbb R`.
    fn number_set(&mut self) -> Option<()> {
        let mut content = self.braced();
        if content.is_empty() {
            content.push(self.peek(0)?);
            self.at += 1;
        }
        let set = match content.as_str() {
            "R" => "ℝ",
            "Z" => "ℤ",
            "N" => "ℕ",
            "Q" => "ℚ",
            "C" => "ℂ",
            _ => return None,
        };
        self.push(Lexeme::Name(set.into()));
        Some(())
    }

    /// A line over one letter makes another letter; over several it names their segment, by which its
    /// length is meant.
    fn marked_letters(&mut self, mark: &str) -> Option<()> {
        let content = self.braced();
        let letters = content.chars().all(|c| c.is_ascii_alphabetic());
        match content.chars().count() {
            1 if letters => self.push(Lexeme::Name(format!("{content}({mark})"))),
            0 => return None,
            _ if letters && mark == "overline" => self.splice(&content),
            _ => return None,
        }
        Some(())
    }

    fn environment(&mut self, begin: bool) -> Option<()> {
        let name = self.braced();
        let kind = match name.trim_end_matches('*') {
            "pmatrix" | "bmatrix" | "matrix" | "Bmatrix" | "smallmatrix" | "array" => {
                Environment::Matrix
            }
            "vmatrix" => Environment::Determinant,
            "aligned" | "align" | "gathered" | "gather" | "split" | "equation" => {
                Environment::Layout
            }
            _ => return None,
        };
        if begin {
            if name == "array" {
                self.braced();
            }
            self.open(kind);
        } else {
            self.close(kind)?;
        }
        Some(())
    }

    fn open(&mut self, kind: Environment) {
        self.environments.push(kind);
        if kind == Environment::Determinant {
            self.symbol('|');
        }
        if kind != Environment::Layout {
            self.push(Lexeme::Begin);
        }
    }

    fn close(&mut self, kind: Environment) -> Option<()> {
        if self.environments.pop() != Some(kind) {
            return None;
        }
        if kind != Environment::Layout {
            self.push(Lexeme::End);
        }
        if kind == Environment::Determinant {
            self.symbol('|');
        }
        Some(())
    }

    /// Plain TeX's `\pmatrix{1&2\cr3&4}`.
    fn plain_matrix(&mut self, name: &str) -> Option<()> {
        let content = self.braced();
        if content.is_empty() {
            return None;
        }
        self.splice(&format!("{content}\\end{{{name}}}"));
        self.open(match name {
            "vmatrix" => Environment::Determinant,
            _ => Environment::Matrix,
        });
        Some(())
    }

    /// Whether `\Omega` or `\mu` here is the unit behind a number: Ω ends the answer, μ is a prefix.
    fn names_a_unit(&self, name: &str) -> bool {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let rest: String = rest.iter().take(8).collect();
        let rest = rest.trim_start_matches(['}', ' ', '$', '{']);
        let goes_on = match name {
            "mu" => rest.starts_with("\\text") || rest.starts_with("\\mathrm"),
            _ => rest.is_empty(),
        };
        matches!(self.last(), Some(Lexeme::Number(_))) && goes_on
    }
}

/// Commands that are another spelling of one character.
fn symbol_of(name: &str) -> Option<char> {
    Some(match name {
        "cdot" | "times" | "ast" => '*',
        "div" => '/',
        "pm" => '±',
        "mp" => '∓',
        "cup" => '∪',
        "cap" => '∩',
        "setminus" | "backslash" => '∖',
        "approx" | "simeq" => '≈',
        "equiv" => '≡',
        "in" => '∈',
        "le" | "leq" | "leqslant" => '≤',
        "ge" | "geq" | "geqslant" => '≥',
        "ne" | "neq" => '≠',
        "lt" => '<',
        "gt" => '>',
        "infty" => '∞',
        "pi" => 'π',
        "circ" | "degree" | "degrees" => '°',
        "lvert" | "rvert" | "vert" | "mid" => '|',
        "langle" => '⟨',
        "rangle" => '⟩',
        "lbrace" => '⦃',
        "rbrace" => '⦄',
        "lparen" => '(',
        "rparen" => ')',
        "lbrack" => '[',
        "rbrack" => ']',
        "percent" => '%',
        "colon" => ':',
        "land" | "lor" | "wedge" | "vee" => ';',
        _ => return None,
    })
}

/// One name for the commands that have several.
fn canonical(name: String) -> String {
    match name.as_str() {
        "dfrac" | "tfrac" | "cfrac" => "frac".into(),
        "dbinom" | "tbinom" => "binom".into(),
        "lg" => "log".into(),
        "mod" => "bmod".into(),
        "varnothing" => "emptyset".into(),
        _ => name,
    }
}

//! How thinking opens and ends: the texts of a model's family, resolved to tokens.
//!
//! Every delimiter is written as text and resolved through the model's own tokenizer: wrong,
//! hard-coded ids are the usual reason why a budget is silently ignored.

use std::borrow::Cow;

use crate::family::Family;

/// What the delimiters need to know of a tokenizer.
pub trait TokenLookup {
    /// Ids of a text, special tokens parsed, without a begin-of-text token.
    fn encode(&self, text: &str) -> Vec<u32>;
    /// Id of the single token that is exactly this text, if there is one.
    fn token(&self, text: &str) -> Option<u32>;
    /// Every id that ends a turn.
    fn turn_ends(&self) -> Vec<u32>;
}

/// What begins the answer for a model whose thinking was ended for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Primer {
    /// Nothing: the model begins its answer by itself.
    #[default]
    None,
    /// The words with which the paper's own delimiter ends.
    Answer,
    /// The same, and the box that the question asks for.
    Boxed,
}

impl Primer {
    /// All of them; [`Delimiters::forced`] has an end for each.
    const ALL: [Primer; 3] = [Primer::None, Primer::Answer, Primer::Boxed];

    /// What is written.
    pub fn text(self) -> &'static str {
        match self {
            Primer::None => "",
            Primer::Answer => "Final Answer:",
            Primer::Boxed => "Final Answer: \\boxed{",
        }
    }
}

/// Delimiters as text; the starting point for overrides.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The family's name.
    pub family: String,
    /// Appended to the assistant's turn so that the model starts to think.
    pub open: String,
    /// Appended to the assistant's turn so that the model answers at once, where its template does not
    /// say how.
    pub skip: String,
    /// Whether `skip` is written even where nothing in the template says that the model thinks.
    pub always_skip: bool,
    /// The tag that opens thinking when the model writes it by itself; empty for none.
    pub open_tag: String,
    /// The text with which the model ends its thinking.
    pub end_tag: String,
    /// What follows when the model ended by itself. `None`: its own delimiter stays and generation continues.
    pub natural_close: Option<String>,
    /// What is appended when the thinking is ended for it, or when it ended its turn.
    pub forced_close: String,
    /// Whether a cut begins with a newline where the text does not end in one, and the model writes
    /// the newline behind `open` by itself.
    pub newline_first: bool,
    /// Whether the model needs a [`Primer`]: one that was never trained to stop at `end_tag` goes on
    /// to reason in its answer without it.
    pub needs_primer: bool,
    /// What the answers of the family's own training data begin with; empty for nothing.
    pub answer_mark: String,
}

/// What a template does for a turn without thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutThinking {
    /// It has a switch, and writes something else for it.
    Switched,
    /// It has none, but it knows thoughts; or there is no template.
    Knows,
    /// Nothing in it says that the model thinks.
    Nothing,
}

impl Spec {
    /// The family's delimiters.
    pub fn of(family: &Family) -> Spec {
        Spec {
            family: family.name.clone(),
            open: family.open.clone(),
            skip: family.skip.clone(),
            always_skip: family.always_skip,
            open_tag: family.open_tag.clone(),
            end_tag: family.end_tag.clone(),
            natural_close: family.natural.clone(),
            forced_close: family.close.clone(),
            newline_first: family.newline_first,
            needs_primer: family.primer,
            answer_mark: family.answer_mark.clone(),
        }
    }

    /// What begins the answer after a forced end. `wanted` is what the user says (`None`: what suits
    /// the model), `boxed` whether the question asks for a box.
    pub fn primer(&self, wanted: Option<bool>, boxed: bool) -> Primer {
        let written = self.forced_close.contains(Primer::Answer.text());
        match wanted.unwrap_or(self.needs_primer) && !written {
            false => Primer::None,
            true if boxed => Primer::Boxed,
            true => Primer::Answer,
        }
    }

    /// What to append to a rendered prompt so that it opens thinking once, and once only: some
    /// templates open it themselves, and then as the model knows it.
    pub fn opening<'a>(&'a self, prompt: &str) -> &'a str {
        if !self.open_tag.is_empty() && prompt.trim_end().ends_with(&self.open_tag) {
            return "";
        }
        &self.open
    }

    /// What to append to a rendered prompt so that the model answers without thinking. `template` is
    /// what its template does for that by itself.
    pub fn skipping(&self, prompt: &str, template: WithoutThinking) -> Cow<'_, str> {
        let end = prompt.trim_end();
        if end.ends_with(&self.end_tag) {
            return "".into();
        }
        if !self.open_tag.is_empty() && end.ends_with(&self.open_tag) {
            // The template has opened it already: close it again.
            let line = if prompt.ends_with('\n') { "\n" } else { "" };
            return format!("{line}{}", self.forced_close).into();
        }
        match template {
            WithoutThinking::Switched => "".into(),
            WithoutThinking::Nothing if !self.always_skip => "".into(),
            _ => self.skip.as_str().into(),
        }
    }
}

/// What ends a thought by force.
#[derive(Clone, Debug, PartialEq)]
pub struct ForcedEnd {
    /// Closes the thinking where it stands.
    close: Vec<u32>,
    /// Closes the thinking on a line of its own, after a text that does not end in a newline.
    close_below: Vec<u32>,
    /// Whether it is closed on a line of its own where nobody says.
    newline: bool,
    /// Begins the answer; empty for nothing.
    pub primer: Vec<u32>,
}

impl ForcedEnd {
    fn resolve(spec: &Spec, primer: Primer, vocabulary: &dyn TokenLookup) -> ForcedEnd {
        // A primer stands below a delimiter on a line of its own, as in the paper.
        let newline = spec.newline_first || primer != Primer::None;
        let begins = vocabulary.encode(primer.text());
        // Encoded in one piece, as the model would read it, and then parted where the primer begins.
        let close = |before: &str| {
            let mut whole =
                vocabulary.encode(&format!("{before}{}{}", spec.forced_close, primer.text()));
            let same = whole.iter().rev().zip(begins.iter().rev());
            let same = same.take_while(|(a, b)| a == b).count();
            let primer = whole.split_off(whole.len() - same);
            (whole, primer)
        };
        let (at_line_start, primer) = close("");
        ForcedEnd {
            close_below: close("\n").0,
            close: at_line_start,
            newline,
            primer,
        }
    }

    /// What closes the thinking, where the text before it ends in a newline or not. `newline` says
    /// whether it begins a line (`None`: as suits the model).
    pub fn close(&self, after_newline: bool, newline: Option<bool>) -> &[u32] {
        match newline.unwrap_or(self.newline) && !after_newline {
            false => &self.close,
            true => &self.close_below,
        }
    }
}

/// Delimiters resolved to token ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Delimiters {
    /// The texts they come from.
    pub spec: Spec,
    /// Single tokens that end thinking. Empty where the end is only ever written as text.
    pub end_ids: Vec<u32>,
    /// Single tokens that open thinking; never wanted inside a thought.
    pub open_ids: Vec<u32>,
    /// Tokens that end the turn.
    pub turn_ids: Vec<u32>,
    /// Appended after a natural end, in place of the model's own delimiter.
    pub natural_close: Option<Vec<u32>>,
    /// Appended when the thinking is ended for it, for each primer.
    forced: [ForcedEnd; 3],
}

impl Delimiters {
    /// Resolves the texts through the tokenizer. Errors, as one sentence, where a delimiter has
    /// no tokens at all, since a budget could then never take effect.
    pub fn resolve(spec: Spec, vocabulary: &dyn TokenLookup) -> Result<Delimiters, String> {
        if vocabulary.encode(&spec.forced_close).is_empty() {
            return Err(format!(
                "the end-of-thinking delimiter {:?} has no tokens in this model's vocabulary; give another with --think-close",
                spec.forced_close
            ));
        }
        if spec.end_tag.is_empty() {
            return Err("the end-of-thinking tag is empty; give one with --think-end".into());
        }
        let natural_close = spec.natural_close.as_deref().map(|t| vocabulary.encode(t));
        let forced = Primer::ALL.map(|primer| ForcedEnd::resolve(&spec, primer, vocabulary));
        let single = |tag: &str| {
            if tag.is_empty() {
                Vec::new()
            } else {
                vocabulary.token(tag).into_iter().collect()
            }
        };
        Ok(Delimiters {
            end_ids: single(&spec.end_tag),
            open_ids: single(&spec.open_tag),
            turn_ids: vocabulary.turn_ends(),
            natural_close,
            forced,
            spec,
        })
    }

    /// Every single token that ends thinking, the ends of turn included.
    pub fn ends(&self) -> impl Iterator<Item = u32> + '_ {
        self.end_ids.iter().chain(&self.turn_ids).copied()
    }

    /// What ends a thought by force.
    pub fn forced(&self, primer: Primer) -> &ForcedEnd {
        &self.forced[primer as usize]
    }

    /// Single tokens that end thinking and have no place right after a forced end: a model that is
    /// cut off in its thought would end it once more.
    pub fn closed(&self) -> &[u32] {
        match self.natural_close {
            // Here they begin a turn, which is the end of the answer.
            Some(_) => &[],
            None => &self.end_ids,
        }
    }

    /// Most tokens an end of thinking appends; the room to keep free for it.
    pub fn longest_close(&self) -> usize {
        let forced = self.forced.iter().map(|end| {
            let close = end.close.len().max(end.close_below.len());
            close + end.primer.len()
        });
        let natural = self.natural_close.iter().map(Vec::len);
        forced.chain(natural).max().unwrap_or(0)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Delimiters, Primer, Spec, TokenLookup, WithoutThinking};
    use crate::family::Families;

    /// A made-up vocabulary: a few whole tokens, every other character its own token.
    pub(crate) struct Toy(pub &'static [(&'static str, u32)]);

    impl TokenLookup for Toy {
        fn encode(&self, text: &str) -> Vec<u32> {
            let mut ids = Vec::new();
            let mut rest = text;
            while let Some(c) = rest.chars().next() {
                let whole = self.0.iter().find(|(t, _)| rest.starts_with(t));
                let (len, id) = match whole {
                    Some((t, id)) => (t.len(), *id),
                    None => (c.len_utf8(), c as u32),
                };
                ids.push(id);
                rest = &rest[len..];
            }
            ids
        }
        fn token(&self, text: &str) -> Option<u32> {
            self.0.iter().find(|(t, _)| *t == text).map(|(_, id)| *id)
        }
        fn turn_ends(&self) -> Vec<u32> {
            self.0
                .iter()
                .filter(|(t, _)| matches!(*t, "<|im_end|>" | "<|endoftext|>"))
                .map(|(_, id)| *id)
                .collect()
        }
    }

    /// Families of the bundled table that the tests of the method use.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Family {
        S1,
        Qwen3,
        R1,
        Generic,
    }

    impl Family {
        pub(crate) fn spec(self) -> Spec {
            let name = match self {
                Family::S1 => "s1",
                Family::Qwen3 => "qwen3",
                Family::R1 => "r1",
                Family::Generic => "generic",
            };
            Spec::of(Families::bundled().get(name).unwrap())
        }
    }

    pub(crate) const QWEN3: Toy = Toy(&[
        ("<think>", 1001),
        ("</think>", 1002),
        ("<|im_start|>", 1003),
        ("<|im_end|>", 1004),
    ]);
    pub(crate) const CHATML: Toy = Toy(&[("<|im_start|>", 1003), ("<|im_end|>", 1004)]);
    pub(crate) const PLAIN: Toy = Toy(&[("<|endoftext|>", 1009)]);

    #[test]
    fn s1_closes_with_final_answer_and_a_newline_only_where_needed() {
        let d = Delimiters::resolve(Family::S1.spec(), &CHATML).unwrap();
        assert_eq!(d.end_ids, [1003]);
        let end = d.forced(Primer::None);
        assert_eq!(
            end.close(true, None),
            CHATML.encode("<|im_start|>answer\nFinal Answer:")
        );
        assert_eq!(
            end.close(false, None),
            CHATML.encode("\n<|im_start|>answer\nFinal Answer:")
        );
        assert_eq!(d.natural_close, Some(CHATML.encode("<|im_start|>answer")));
    }

    #[test]
    fn a_model_that_was_not_trained_to_stop_is_given_the_beginning_of_its_answer() {
        let primer = |family: Family, wanted, boxed| family.spec().primer(wanted, boxed);
        for (wanted, boxed, generic, trained) in [
            (None, false, Primer::Answer, Primer::None),
            (None, true, Primer::Boxed, Primer::None),
            (Some(true), true, Primer::Boxed, Primer::Boxed),
            (Some(false), true, Primer::None, Primer::None),
        ] {
            assert_eq!(primer(Family::Generic, wanted, boxed), generic);
            assert_eq!(primer(Family::Qwen3, wanted, boxed), trained);
            assert_eq!(primer(Family::R1, wanted, boxed), trained);
            assert_eq!(
                primer(Family::S1, wanted, boxed),
                Primer::None,
                "its delimiter has the words"
            );
        }
        let d = Delimiters::resolve(Family::Generic.spec(), &PLAIN).unwrap();
        let end = d.forced(Primer::Boxed);
        assert_eq!(end.close(true, None), PLAIN.encode("</think>\n\n"));
        assert_eq!(end.close(false, None), PLAIN.encode("\n</think>\n\n"));
        assert_eq!(end.primer, PLAIN.encode("Final Answer: \\boxed{"));
        assert_eq!(d.longest_close(), 11 + 21);
    }

    #[test]
    fn a_forced_end_is_encoded_in_one_piece_and_parted_where_the_answer_begins() {
        // As vocabularies do that give the last line break to the word after it.
        static GLUED: Toy = Toy(&[
            ("</think>\n", 1),
            ("Final", 2),
            (" Answer", 3),
            ("\nFinal", 4),
        ]);
        let d = Delimiters::resolve(Family::Generic.spec(), &GLUED).unwrap();
        let end = d.forced(Primer::Answer);
        let whole: Vec<u32> = end
            .close(true, None)
            .iter()
            .chain(&end.primer)
            .copied()
            .collect();
        assert_eq!(whole, GLUED.encode("</think>\n\nFinal Answer:"));
        assert_eq!(end.close(true, None), [1, 4]);
        assert_eq!(d.forced(Primer::None).close(true, None), [1, '\n' as u32]);
    }

    #[test]
    fn a_template_that_opens_thinking_is_not_given_a_second_think() {
        let spec = Family::R1.spec();
        assert_eq!(spec.opening("<｜Assistant｜><think>\n"), "");
        // As the template writes it, the model knows it.
        assert_eq!(spec.opening("<｜Assistant｜><think>"), "");
        assert_eq!(spec.opening("<｜Assistant｜>"), "<think>\n");
    }

    #[test]
    fn a_template_that_says_how_not_to_think_is_believed() {
        use WithoutThinking::{Knows, Nothing, Switched};
        let r1 = Family::R1.spec();
        let opened = "<｜Assistant｜><think>\n";
        assert_eq!(r1.skipping(opened, Knows), "\n</think>\n\n");
        assert_eq!(r1.skipping("<think>\n\n</think>\n\n", Switched), "");
        let qwen = Family::Qwen3.spec();
        assert_eq!(
            qwen.skipping("assistant\n", Knows),
            "<think>\n\n</think>\n\n"
        );
        // One that leaves the thought out.
        assert_eq!(qwen.skipping("assistant\n", Switched), "");
        assert_eq!(Family::Generic.spec().skipping("assistant\n", Knows), "");
        // s1's template is that of Qwen2.5, which knows nothing of it.
        let s1 = Family::S1.spec();
        assert_eq!(s1.skipping("assistant\n", Nothing), "<|im_start|>answer\n");
    }

    #[test]
    fn a_delimiter_without_tokens_is_refused_rather_than_ignored() {
        let mut spec = Family::Qwen3.spec();
        spec.forced_close = String::new();
        let error = Delimiters::resolve(spec, &QWEN3).unwrap_err();
        assert!(error.contains("no tokens"), "{error}");
    }
}

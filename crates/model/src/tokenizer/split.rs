//! Pre-tokenizers: how a byte-level BPE vocabulary cuts text into words before merging.
//!
//! A vocabulary was trained on words cut in one way; cut in another way the same text becomes
//! other tokens, and the model reads something it has never seen. GGUF files name the cut in
//! `tokenizer.ggml.pre`. The regexes are those of the families' own `tokenizer.json` files, in
//! the form llama.cpp gives them (explicit upper and lower case instead of `(?i:…)`).
//!
//! The regex engine has no look-ahead, in exchange for linear time on any text; the one
//! look-ahead these regexes use, `\s+(?!\S)`, is [`Spaces`].

use anyhow::{Context, Result};
use regex::Regex;

/// What becomes of a run of white space that ends right before a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spaces {
    /// The run is cut as the regex matched it.
    Whole,
    /// `\s+(?!\S)|\s+`: a run longer than one leaves its last character to the word.
    LeaveOne,
    /// As `LeaveOne`, but a run that ends in a line break matched `\s*[\r\n]+` and stays whole.
    LeaveOneInLine,
}

/// One cut: a regex and its treatment of spaces. Matches and what lies between them are words.
#[derive(Debug)]
struct Cut {
    regex: Regex,
    spaces: Spaces,
}

/// The cuts of one family, applied one after the other: each cuts the words of the one before.
#[derive(Debug)]
pub(super) struct Splitter {
    cuts: Vec<Cut>,
}

/// A family of pre-tokenizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PreTokenizer {
    /// GPT-2: contractions, words, numbers, punctuation, each with one leading space.
    Gpt2,
    /// StarCoder, SmolLM, Command-R: every digit alone, then GPT-2.
    DigitsThenGpt2,
    /// Llama 3: numbers in groups of three, punctuation keeps its line breaks.
    Llama3,
    /// Qwen 2, 2.5 and 3 and models distilled into them: as Llama 3, every digit alone.
    Qwen2,
    /// Qwen 3.5: as Qwen 2, combining marks belong to their letters.
    Qwen35,
    /// DeepSeek V3 and R1: groups of three digits, CJK runs, then words.
    DeepSeekV3,
    /// Mistral's Tekken: words cut where lower case turns to upper case.
    Tekken,
    /// GPT-4o and Llama 4: as Tekken, contractions kept, groups of three digits.
    Gpt4o,
    /// DeepSeek LLM: line breaks, words of alphabets with cases, punctuation, CJK runs, numbers.
    DeepSeekLlm,
    /// DeepSeek Coder: as DeepSeek LLM with letters of all scripts, every digit alone.
    DeepSeekCoder,
    /// Falcon: punctuation first, then GPT-2, then groups of three digits.
    Falcon,
    /// Poro, Bloom and GPT-3 Finnish: words up to punctuation.
    Poro,
    /// Viking: as Poro, every digit alone.
    Viking,
    /// Bailing and Ling: as Qwen 2, every line break alone.
    Bailing,
    /// Seed Coder: as Qwen 2, punctuation without its line breaks.
    SeedCoder,
    /// MiniCPM 5: groups of three digits, then as Qwen 2.
    MiniCpm5,
    /// Files that name none: punctuation first, then GPT-2, then groups of three digits.
    Default,
}

const CONTRACTIONS: &str = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";

const PORO: &str = r" ?[^(\s|.,!?…。，、।۔،)]+";
/// The letters of alphabets that have an upper and a lower case.
const CASED_LETTERS: &str = "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃";

impl PreTokenizer {
    /// The family behind a value of `tokenizer.ggml.pre`; `None` for a name not known here.
    pub fn named(pre: &str) -> Option<Self> {
        Some(match pre {
            "gpt-2" | "phi-2" | "jina-es" | "jina-de" | "jina-v2-es" | "jina-v2-de"
            | "gigachat" | "a.x-4.0" | "mellum" | "modern-bert" | "exaone4" | "mpt" | "olmo"
            | "jais" | "trillion" | "granite-docling" => Self::Gpt2,
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone"
            | "minerva-7b" | "mellum2" => Self::DigitsThenGpt2,
            "llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "falcon-h1" | "pixtral"
            | "midm-2.0" | "lfm2" | "jina-v5-nano" | "dbrx" | "smaug-bpe" | "chatglm-bpe"
            | "glm4" | "glm5" => Self::Llama3,
            "qwen2" | "deepseek-r1-qwen" | "kormo" | "f2llmv2" | "megrez" | "stablelm2"
            | "hunyuan" | "solar-open" | "grok-2" => Self::Qwen2,
            "qwen35" => Self::Qwen35,
            "deepseek-v3" | "hunyuan-dense" | "joyai-llm" => Self::DeepSeekV3,
            "tekken" => Self::Tekken,
            "deepseek-llm" => Self::DeepSeekLlm,
            "deepseek-coder" => Self::DeepSeekCoder,
            "falcon" => Self::Falcon,
            "poro-chat" | "bloom" | "gpt3-finnish" => Self::Poro,
            "viking" => Self::Viking,
            "bailingmoe" | "bailingmoe2" | "llada-moe" => Self::Bailing,
            "seed-coder" => Self::SeedCoder,
            "minicpm5" => Self::MiniCpm5,
            "gpt-4o" | "llama4" | "kanana2" | "minimax-m2" => Self::Gpt4o,
            "default" | "" => Self::Default,
            _ => return None,
        })
    }

    /// Regexes and space rules, in the order of application.
    fn cuts(self) -> Vec<(String, Spaces)> {
        let gpt2 = || (GPT2.to_owned(), Spaces::LeaveOne);
        // The Llama 3 form, which Qwen took over: only what counts as a word and a number differs.
        let words = |letter: &str, mark: &str, number: &str| {
            let text = format!(
                r"(?:{CONTRACTIONS})|[^\r\n\p{{L}}\p{{N}}]?{letter}+|{number}| ?[^\s\p{{L}}{mark}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+"
            );
            (text, Spaces::LeaveOneInLine)
        };
        // Letters that are not a-z, then letters that are not A-Z: `aB` is cut before the `B`.
        let cased = |suffix: &str, number: &str| {
            let (upper, lower) = (r"[\p{L}&&[^a-z]]", r"[\p{L}&&[^A-Z]]");
            let text = format!(
                r"[^\r\n\p{{L}}\p{{N}}]?{upper}*{lower}+{suffix}|[^\r\n\p{{L}}\p{{N}}]?{upper}+{lower}*{suffix}|{number}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+"
            );
            (text, Spaces::LeaveOneInLine)
        };
        let whole = |regex: &str| (regex.to_owned(), Spaces::Whole);
        match self {
            Self::Gpt2 => vec![gpt2()],
            Self::DigitsThenGpt2 => vec![whole(r"\p{N}"), gpt2()],
            Self::Llama3 => vec![words(r"\p{L}", "", r"\p{N}{1,3}")],
            Self::Qwen2 => vec![words(r"\p{L}", "", r"\p{N}")],
            Self::Qwen35 => vec![words(r"[\p{L}\p{M}]", r"\p{M}", r"\p{N}")],
            Self::DeepSeekV3 => vec![
                whole(r"\p{N}{1,3}"),
                whole("[一-龥぀-ゟ゠-ヿ]+"),
                (
                    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+"##
                        .to_owned(),
                    Spaces::LeaveOneInLine,
                ),
            ],
            Self::Tekken => vec![cased("", r"\p{N}")],
            Self::Gpt4o => vec![cased(&format!("(?:{CONTRACTIONS})?"), r"\p{N}{1,3}")],
            Self::DeepSeekLlm => vec![
                whole(r"[\r\n]"),
                whole(&format!(r"\s?[{CASED_LETTERS}]+")),
                whole(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"),
                whole(r"\s+$"),
                whole("[一-龥ࠀ-一가-퟿]+"),
                whole(r"\p{N}+"),
            ],
            Self::DeepSeekCoder => vec![
                whole(r"[\r\n]"),
                whole(r"\s?\p{L}+"),
                whole(r"\s?\p{P}+"),
                whole("[一-龥ࠀ-一가-퟿]+"),
                whole(r"\p{N}"),
            ],
            Self::Falcon => vec![
                whole(r"[\p{P}\$\+<=>\^~\|`]+"),
                gpt2(),
                whole("[0-9][0-9][0-9]"),
            ],
            Self::Poro => vec![whole(PORO)],
            Self::Viking => vec![whole(PORO), whole(r"\p{N}")],
            Self::Bailing => vec![(
                format!(
                    r"(?:{CONTRACTIONS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]|\s+"
                ),
                Spaces::LeaveOneInLine,
            )],
            Self::SeedCoder => vec![(
                format!(
                    r"(?:{CONTRACTIONS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}\r\n]+|\s*[\r\n]+|\s+"
                ),
                Spaces::LeaveOneInLine,
            )],
            Self::MiniCpm5 => vec![
                whole(r"\p{N}{1,3}"),
                words(r"\p{L}", "", r"\p{N}+"),
            ],
            Self::Default => vec![
                whole(r"[\p{P}\$\+<=>\^~\|]+"),
                gpt2(),
                whole(r"\p{N}+"),
                whole("[0-9][0-9][0-9]"),
            ],
        }
    }
}

impl Splitter {
    /// Compiles the cuts of a family.
    pub fn new(family: PreTokenizer) -> Result<Self> {
        let compile = |(text, spaces): (String, Spaces)| {
            let regex = Regex::new(&text)
                .with_context(|| format!("cannot compile the word pattern of {family:?}"))?;
            Ok(Cut { regex, spaces })
        };
        let cuts = family
            .cuts()
            .into_iter()
            .map(compile)
            .collect::<Result<_>>()?;
        Ok(Self { cuts })
    }

    /// The words of a text, in order; joined they are the text.
    pub fn split<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let mut words = vec![text];
        for cut in &self.cuts {
            let mut finer = Vec::with_capacity(words.len() * 2);
            for word in words {
                cut.split(word, &mut finer);
            }
            words = finer;
        }
        words
    }
}

impl Cut {
    fn split<'t>(&self, text: &'t str, words: &mut Vec<&'t str>) {
        let mut from = 0;
        while from < text.len() {
            let Some(found) = self.regex.find_at(text, from).filter(|m| !m.is_empty()) else {
                words.push(&text[from..]);
                return;
            };
            if from < found.start() {
                words.push(&text[from..found.start()]);
            }
            from = found.start() + self.kept_length(found.as_str(), &text[found.end()..]);
            words.push(&text[found.start()..from]);
        }
    }

    /// How many bytes of a match belong to it, given what follows it.
    fn kept_length(&self, found: &str, after: &str) -> usize {
        let leaves_one = match self.spaces {
            Spaces::Whole => false,
            Spaces::LeaveOne => true,
            Spaces::LeaveOneInLine => !found.ends_with(['\r', '\n']),
        };
        // A match of `\s+` is greedy, so what follows it is a word or the end of the text.
        if leaves_one
            && !after.is_empty()
            && found.chars().all(char::is_whitespace)
            && let Some((last, _)) = found.char_indices().next_back()
            && last > 0
        {
            return last;
        }
        found.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(pre: &str, text: &str) -> Vec<String> {
        let splitter = Splitter::new(PreTokenizer::named(pre).unwrap()).unwrap();
        splitter
            .split(text)
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn gpt2_keeps_numbers_whole_and_one_space_with_the_word() {
        let expected = [
            "I", "'m", " 1234", "  ", " '", "S", "  \n", "\n", "end", "  ",
        ];
        assert_eq!(words("gpt-2", "I'm 1234   'S  \n\nend  "), expected);
    }

    #[test]
    fn smollm_cuts_digits_out_of_their_surroundings() {
        assert_eq!(
            words("smollm", "in 2024,"),
            ["in", " ", "2", "0", "2", "4", ","]
        );
    }

    #[test]
    fn qwen_takes_digits_alone_and_line_breaks_with_punctuation() {
        let expected = ["We", "'LL", " pay", " ", "4", "2", "!\n", " \n", " ", " x"];
        assert_eq!(words("qwen2", "We'LL pay 42!\n \n  x"), expected);
        assert_eq!(words("qwen2", "x!\n\n  "), ["x", "!\n\n", "  "]);
    }

    #[test]
    fn llama3_takes_numbers_by_three() {
        assert_eq!(words("llama-bpe", "1234567 km"), ["123", "456", "7", " km"]);
    }

    #[test]
    fn default_cuts_punctuation_first_and_numbers_by_three() {
        assert_eq!(
            words("default", "a+b, 1234"),
            ["a", "+", "b", ",", " ", "123", "4"]
        );
    }

    #[test]
    fn gpt4o_cuts_camel_case_and_keeps_contractions() {
        assert_eq!(
            words("gpt-4o", "camelCase isn't HTTPServer"),
            ["camel", "Case", " isn't", " HTTPServer"]
        );
    }

    #[test]
    fn joined_words_are_the_text_whatever_the_family() {
        let text = "  Tabs\t\tand\u{a0}spaces\u{3000} \r\n\r\n 12½ e\u{301}'Re ＡＢ 漢字かな 🧠\u{200d}🧠\n ";
        for pre in [
            "gpt-2",
            "smollm",
            "llama3",
            "qwen2",
            "qwen35",
            "deepseek-v3",
            "tekken",
            "gpt-4o",
            "default",
        ] {
            assert_eq!(words(pre, text).concat(), text, "{pre}");
        }
    }

    #[test]
    fn an_unknown_name_is_not_guessed() {
        assert_eq!(PreTokenizer::named("nonesuch"), None);
    }
}

//! The tokenizer and the shape of the bundled model, as the trainer's configuration file.
//!
//! The tokens are the 256 bytes, the words of the prose, and the marks of a conversation. With
//! the pre-tokenizer `llama-bpe` a word that is a token is taken whole, everything else falls
//! apart into bytes, for want of merges: digits and letters are single tokens at any position.
//! A letter with a count (` r1`) is one token too, taken literally before anything else.

use std::fmt::Write;

use s1_model::tokenizer::byte_to_char;

/// Words that begin a text or a line.
const FIRST: [&str; 17] = [
    "What",
    "How",
    "Multiply",
    "Calculate",
    "Find",
    "Add",
    "Count",
    "Make",
    "Use",
    "Which",
    "Wait",
    "user",
    "assistant",
    "system",
    "'s",
    "\n\n",
    "Hmm",
];

/// Words after a space. No single letters: a letter is asked for as itself.
const LATER: [&str; 54] = [
    "is",
    "times",
    "by",
    "much",
    "the",
    "product",
    "of",
    "and",
    "sum",
    "total",
    "many",
    "in",
    "are",
    "does",
    "occur",
    "often",
    "word",
    "letter",
    "appear",
    "there",
    "from",
    "can",
    "you",
    "make",
    "to",
    "way",
    "expression",
    "gives",
    "check",
    "same",
    "differ",
    "so",
    "What",
    "How",
    "Multiply",
    "Calculate",
    "Find",
    "Add",
    "Count",
    "Make",
    "Use",
    "Which",
    "Wait",
    "none",
    "not",
    "it",
    "that",
    "number",
    "numbers",
    "with",
    "for",
    "answer",
    "+",
    "*",
];

/// The marks of a conversation, with their GGUF token types: control, or taken literally.
const MARKS: [(&str, u8); 6] = [
    ("<|endoftext|>", 3),
    ("<|im_start|>", 3),
    ("<|im_end|>", 3),
    ("<think>", 4),
    ("</think>", 4),
    ("<pad>", 3),
];

const TEMPLATE: &str = "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

/// Tokens as GGUF stores them, with their types.
pub fn tokens() -> Vec<(String, u8)> {
    let bytes = (0..=255_u8).map(|byte| (byte_to_char(byte).to_string(), 1));
    let spelled = |text: String| (text.bytes().map(byte_to_char).collect::<String>(), 1);
    let first = FIRST.iter().map(|word| spelled((*word).to_owned()));
    let later = LATER.iter().map(|word| spelled(format!(" {word}")));
    let marks = MARKS.iter().map(|(text, kind)| ((*text).to_owned(), *kind));
    let counted = (b'a'..=b'z')
        .flat_map(|letter| (0..10).map(move |count| (format!(" {}{count}", letter as char), 4)));
    bytes
        .chain(first)
        .chain(later)
        .chain(counted)
        .chain(marks)
        .collect()
}

/// The configuration file of the bundled model (TOML).
pub fn config() -> String {
    let tokens = tokens();
    let mut text = String::from(
        "# The bundled model: shape and tokenizer. Made by `s1-tui generate config`.\n\n\
         [model]\nname = \"Nano\"\ndim = 128\nlayers = 5\nheads = 4\nkv_heads = 4\nffn = 384\n\
         context = 1024\nrope_theta = 10000.0\nnorm_eps = 1e-5\ninit_std = 0.05\n\n\
         [tokenizer]\nmodel = \"gpt2\"\npre = \"llama-bpe\"\n\
         bos = \"<|endoftext|>\"\neos = \"<|im_end|>\"\npad = \"<pad>\"\n",
    );
    let _ = writeln!(text, "chat_template = {}", quoted(TEMPLATE));
    let texts: Vec<String> = tokens.iter().map(|(token, _)| quoted(token)).collect();
    let types: Vec<String> = tokens.iter().map(|(_, kind)| kind.to_string()).collect();
    let _ = writeln!(text, "merges = []");
    let _ = writeln!(text, "tokens = [{}]", texts.join(", "));
    let _ = writeln!(text, "types = [{}]", types.join(", "));
    text
}

/// A TOML basic string. The tokens hold no control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;
    use s1_model::tokenizer::{Tokenizer, Vocabulary};

    fn tokenizer() -> Tokenizer {
        let (texts, types): (Vec<String>, Vec<i32>) = tokens()
            .into_iter()
            .map(|(text, kind)| (text, i32::from(kind)))
            .unzip();
        Tokenizer::from_vocabulary(Vocabulary {
            model: "gpt2".into(),
            pre: "llama-bpe".into(),
            tokens: texts,
            types,
            ..Vocabulary::default()
        })
        .unwrap()
    }

    fn pieces(text: &str) -> Vec<String> {
        let tokenizer = tokenizer();
        let ids = tokenizer.encode(text, false).unwrap();
        ids.into_iter()
            .map(|id| String::from_utf8_lossy(tokenizer.token_bytes(id)).into_owned())
            .collect()
    }

    #[test]
    fn digits_and_letters_stand_alone_and_prose_is_whole() {
        assert_eq!(
            pieces("How many r's are in plum?\n<think>\n12*3=36</think>\n\n"),
            [
                "How", " many", " ", "r", "'s", " are", " in", " ", "p", "l", "u", "m", "?", "\n",
                "<think>", "\n", "1", "2", "*", "3", "=", "3", "6", "</think>", "\n\n"
            ]
        );
        assert_eq!(
            pieces("\nWait, check 41:\n"),
            ["\n", "Wait", ",", " check", " ", "4", "1", ":", "\n"]
        );
        assert_eq!(pieces("r: r1 a1\n1"), ["r", ":", " r1", " a1", "\n", "1"]);
    }

    #[test]
    fn any_text_has_tokens_and_comes_back() {
        let text = "Wörter, 漢字 🧠\u{200d} and\ttabs\r\n  §";
        assert_eq!(
            tokenizer().encode(text, false).unwrap().len(),
            pieces(text).len()
        );
        let tokenizer = tokenizer();
        let bytes: Vec<u8> = tokenizer
            .encode(text, false)
            .unwrap()
            .into_iter()
            .flat_map(|id| tokenizer.token_bytes(id).to_vec())
            .collect();
        assert_eq!(bytes, text.as_bytes());
    }

    #[test]
    fn no_prose_word_falls_apart() {
        // A word of two letters or more that is not a token would be spelled; only the words
        // whose letters are counted may be.
        for index in 0..3000 {
            let example = example::traces(5, index);
            if example.family == "letters" {
                continue;
            }
            let question = example.question.unwrap();
            let pieces = pieces(&question);
            let letters = pieces.windows(2).any(|two| {
                let single = |p: &String| p.len() == 1 && p.as_bytes()[0].is_ascii_alphabetic();
                single(&two[0]) && single(&two[1])
            });
            assert!(!letters, "{question}: {pieces:?}");
        }
    }

    #[test]
    fn the_configuration_reads_back_as_written() {
        let config: toml::Table = config().parse().unwrap();
        let table = config["tokenizer"].as_table().unwrap();
        let texts: Vec<&str> = table["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|token| token.as_str())
            .collect();
        let expected = tokens();
        assert_eq!(texts.len(), expected.len());
        assert!(texts.iter().zip(&expected).all(|(a, (b, _))| a == b));
        assert_eq!(table["types"].as_array().unwrap().len(), expected.len());
        let mut unique = texts.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), texts.len(), "a token is listed twice");
        for size in ["dim", "ffn"] {
            assert_eq!(config["model"][size].as_integer().unwrap() % 32, 0);
        }
        assert_eq!(
            table["chat_template"].as_str().unwrap(),
            TEMPLATE,
            "the template must keep its escapes"
        );
    }
}

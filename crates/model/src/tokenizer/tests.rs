//! Whole tokenizers over small handmade vocabularies. What real files do is in
//! `tests/it/tokenization.rs`.

use super::*;

/// A byte-level vocabulary: the 256 bytes, then these tokens with their types.
fn byte_level(pre: &str, extra: &[(&str, i32)], merges: &[&str]) -> Vocabulary {
    let bytes = (0..=255).map(|byte| byte_to_char(byte).to_string());
    Vocabulary {
        model: "gpt2".into(),
        pre: pre.into(),
        tokens: bytes
            .chain(extra.iter().map(|(text, _)| text.to_string()))
            .collect(),
        types: std::iter::repeat_n(1, 256)
            .chain(extra.iter().map(|(_, kind)| *kind))
            .collect(),
        merges: merges.iter().map(|merge| merge.to_string()).collect(),
        ..Vocabulary::default()
    }
}

fn sentencepiece() -> Vocabulary {
    let tokens = ["<unk>", "<s>", "</s>", "▁", "a", "▁a", "<0x0A>", "  "];
    Vocabulary {
        model: "llama".into(),
        tokens: tokens.map(str::to_owned).to_vec(),
        scores: vec![0.0, 0.0, 0.0, -3.0, -4.0, -1.0, 0.0, 0.0],
        types: vec![2, 3, 3, 1, 1, 1, 6, 4],
        ..Vocabulary::default()
    }
}

#[test]
fn template_tokens_count_and_typed_ones_do_not() {
    let vocabulary = byte_level(
        "qwen2",
        &[("<|im_end|>", 3), ("<think>", 4), ("Ġa", 1)],
        &["Ġ a"],
    );
    let tokenizer = Tokenizer::from_vocabulary(vocabulary).unwrap();
    assert_eq!(
        tokenizer.encode(" a<|im_end|><think>", true).unwrap(),
        [258, 256, 257]
    );
    let typed = tokenizer.encode_plain("<|im_end|><think>").unwrap();
    assert_eq!(typed.len(), "<|im_end|>".len() + 1);
    assert_eq!(typed.last(), Some(&257));
    assert_eq!(tokenizer.decode(&typed), "<|im_end|><think>");
}

#[test]
fn any_text_survives_the_round_trip() {
    let tokenizer = Tokenizer::from_vocabulary(byte_level("llama-bpe", &[], &[])).unwrap();
    let text = "naïve 🧠\u{200d}🧠 \r\n\t\u{a0}漢字 12345 '\u{0}'";
    assert_eq!(
        tokenizer.decode(&tokenizer.encode(text, true).unwrap()),
        text
    );
}

#[test]
fn the_file_decides_whether_a_prompt_begins_with_bos() {
    let begins = |pre: &str, add_bos: Option<bool>, bos: Option<u32>| {
        let v = Vocabulary {
            add_bos,
            bos,
            ..byte_level(pre, &[("<s>", 3)], &[])
        };
        let tokenizer = Tokenizer::from_vocabulary(v).unwrap();
        assert!(!tokenizer.encode("", false).unwrap().contains(&256));
        tokenizer.encode("", true).unwrap() == [256]
    };
    assert!(begins("gpt-2", Some(true), Some(256)));
    assert!(!begins("gpt-2", None, Some(256)));
    assert!(begins("llama-bpe", None, Some(256)));
    assert!(!begins("llama-bpe", Some(false), Some(256)));
    assert!(
        !begins("llama-bpe", None, Some(9999)),
        "an id outside the vocabulary is not used"
    );
}

#[test]
fn a_template_that_writes_bos_itself_does_not_get_two() {
    let tokenizer = Tokenizer::from_vocabulary(sentencepiece()).unwrap();
    assert_eq!(tokenizer.encode_prompt("<s>a").unwrap(), [1, 5]);
    assert_eq!(tokenizer.encode_prompt("a").unwrap(), [1, 5]);
    assert_eq!(
        tokenizer.encode("<s>a", true).unwrap(),
        [1, 1, 5],
        "as llama.cpp does, word for word"
    );
}

#[test]
fn sentencepiece_spaces_follow_literal_tokens() {
    let tokenizer = Tokenizer::from_vocabulary(sentencepiece()).unwrap();
    assert_eq!(tokenizer.encode("a", true).unwrap(), [1, 5]);
    // After a literal token the text is "at the start" again, after text it is not.
    assert_eq!(
        tokenizer.encode("a</s>a  a", false).unwrap(),
        [5, 2, 5, 7, 5]
    );
    let bare = Vocabulary {
        add_space_prefix: Some(false),
        ..sentencepiece()
    };
    let tokenizer = Tokenizer::from_vocabulary(bare).unwrap();
    assert_eq!(tokenizer.encode("a\na", false).unwrap(), [4, 6, 4]);
    assert_eq!(tokenizer.decode(&[5, 7, 6]), " a  \n");
    assert_eq!(
        (tokenizer.bos_id(), tokenizer.eos_ids()),
        (Some(1), &[2][..])
    );
}

#[test]
fn guesses_are_announced() {
    let warning = |pre: &str| {
        let tokenizer = Tokenizer::from_vocabulary(byte_level(pre, &[], &[])).unwrap();
        tokenizer.warning().map(str::to_owned)
    };
    assert_eq!(warning("qwen2"), None);
    let unknown = Tokenizer::from_vocabulary(byte_level("none\u{1b}such", &[], &[]));
    let unknown = unknown.unwrap_err().to_string();
    assert!(
        unknown.contains("'nonesuch'") && unknown.contains("--pre"),
        "{unknown}"
    );
    let broken = Tokenizer::from_vocabulary(byte_level("qwen2", &[], &["ab"]));
    assert!(broken.unwrap_err().to_string().contains("merge"));
    assert!(warning("").unwrap().contains("names no pre-tokenizer"));
}

#[test]
fn a_kind_that_is_not_supported_is_named() {
    let error = Tokenizer::from_vocabulary(Vocabulary {
        model: "bert".into(),
        ..sentencepiece()
    });
    assert!(error.unwrap_err().to_string().contains("'bert'"));
}

#[test]
fn a_megabyte_without_a_space_takes_seconds_not_hours() {
    let merges = ["a a", "aa aa", "aaaa aaaa"];
    let extra = [("aa", 1), ("aaaa", 1), ("aaaaaaaa", 1)];
    let tokenizer = Tokenizer::from_vocabulary(byte_level("qwen2", &extra, &merges)).unwrap();
    let start = std::time::Instant::now();
    let ids = tokenizer.encode(&"a".repeat(1 << 20), true).unwrap();
    assert_eq!(ids.len(), (1 << 20) / 8);
    tokenizer.encode(&" ".repeat(1 << 20), true).unwrap();
    tokenizer.encode(&"\n a".repeat(1 << 18), true).unwrap();
    assert!(start.elapsed().as_secs() < 30, "took {:?}", start.elapsed());
    assert!(tokenizer.encode(&"a".repeat(17 << 20), true).is_err());
}

//! The tokenizer of GGUF files against the library `tokenizers`, given the same vocabulary and the
//! rules of the same pre-tokenizer: `S1_TUI_MODELS=DIR cargo bench -p s1-model --bench tokenizers`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::Path;
use std::time::Instant;

use s1_core::rng::Rng;
use s1_data::{assets, records};
use s1_model::gguf::Gguf;
use s1_model::tokenizer::{Tokenizer, Vocabulary};
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior};

const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const REPEATS: usize = 5;

/// As the models' own `tokenizer.json` say it.
fn pre_tokenizer(name: &str) -> PreTokenizerWrapper {
    let steps: Vec<PreTokenizerWrapper> = match name {
        "smollm" => vec![
            Digits::new(true).into(),
            ByteLevel::new(false, true, true).into(),
        ],
        _ => {
            let pattern = SplitPattern::Regex(QWEN2.into());
            let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
            vec![
                split.unwrap().into(),
                ByteLevel::new(false, true, false).into(),
            ]
        }
    };
    Sequence::new(steps).into()
}

fn library(v: &Vocabulary) -> tokenizers::Tokenizer {
    let ids: Vocab = v.tokens.iter().cloned().zip(0..).collect();
    let merges = v.merges.iter().filter_map(|m| {
        let (a, b) = m.split_once(' ')?;
        Some((a.to_owned(), b.to_owned()))
    });
    let bpe = BPE::builder().vocab_and_merges(ids, merges.collect());
    let mut tokenizer = tokenizers::Tokenizer::new(bpe.build().unwrap());
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer(&v.pre)));
    let special = v
        .tokens
        .iter()
        .zip(&v.types)
        .filter(|(_, kind)| **kind != 1);
    let special: Vec<AddedToken> = special
        .map(|(text, kind)| AddedToken::from(text.clone(), *kind == 3).normalized(false))
        .collect();
    let _ = tokenizer.add_tokens(special);
    tokenizer
}

/// The bundled traces, and random strings of what is hard to split.
fn texts() -> Vec<String> {
    let mut texts = Vec::new();
    let mut lines = records::lines(assets::TRACES.as_ref()).unwrap();
    while let Some((_, line)) = lines.next_line().unwrap() {
        texts.push(String::from_utf8(line.unwrap().to_vec()).unwrap());
    }
    let parts: Vec<char> = "aZé0 9\n\t'sñ漢字🙂\u{301}-_.,<|>é\u{a0}\u{3000}"
        .chars()
        .collect();
    let mut rng = Rng::new(1);
    for _ in 0..4000 {
        let length = 1 + rng.below(40);
        texts.push((0..length).map(|_| parts[rng.below(parts.len())]).collect());
    }
    texts
}

fn main() {
    let Some(folder) = std::env::var_os("S1_TUI_MODELS") else {
        println!("set S1_TUI_MODELS to the folder of the test models");
        return;
    };
    let texts = texts();
    let megabytes = texts.iter().map(String::len).sum::<usize>() as f64 / 1e6;
    for name in [
        "smollm2-135m-instruct-q4_1.gguf",
        "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    ] {
        let vocabulary = || {
            let gguf = Gguf::open(&Path::new(&folder).join(name)).unwrap();
            Vocabulary::from_gguf(&gguf).unwrap()
        };
        let started = Instant::now();
        let ours = Tokenizer::from_vocabulary(vocabulary()).unwrap();
        let loading = started.elapsed();
        let started = Instant::now();
        let theirs = library(&vocabulary());
        let their_loading = started.elapsed();
        let encode = |text: &str| theirs.encode_fast(text, false).unwrap().get_ids().to_vec();
        let same = |text: &&String| ours.encode(text, false).unwrap() == encode(text);
        let equal = texts.iter().filter(same).count();
        let best = |work: &dyn Fn(&str) -> usize| {
            let runs = (0..REPEATS).map(|_| {
                let started = Instant::now();
                let tokens: usize = texts.iter().map(|t| work(t)).sum();
                assert!(tokens > 0);
                started.elapsed().as_secs_f64()
            });
            megabytes / runs.fold(f64::INFINITY, f64::min)
        };
        let own = best(&|t| ours.encode(t, false).unwrap().len());
        let library = best(&|t| encode(t).len());
        println!(
            "{name}: equal on {equal} of {} texts; ours {own:.1} MB/s, library {library:.1} MB/s; \
             ready after {:.2} s and {:.2} s",
            texts.len(),
            loading.as_secs_f64(),
            their_loading.as_secs_f64()
        );
    }
}

//! Vectors of questions: from a model's own token embeddings, or from hashed words.
//!
//! Neither runs a model. The mean of the embedding rows of a question's tokens tells what it is
//! about (not what it asks), which is enough to spread a choice over topics.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::cluster::Vectors;
use super::text;
use s1_engine::tokenizer_for;
use s1_model::gguf::Gguf;
use s1_model::weights::rows::WeightRows;

/// The embedding matrix of a GGUF file.
const TENSOR: &str = "token_embd.weight";
/// Numbers in a vector of hashed words.
const BUCKETS: usize = 256;
/// Widest embedding that is believed.
const WIDEST: usize = 1 << 16;
/// A token of this share of the pool has half the weight of a rare one (Arora et al.'s a).
const COMMON: f32 = 1e-3;

/// The mean embedding of each question's tokens under a model, common tokens weighing less: a
/// token that is the share p of the pool has the weight a / (a + p) ("smooth inverse frequency" of
/// Arora, Liang and Ma, 2017), else "the" and "how many" would decide. Errors where the file has
/// no tokenizer or no embeddings.
pub(super) fn by_model(path: &Path, questions: &[&str]) -> Result<Vectors> {
    let shown = path.display();
    let gguf = Gguf::open(path)?;
    let tokenizer = tokenizer_for(&gguf, path, None)?;
    let rows =
        WeightRows::open(&gguf, TENSOR).with_context(|| format!("{shown} has no embeddings"))?;
    let width = rows.columns;
    if width == 0 || width > WIDEST {
        bail!("the embeddings of {shown} have an impossible width of {width}");
    }
    let mut tokens: Vec<Vec<usize>> = Vec::new();
    let mut counts = vec![0usize; rows.rows];
    for question in questions {
        let ids = tokenizer.encode_plain(question)?.into_iter();
        let known: Vec<usize> = ids
            .map(|id| id as usize)
            .filter(|&id| id < rows.rows)
            .collect();
        known.iter().for_each(|&id| counts[id] += 1);
        tokens.push(known);
    }
    let all = counts.iter().sum::<usize>().max(1) as f32;
    let mut values = vec![0f32; questions.len() * width];
    let mut scratch = Vec::new();
    for (ids, mean) in tokens.iter().zip(values.chunks_exact_mut(width)) {
        for &id in ids {
            let weight = COMMON / (COMMON + counts[id] as f32 / all) / ids.len() as f32;
            let row = rows.widened(id..id + 1, &mut scratch);
            mean.iter_mut().zip(row).for_each(|(m, v)| *m += v * weight);
        }
        if mean.iter().any(|v| !v.is_finite()) {
            bail!("the embeddings of {shown} are damaged: some are not numbers");
        }
    }
    Ok(Vectors::centred(width, values))
}

/// Hashed words and pairs of words, each weighed by how rare it is (tf-idf): the "hashing trick"
/// of Weinberger et al., 2009.
pub(super) fn by_words(questions: &[&str]) -> Vectors {
    let grams: Vec<Vec<u64>> = questions.iter().map(|q| grams(q)).collect();
    let mut common: HashMap<u64, usize> = HashMap::new();
    for gram in grams.iter().flatten() {
        *common.entry(*gram).or_default() += 1;
    }
    let mut values = vec![0f32; questions.len() * BUCKETS];
    for (grams, row) in grams.iter().zip(values.chunks_exact_mut(BUCKETS)) {
        // Words of a single question have nothing to compare.
        for gram in grams.iter().filter(|gram| common[gram] > 1) {
            let rare = (questions.len() as f32 / common[gram] as f32).ln();
            // Two that meet in a bucket cancel as often as they add up.
            let sign = if gram >> 63 == 0 { 1.0 } else { -1.0 };
            row[(gram % BUCKETS as u64) as usize] += sign * rare;
        }
    }
    Vectors::centred(BUCKETS, values)
}

/// The different words and pairs of words of a text, hashed.
fn grams(question: &str) -> Vec<u64> {
    let words = text::words(question);
    let single = words.iter().map(|w| text::hash([w.as_str()]));
    let pairs = words
        .windows(2)
        .map(|pair| text::hash(pair.iter().map(String::as_str)));
    let mut all: Vec<u64> = single.chain(pairs).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curate::cluster::clusters;
    use s1_data::assets;

    const QUESTIONS: [&str; 6] = [
        "How many r in raspberry?",
        "What is 12 * 34?",
        "How many p in apple?",
        "What is 56 * 78?",
        "How many e in cheese?",
        "What is 91 * 23?",
    ];

    #[test]
    fn questions_of_a_kind_are_near_by_embeddings_and_by_words() {
        let model = by_model(Path::new(assets::BASE), &QUESTIONS).unwrap();
        for vectors in [model, by_words(&QUESTIONS)] {
            assert_eq!(clusters(&vectors, 2, 0), [0, 1, 0, 1, 0, 1]);
        }
    }
}

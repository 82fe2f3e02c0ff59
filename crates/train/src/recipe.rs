//! What a run is: all that a resumed one has to agree with, as checkpoints hold it.
//!
//! Not here: the settings that may change on the way, such as when a checkpoint is written.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::data::Example;
use crate::native::optim::Optim;
use s1_model::gguf::Gguf;

/// Entries that earlier versions did not write: where they are missing they are not compared.
const ADDED: [&str; 2] = ["examples", "weights"];

/// Bytes at either end of a tensor by which bases are told apart quickly.
const SAMPLED: usize = 4096;

#[derive(Clone, Debug, Serialize)]
pub struct Recipe {
    /// Size of the base's weights, and the beginning of the first ones.
    pub base: String,
    /// The whole file of the base; filled in when it is needed.
    pub weights: String,
    /// The file of the data.
    pub data: String,
    /// The data as tokens, with what carries loss.
    pub examples: String,
    pub scope: String,
    pub optim: Optim,
    pub steps: usize,
    pub batch: usize,
    pub accumulation: usize,
    pub block: usize,
    pub pack: bool,
    pub seed: u64,
    pub threads: usize,
    pub version: &'static str,
}

impl Recipe {
    /// As JSON, with the digest of the base: reading a large one takes a while.
    pub fn text(&self, gguf: &Gguf) -> String {
        let mut hash = Sha256::new();
        gguf.files().for_each(|bytes| hash.update(bytes));
        let weights = hex(&hash.finalize());
        let whole = Recipe {
            weights,
            ..self.clone()
        };
        serde_json::to_string(&whole).unwrap_or_default()
    }
}

/// What differs between the recipe of a checkpoint and that of the run, in words.
pub fn difference(theirs: &str, ours: &str) -> Option<String> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    let (Some(theirs), Some(mut ours)) = (parse(theirs), parse(ours)) else {
        return Some("the recipe cannot be read".into());
    };
    if let Some(ours) = ours.as_object_mut() {
        ours.retain(|key, _| !ADDED.contains(&&**key) || theirs.get(key).is_some());
    }
    let differs = |key: &str| theirs.get(key) != ours.get(key);
    if differs("base") || differs("weights") {
        return Some("the base model is another one".into());
    }
    if differs("data") {
        return Some("the data are other ones".into());
    }
    if differs("examples") && !differs("block") {
        return Some("the data are made into other examples".into());
    }
    s1_data::records::difference(&theirs, &ours)
}

/// Tells one base from another at a glance.
pub fn digest_of(gguf: &Gguf) -> String {
    let mut hash = Sha256::new();
    hash.update(gguf.weights_bytes().to_le_bytes());
    if let Some(info) = gguf.tensor("token_embd.weight") {
        let data = gguf.data(info);
        hash.update(&data[..data.len().min(1 << 20)]);
    }
    hex(&hash.finalize())
}

/// Tells bases apart by both ends of each of their tensors: to read all of a large one takes minutes.
pub fn digest_of_samples(gguf: &Gguf) -> String {
    let tensors: BTreeMap<&str, _> = gguf.tensors().collect();
    let mut hash = Sha256::new();
    for (name, info) in tensors {
        let data = gguf.data(info);
        hash.update(name);
        hash.update(&data[..data.len().min(SAMPLED)]);
        hash.update(&data[data.len().saturating_sub(SAMPLED)..]);
    }
    hex(&hash.finalize())
}

pub fn digest_of_examples(examples: &[Example]) -> String {
    let mut hash = Sha256::new();
    for Example { ids, mask } in examples {
        hash.update((ids.len() as u64).to_le_bytes());
        for (id, loss) in ids.iter().zip(mask) {
            hash.update((u64::from(*id) << 1 | u64::from(*loss)).to_le_bytes());
        }
    }
    hex(&hash.finalize())
}

/// The beginning of a hash, enough to tell things apart.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(16).map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user would lose: a training that goes on over another model as if it were its own.
    #[test]
    fn what_differs_is_named_and_what_an_earlier_version_did_not_write_is_not_compared() {
        let ours = r#"{"base":"a","weights":"w","data":"d","examples":"e","block":8,"seed":1}"#;
        let of = |theirs: &str| difference(theirs, ours).unwrap_or_default();
        assert_eq!(of(ours), "");
        assert_eq!(of(r#"{"base":"a","data":"d","block":8,"seed":1}"#), "");
        for (from, to, says) in [
            ("\"a\"", "\"b\"", "the base model is another one"),
            ("\"w\"", "\"b\"", "the base model is another one"),
            ("\"d\"", "\"b\"", "the data are other ones"),
            ("\"e\"", "\"b\"", "the data are made into other examples"),
            ("\"seed\":1", "\"seed\":2", "seed was 2 and is now 1"),
        ] {
            assert_eq!(of(&ours.replace(from, to)), says);
        }
    }

    #[test]
    fn the_digest_of_examples_covers_tokens_loss_and_where_one_ends() {
        let example = |ids: &[u32], mask: &[bool]| Example {
            ids: ids.to_vec(),
            mask: mask.to_vec(),
        };
        let (no, yes) = (false, true);
        let all = [
            digest_of_examples(&[example(&[1, 2], &[no, yes])]),
            digest_of_examples(&[example(&[1, 3], &[no, yes])]),
            digest_of_examples(&[example(&[1, 2], &[yes, yes])]),
            digest_of_examples(&[example(&[1], &[no]), example(&[2], &[yes])]),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|other| other != one));
        }
    }
}

//! How a model of a folder is spoken to: its chat template, and the tokens that begin and end a text.
//!
//! Not here: the vocabulary, which stays in `tokenizer.json`.

use std::path::Path;

use anyhow::{Context, Result};
use s1_data::files::read_text_file;
use serde::Deserialize;
use serde_json::Value;

use super::json;
use crate::gguf::write::GgufWriter;

/// The longest template and vocabulary that are read.
const MAX_TEMPLATE_BYTES: u64 = 4 << 20;
const MAX_TOKENIZER_BYTES: u64 = 256 << 20;

/// The tokens of a `tokenizer.json` that have a meaning of their own.
#[derive(Default, Deserialize)]
struct Marks {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
}

/// Writes the keys that a converter would.
pub(super) fn write(folder: &Path, config: &Value, keys: &mut GgufWriter) -> Result<()> {
    let settings = json(folder, "tokenizer_config.json")?.unwrap_or_default();
    if let Some(template) = template(folder, &settings)? {
        keys.string("tokenizer.chat_template", &template);
    }
    let path = folder.join("tokenizer.json");
    let marks = match path.is_file() {
        true => {
            let text = read_text_file(&path, MAX_TOKENIZER_BYTES)
                .context("tokenizer.json cannot be read")?;
            serde_json::from_str(&text).context("tokenizer.json is damaged")?
        }
        false => Marks::default(),
    };
    // A token is given as its text, or as an object that has it.
    let named = |key: &str| {
        let token = &settings[key];
        let text = token.as_str().or_else(|| token["content"].as_str())?;
        let mark = marks.added_tokens.iter().find(|mark| mark.content == text);
        mark.map(|mark| mark.id)
    };
    let generation = json(folder, "generation_config.json")?.unwrap_or_default();
    let of = |source: &Value, key: &str| ids(&source[key]);
    let begins = named("bos_token").or_else(|| of(config, "bos_token_id").first().copied());
    if let Some(id) = begins {
        keys.u32("tokenizer.ggml.bos_token_id", id);
    }
    let mut ends: Vec<u32> = named("eos_token").into_iter().collect();
    let others = [of(&generation, "eos_token_id"), of(config, "eos_token_id")];
    ends.extend(others.into_iter().flatten());
    let mut seen = Vec::new();
    ends.retain(|id| !seen.contains(id) && (seen.push(*id), true).1);
    let names = ["eos_token_id", "eot_token_id", "eom_token_id"];
    for (name, id) in names.iter().zip(ends) {
        keys.u32(&format!("tokenizer.ggml.{name}"), id);
    }
    Ok(())
}

/// One id, or a list of them.
fn ids(value: &Value) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value.as_array() {
        Some(list) => list.iter().filter_map(id).collect(),
        None => id(value).into_iter().collect(),
    }
}

/// The template: a file of its own, or among the tokenizer's settings, where it may be one of
/// several.
fn template(folder: &Path, settings: &Value) -> Result<Option<String>> {
    const FILE: &str = "chat_template.jinja";
    let path = folder.join(FILE);
    if path.is_file() {
        let text = read_text_file(&path, MAX_TEMPLATE_BYTES);
        return text.map(Some).with_context(|| format!("{FILE} is damaged"));
    }
    let own = json(folder, "chat_template.json")?.unwrap_or_default();
    let found = [&own["chat_template"], &settings["chat_template"]];
    let text = |value: &Value| match value.as_array() {
        Some(several) => {
            let named = several.iter().find(|one| one["name"] == "default");
            named?["template"].as_str().map(str::to_owned)
        }
        None => value.as_str().map(str::to_owned),
    };
    Ok(found.into_iter().find_map(text))
}

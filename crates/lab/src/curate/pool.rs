//! A pool of training lines, read once: what curation needs to know of each.
//!
//! Questions and reference answers are recognised as in problem sets ([`crate::problems`]),
//! and conversations (`messages`). Traces are measured while they are read and not kept, so
//! that a pool of gigabytes fits; the lines that are kept are read again at the end.
//! Not here: what makes an item good ([`super::quality`]).

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::item::PoolItem;
use super::quality::Rules;
use super::text;
use crate::problems::{ProblemOptions, RecordLayout};
use s1_data::records::fields::{self, DOMAINS, SOLUTIONS, TRACES, get};
use s1_data::records::{self, Record};
use s1_model::tokenizer::Tokenizer;
use s1_store::run::PromptTemplate;

/// Most items: a pool of so many is to be split.
const MAX_ITEMS: usize = 2_000_000;
/// Longest name of a domain, in characters.
const MAX_DOMAIN: usize = 80;
#[derive(Debug)]
pub(super) struct CurationPool {
    pub items: Vec<PoolItem>,
    /// The layout that was recognised, e.g. `gsm8k`.
    pub layout: &'static str,
    /// How a question is put to a model.
    pub prompt: PromptTemplate,
    /// The field that names the domains.
    pub domain_field: Option<String>,
}

/// How a pool is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolReader<'a> {
    /// Measures traces; without one they are measured in words.
    pub tokenizer: Option<&'a Tokenizer>,
    /// The field of the domain, if it is not to be recognised.
    pub domain_field: Option<&'a str>,
    /// Leave broken lines out, instead of refusing the file.
    pub skip_broken: bool,
}

impl PoolReader<'_> {
    /// Reads a file. Errors where it cannot be read, holds nothing, or has a broken line.
    pub(super) fn read(&self, path: &Path) -> Result<CurationPool> {
        let shown = path.display();
        let rules = Rules::new()?;
        let mut pool = CurationPool {
            items: Vec::new(),
            layout: "messages",
            prompt: PromptTemplate::default(),
            domain_field: None,
        };
        let mut layout = None;
        let mut unlike = None;
        let mut lines = records::lines(path)?;
        while let Some((line, bytes)) = lines.next_line().with_context(|| shown.to_string())? {
            if pool.items.len() == MAX_ITEMS {
                bail!("{shown} has more than {MAX_ITEMS} lines; split it");
            }
            let mut item = PoolItem {
                line,
                id: line.to_string(),
                ..PoolItem::default()
            };
            let record = match bytes.and_then(records::record) {
                Ok(record) => record,
                Err(why) if self.skip_broken => {
                    item.broken = Some(why.to_string());
                    pool.items.push(item);
                    continue;
                }
                Err(why) => {
                    bail!("{shown}, line {line}: {why}; --skip-broken continues with the rest")
                }
            };
            if pool.domain_field.is_none() {
                pool.domain_field = self.domain_field_of(&record);
            }
            let field = pool.domain_field.as_deref();
            item.domain = field.and_then(|name| short_text(get(&record, name)?));
            match conversation(&record) {
                Some(talk) => self.take(&mut item, &rules, talk)?,
                None => {
                    // Line by line: the first may lack the very field that tells the layout.
                    let found = match RecordLayout::of(&record, &ProblemOptions::default()) {
                        Ok(found) => found,
                        Err(error) => {
                            unlike = unlike.take().or(Some((line, error)));
                            pool.items.push(item);
                            continue;
                        }
                    };
                    if let Ok((id, question, reference)) = found.read(&record) {
                        item.id = id.unwrap_or(item.id);
                        let trace = trace(&record);
                        let answer = fields::text(&record, &SOLUTIONS).unwrap_or_default();
                        let talk = Talk {
                            question,
                            reference,
                            trace,
                            answer,
                        };
                        self.take(&mut item, &rules, talk)?;
                    }
                    if layout.is_none() && item.reference.is_some() {
                        layout = Some(found);
                    }
                }
            }
            pool.items.push(item);
        }
        if pool.items.is_empty() {
            bail!("{shown} is empty; there is nothing to curate");
        }
        if pool.items.iter().all(|item| item.question.is_empty()) {
            return match unlike {
                Some((line, error)) => Err(error).with_context(|| format!("{shown}, line {line}")),
                None => bail!("{shown} holds no question"),
            };
        }
        if let (Some(name), None) = (self.domain_field, &pool.domain_field) {
            bail!("no record of {shown} has a field {name:?} to name its domain");
        }
        if let Some(layout) = layout {
            (pool.layout, pool.prompt) = (layout.name(), layout.prompt());
        }
        pool.tell_apart();
        Ok(pool)
    }

    fn take(&self, item: &mut PoolItem, rules: &Rules, talk: Talk) -> Result<()> {
        item.traced = !talk.trace.trim().is_empty();
        let measured = match item.traced {
            true => &talk.trace,
            false => &talk.answer,
        };
        item.length = match self.tokenizer {
            Some(tokenizer) => tokenizer
                .encode_plain(measured)
                .with_context(|| format!("line {}", item.line))?
                .len(),
            None => text::words(measured).len(),
        };
        item.fault = rules.fault(&talk.question, &talk.trace, &talk.answer);
        item.question = talk.question;
        item.reference = talk.reference;
        Ok(())
    }

    fn domain_field_of(&self, record: &Record) -> Option<String> {
        let named = |name: &&str| get(record, name).is_some_and(|v| short_text(v).is_some());
        match self.domain_field {
            Some(name) => Some(name).filter(named).map(str::to_owned),
            None => DOMAINS.iter().copied().find(named).map(str::to_owned),
        }
    }
}

impl CurationPool {
    /// Makes ids unique by the line's number: people look items up by them.
    fn tell_apart(&mut self) {
        let mut seen = BTreeSet::new();
        for item in &mut self.items {
            if !seen.insert(item.id.clone()) {
                item.id = format!("{}#{}", item.id, item.line);
            }
        }
    }
}

/// The texts of one line.
struct Talk {
    question: String,
    reference: Option<String>,
    trace: String,
    answer: String,
}

/// The first question and the last answer of `messages`, if it is a conversation.
fn conversation(record: &Record) -> Option<Talk> {
    let messages = record.get("messages")?.as_array()?;
    let is_by =
        |message: &&Value, by: &str| message.get("role").and_then(Value::as_str) == Some(by);
    let said = |message: &Value| message.get("content")?.as_str().map(str::to_owned);
    let question = messages.iter().find(|m| is_by(m, "user")).and_then(said);
    let last = messages.iter().rev().find(|m| is_by(m, "assistant"));
    let whole = last.and_then(said).unwrap_or_default();
    let own = last
        .and_then(Value::as_object)
        .map(trace)
        .unwrap_or_default();
    let (trace, answer) = match whole.split_once("</think>") {
        Some((trace, answer)) => (trace.replacen("<think>", "", 1), answer.to_owned()),
        None => (own, whole),
    };
    let answer = answer.trim().to_owned();
    Some(Talk {
        question: question.unwrap_or_default().trim().to_owned(),
        reference: Some(answer.clone()).filter(|a| !a.is_empty()),
        trace,
        answer,
    })
}

/// The trace: a text, the first of several texts, or pieces in one.
fn trace(record: &Record) -> String {
    match fields::filled(record, &TRACES).map(|(_, value)| value) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => match items.first() {
            Some(Value::String(first)) => first.clone(),
            _ => {
                let pieces = items.iter().filter_map(|i| i.get("text")?.as_str());
                pieces.collect()
            }
        },
        _ => String::new(),
    }
}

/// A value as the name of a domain.
fn short_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let name: String = text.chars().take(MAX_DOMAIN).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests;

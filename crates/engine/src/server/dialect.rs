//! What a server is asked, and what its events say: the forms of the servers that continue token ids,
//! and whose turn it is where one only chats ([`super::chat`]).
//!
//! Everything of a request is written out, as servers have defaults of their own. Everything of an
//! answer is checked. Not here: sending and waiting.

use serde_json::{Map, Value, json};

use super::chat;

use s1_core::rng::mix;
use s1_core::sampling::Sampling;

/// Alternatives that are asked for: as many as vLLM gives by default.
pub(super) const TOP: usize = 20;
/// The logarithm that stands for a probability of which a server says that it is nothing.
const NEVER: f32 = -99.0;

/// The form of a server's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// llama.cpp's own: `/completion`.
    Llama,
    /// `/v1/completions` with token ids: vLLM, SGLang.
    Completions,
    /// `/v1/chat/completions`, which takes no token ids: Ollama, LM Studio.
    Chat,
}

/// A continuation of token ids.
#[derive(Clone, Copy, Debug)]
pub(super) struct Continuation<'a> {
    /// What is asked of a server that only chats, in place of all else.
    pub chat: &'a Value,
    pub prompt: &'a [u32],
    /// Most tokens.
    pub most: usize,
    pub sampling: &'a Sampling,
    pub seed: u32,
    /// Ids that cannot be chosen.
    pub mask: &'a [u32],
    /// Which of the server's models.
    pub model: Option<&'a str>,
}

/// A token that a server considered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Considered {
    pub id: u32,
    /// What it stands for; `None` where the server does not say.
    pub bytes: Option<Vec<u8>>,
    pub logprob: f32,
}

/// A token that a server has drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Drawn {
    pub token: Considered,
    /// The most probable ones at its place, best first.
    pub top: Vec<Considered>,
}

/// The seed of a request: the same place of the same sample is drawn with the same one.
pub(super) fn seed(seed: u64, sample: u64, place: usize) -> u32 {
    // Servers take the highest numbers for "any".
    (mix(mix(seed, sample), place as u64) as u32) & 0x7fff_ffff
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// With a token that ends the turn.
    Turn,
    /// With as many tokens as were asked for.
    Limit,
}

/// What an event says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    pub drawn: Vec<Drawn>,
    pub ending: Option<StreamEnd>,
    /// How many tokens have been written in all, those that no event names included; `None` where they
    /// all are named.
    pub written: Option<usize>,
}

impl Dialect {
    /// Where continuations are asked for.
    pub fn path(self) -> &'static str {
        match self {
            Dialect::Llama => "/completion",
            Dialect::Completions => "/v1/completions",
            Dialect::Chat => "/v1/chat/completions",
        }
    }

    pub fn request(self, ask: &Continuation) -> Value {
        let s = ask.sampling;
        match self {
            Dialect::Chat => ask.chat.clone(),
            Dialect::Llama => json!({
                "prompt": ask.prompt,
                "n_predict": ask.most,
                "stream": true,
                "return_tokens": true,
                "cache_prompt": true,
                "n_probs": TOP,
                "post_sampling_probs": false,
                "temperature": s.temperature,
                "top_k": s.top_k,
                "top_p": s.top_p,
                "min_p": s.min_p,
                "typical_p": 1.0,
                "repeat_penalty": s.repetition_penalty,
                "repeat_last_n": s.repetition_window,
                "presence_penalty": 0.0,
                "frequency_penalty": 0.0,
                "dry_multiplier": 0.0,
                "xtc_probability": 0.0,
                "mirostat": 0,
                "ignore_eos": false,
                "seed": ask.seed,
                "logit_bias": ask.mask.iter().map(|id| json!([id, false])).collect::<Value>(),
            }),
            Dialect::Completions => {
                let bias = ask.mask.iter().map(|id| (id.to_string(), json!(-100)));
                let mut request = json!({
                    "prompt": ask.prompt,
                    "max_tokens": ask.most,
                    "stream": true,
                    "logprobs": TOP,
                    "return_token_ids": true,
                    "return_tokens_as_token_ids": true,
                    "skip_special_tokens": false,
                    "temperature": s.temperature,
                    "top_k": match s.top_k { 0 => json!(-1), k => json!(k) },
                    "top_p": s.top_p,
                    "min_p": s.min_p,
                    "repetition_penalty": s.repetition_penalty,
                    "presence_penalty": 0.0,
                    "frequency_penalty": 0.0,
                    "ignore_eos": false,
                    "seed": ask.seed,
                    "logit_bias": bias.collect::<Map<String, Value>>(),
                });
                if let Some(model) = ask.model {
                    request["model"] = model.into();
                }
                request
            }
        }
    }
}

/// Reads the events of one stream.
pub(super) enum ReplyReader {
    Llama {
        /// Ids from here on do not exist.
        vocabulary: usize,
    },
    Completions {
        vocabulary: usize,
    },
    Chat(chat::ChatReader),
}

impl ReplyReader {
    /// Ids from here on do not exist; 0 where there are none.
    pub fn vocabulary(&self) -> usize {
        match self {
            ReplyReader::Llama { vocabulary } | ReplyReader::Completions { vocabulary } => {
                *vocabulary
            }
            ReplyReader::Chat(_) => 0,
        }
    }

    /// Reads an event.
    ///
    /// # Errors
    /// If it makes no sense, in a few words.
    pub fn read(&mut self, event: &str) -> Result<Said, String> {
        let (said, vocabulary) = match self {
            ReplyReader::Chat(reader) => return reader.read(event),
            _ if event == "[DONE]" => return Ok(Said::default()),
            ReplyReader::Llama { vocabulary } => (llama(&parsed(event)?), *vocabulary),
            ReplyReader::Completions { vocabulary } => (completions(&parsed(event)?), *vocabulary),
        };
        let said = said.ok_or("an event without the token's id and probability")?;
        let all = said.drawn.iter().map(|drawn| &drawn.token);
        match all
            .map(|token| token.id)
            .find(|&id| id as usize >= vocabulary)
        {
            Some(id) => Err(format!("token {id}, where the vocabulary has {vocabulary}")),
            None => Ok(said),
        }
    }
}

/// An event's JSON, unless that says that something went wrong.
pub(super) fn parsed(event: &str) -> Result<Value, String> {
    let json: Value =
        serde_json::from_str(event).map_err(|_| "an event that is not JSON".to_owned())?;
    let Some(error) = json.get("error").filter(|error| !error.is_null()) else {
        return Ok(json);
    };
    let words = error.get("message").unwrap_or(error);
    Err(match words.as_str() {
        Some(words) => format!("the error {words:?}"),
        None => "an error".into(),
    })
}

pub(super) fn logprob(value: Option<&Value>) -> f32 {
    let known = value.and_then(Value::as_f64).map(|p| p as f32);
    known
        .filter(|p| p.is_finite())
        .map_or(NEVER, |p| p.clamp(NEVER, 0.0))
}

fn id(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

fn llama(json: &Value) -> Option<Said> {
    let considered = |json: &Value| {
        let bytes = json.get("bytes")?.as_array()?.iter();
        let bytes = bytes.map(|b| u8::try_from(b.as_u64()?).ok());
        Some(Considered {
            id: id(json.get("id")?)?,
            // Nothing is said of what a token of the protocol is.
            bytes: bytes.collect::<Option<Vec<u8>>>().filter(|b| !b.is_empty()),
            logprob: logprob(json.get("logprob")),
        })
    };
    let drawn = |json: &Value| {
        let top = json.get("top_logprobs")?.as_array()?.iter();
        Some(Drawn {
            token: considered(json)?,
            top: top.take(TOP).map(considered).collect::<Option<_>>()?,
        })
    };
    let stop = json.get("stop")?.as_bool()?;
    let given = json
        .get("completion_probabilities")
        .and_then(Value::as_array);
    let all: Vec<Drawn> = match (stop, given) {
        // The last event of a stream repeats nothing.
        (true, _) => Vec::new(),
        (false, Some(given)) => given.iter().map(drawn).collect::<Option<_>>()?,
        (false, None) => return None,
    };
    let ending = stop.then(|| match json.get("stop_type").and_then(Value::as_str) {
        Some("eos") => StreamEnd::Turn,
        _ => StreamEnd::Limit,
    });
    let turn = usize::from(ending == Some(StreamEnd::Turn));
    let written = json.get("tokens_predicted").and_then(Value::as_u64);
    Some(Said {
        drawn: all,
        ending,
        // The end of the turn is counted, too, and never named.
        written: written.map(|n| (n as usize).saturating_sub(turn)),
    })
}

fn completions(json: &Value) -> Option<Said> {
    let Some(choice) = json.get("choices")?.as_array()?.first() else {
        // What is told of the use at the end.
        return Some(Said::default());
    };
    let ending = match choice.get("finish_reason").and_then(Value::as_str) {
        None => None,
        Some("stop") => Some(StreamEnd::Turn),
        Some(_) => Some(StreamEnd::Limit),
    };
    let named = |name: &str| name.strip_prefix("token_id:")?.parse::<u32>().ok();
    let Some(given) = choice.get("logprobs").filter(|given| !given.is_null()) else {
        return ending.map(|_| Said {
            ending,
            ..Said::default()
        });
    };
    let list = |name: &str| given.get(name).and_then(Value::as_array);
    let (names, logprobs) = (list("tokens")?, list("token_logprobs")?);
    let tops = list("top_logprobs")?;
    let mut drawn = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let token = |id, value: Option<&Value>| Considered {
            id,
            bytes: None,
            logprob: logprob(value),
        };
        let top = tops.get(i).and_then(Value::as_object)?;
        let top = top.iter().take(TOP + 1);
        let top = top.map(|(name, value)| Some(token(named(name)?, Some(value))));
        let mut top = top.collect::<Option<Vec<_>>>()?;
        top.sort_by(|a, b| b.logprob.total_cmp(&a.logprob));
        drawn.push(Drawn {
            token: token(named(name.as_str()?)?, logprobs.get(i)),
            top,
        });
    }
    Some(Said {
        drawn,
        ending,
        ..Said::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LLAMA: &str = r#"{"index":0,"content":"","tokens":[40303],"stop":false,"completion_probabilities":[{"id":40303,"token":"","bytes":[32,240,159],"logprob":-0.5,"top_logprobs":[{"id":40303,"token":"","bytes":[32,240,159],"logprob":-0.5},{"id":2,"token":"","bytes":[],"logprob":null}]}]}"#;
    const VLLM: &str = r#"{"choices":[{"index":0,"text":" a","logprobs":{"text_offset":[0],"token_logprobs":[-0.5],"tokens":["token_id:7"],"top_logprobs":[{"token_id:9":-1.5,"token_id:7":-0.5}]},"finish_reason":"stop","stop_reason":null,"token_ids":[7]}]}"#;

    #[test]
    fn half_a_character_arrives_as_bytes() {
        let mut reader = ReplyReader::Llama { vocabulary: 50_000 };
        let said = reader.read(LLAMA).unwrap();
        let drawn = &said.drawn[0];
        assert_eq!(drawn.token.bytes.as_deref(), Some(&[32, 240, 159][..]));
        assert_eq!((drawn.top[1].id, drawn.top[1].logprob), (2, NEVER));
        assert_eq!(said.ending, None);
        let end = r#"{"stop":true,"stop_type":"eos","tokens":[]}"#;
        let end = reader.read(end).unwrap();
        assert_eq!((end.drawn.len(), end.ending), (0, Some(StreamEnd::Turn)));
    }

    #[test]
    fn ids_are_read_where_texts_would_be_ambiguous() {
        let mut reader = ReplyReader::Completions { vocabulary: 10 };
        let said = reader.read(VLLM).unwrap();
        let ids: Vec<u32> = said.drawn[0].top.iter().map(|t| t.id).collect();
        assert_eq!((said.drawn[0].token.id, ids), (7, vec![7, 9]));
        assert_eq!(said.ending, Some(StreamEnd::Turn));
        assert_eq!(reader.read("[DONE]"), Ok(Said::default()));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_word_about_it() {
        let mut reader = ReplyReader::Llama { vocabulary: 100 };
        let mut why = |event: &str| reader.read(event).unwrap_err();
        assert!(why("{\"stop\": fal").contains("not JSON"));
        assert!(why("{}").contains("without the token's id"));
        assert!(why(LLAMA).contains("token 40303"));
        assert!(why(r#"{"error":{"message":"out of memory"}}"#).contains("out of memory"));
        let named = VLLM.replace("token_id:7", "a");
        assert!(
            ReplyReader::Completions { vocabulary: 100 }
                .read(&named)
                .is_err()
        );
    }

    #[test]
    fn nothing_is_left_to_a_servers_defaults() {
        let ask = Continuation {
            chat: &Value::Null,
            prompt: &[1, 2],
            most: 5,
            sampling: &Sampling::default(),
            seed: 3,
            mask: &[9],
            model: Some("m"),
        };
        let llama = Dialect::Llama.request(&ask);
        for key in [
            "temperature",
            "top_k",
            "top_p",
            "min_p",
            "repeat_penalty",
            "seed",
        ] {
            assert!(!llama[key].is_null(), "{key}");
        }
        assert_eq!(llama["logit_bias"], json!([[9, false]]));
        let vllm = Dialect::Completions.request(&ask);
        assert_eq!(
            (&vllm["top_k"], &vllm["logit_bias"]["9"]),
            (&json!(-1), &json!(-100))
        );
    }
}

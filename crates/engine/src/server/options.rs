//! What can be chosen for a server.

use std::path::PathBuf;

use super::address;
use crate::LoadOptions;
use s1_core::param::{Access, Param};
use s1_core::{field, param};

/// How a server is used. Its address is the model's path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerOptions {
    /// Which of its models; `None` for the only one.
    pub model: Option<String>,
    /// The environment variable that holds its key.
    pub key_variable: Option<String>,
    /// A `tokenizer.json` or a GGUF file with the server's vocabulary; `None` asks the server.
    pub tokenizer: Option<PathBuf>,
    /// Most requests under way at once; `None` for as many as it has places.
    pub concurrency: Option<usize>,
    /// The server to start for the model: `llama-server`, `vllm`, or a command.
    pub serve: Option<String>,
}

/// The word for a model that is a file.
const NONE: &str = "none";

/// The parameters of a server.
pub const SERVER: &[Param<LoadOptions>] = &[
    param!(
        "server",
        Access::Notation(
            |load: &LoadOptions| match address::is_server(&load.path) {
                true => load.path.display().to_string(),
                false => NONE.into(),
            },
            |load: &mut LoadOptions, text| {
                match text == NONE {
                    false => load.path = address::path(text)?,
                    true if address::is_server(&load.path) => load.path = PathBuf::new(),
                    true => {}
                }
                Some(())
            },
        )
    )
    .named("Server", "URL,…")
    .help("A server that computes, in place of a model file: its address, or several of the same model.")
    .allowed("addresses that begin with http:// or https://"),
    param!("server_model", Access::Text(field!(LoadOptions.server.model)))
        .named("Server's model", "NAME")
        .help("Which of the server's models; auto is the only one.")
        .none("auto"),
    param!("api_key_env", Access::Text(field!(LoadOptions.server.key_variable)))
        .named("Key's variable", "NAME")
        .help("The environment variable that holds the server's key.")
        .none("none"),
    param!("tokenizer", Access::Path(field!(LoadOptions.server.tokenizer)))
        .named("Tokenizer", "FILE")
        .help("A tokenizer.json or a GGUF file with the server's vocabulary; auto asks the server.")
        .none("auto"),
    param!(
        "concurrency",
        Access::Int(1, 4096, field!(LoadOptions.server.concurrency))
    )
    .named("Requests at once", "N")
    .help("Requests to a server that are under way at once at most; auto is as many as it has places, or 32.")
    .none("auto"),
    param!("serve", Access::Text(field!(LoadOptions.server.serve)))
        .named("Start a server", "WHAT")
        .help("A server to start for the model, and to end with it: llama-server or vllm, with flags of theirs behind, or a command with {model} and {port} in it.")
        .none("none"),
];

//! Requests to one server, and what can go wrong with them in one sentence each.
//!
//! The key goes to the address it was given for and nowhere else: no redirection is followed. Every
//! answer is bounded in length and in time. A request is made in the thread that asks for it; ending
//! its [`Agent`] from another thread ends it, wherever it is.

use std::fmt;
use std::io::{BufReader, Read};
use std::time::Duration;

use serde_json::Value;
use ureq::http::header::{AUTHORIZATION, HeaderMap, LOCATION, RETRY_AFTER};
use ureq::http::{HeaderValue, Response, StatusCode};
use ureq::{Agent, Body, BodyReader, Timeout};

use super::address::Address;
use s1_data::sanitize::clean_line;

/// No answer that is read as a whole is longer, in bytes.
const LONGEST_ANSWER: u64 = 16 << 20;
/// Of a server's own words, so many characters are passed on.
const QUOTED: usize = 200;

/// How long a server is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerTimeouts {
    /// For a connection.
    pub connection: Duration,
    /// For an answer that is read as a whole.
    pub answer: Duration,
    /// For the next bytes of a stream: the server may have others to serve, and reads the prompt.
    pub silence: Duration,
    /// Before a request is made again; doubled each time.
    pub pause: Duration,
}

impl Default for ServerTimeouts {
    fn default() -> ServerTimeouts {
        ServerTimeouts {
            connection: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            silence: Duration::from_secs(120),
            pause: Duration::from_millis(300),
        }
    }
}

/// What went wrong. The sentence says what, where, and what to try.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RequestFault {
    pub why: String,
    /// Whether the same request may succeed at another time or at another server.
    pub passing: bool,
    /// How long the server asks to wait.
    pub wait: Option<Duration>,
    /// Whether the server has nothing of the kind.
    pub missing: bool,
}

impl RequestFault {
    /// One that another time or another server may not have.
    pub fn passing(why: impl Into<String>) -> RequestFault {
        RequestFault {
            why: why.into(),
            passing: true,
            wait: None,
            missing: false,
        }
    }

    /// One that the same request has everywhere and always.
    pub fn lasting(why: impl Into<String>) -> RequestFault {
        RequestFault {
            passing: false,
            ..RequestFault::passing(why)
        }
    }
}

impl fmt::Display for RequestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for RequestFault {}

/// Whether something failed for a reason that another time or another server may not have.
pub(super) fn may_pass(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        cause
            .downcast_ref::<RequestFault>()
            .is_some_and(|f| f.passing)
    })
}

/// One server.
#[derive(Clone)]
pub(super) struct ServerClient {
    pub base: String,
    /// Whether it is to be used as a chat alone.
    pub chats: bool,
    key: Option<HeaderValue>,
    /// The variable that holds the key, for sentences.
    variable: Option<String>,
    pub patience: ServerTimeouts,
    /// For answers that are read as a whole.
    agent: Agent,
}

impl ServerClient {
    /// A server at an address; `variable` names the environment variable of its key.
    ///
    /// # Errors
    /// If there is no such variable, or what it holds cannot be a key.
    pub fn new(
        Address { base, chats }: Address,
        variable: Option<&str>,
        patience: ServerTimeouts,
    ) -> Result<ServerClient, RequestFault> {
        let key = variable.map(key).transpose()?;
        let whole = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(patience.connection))
            .timeout_global(Some(patience.answer))
            .build();
        Ok(ServerClient {
            base,
            chats,
            key,
            variable: variable.map(str::to_owned),
            patience,
            agent: whole.new_agent(),
        })
    }

    /// An agent for one stream, which ends with it.
    pub fn streaming(&self) -> Agent {
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(self.patience.connection))
            .timeout_per_read(Some(self.patience.silence))
            .build()
            .new_agent()
    }

    /// What ends a question under way, from another thread.
    pub fn agent(&self) -> Agent {
        self.agent.clone()
    }

    pub fn get(&self, path: &str) -> Result<Value, RequestFault> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        self.whole(path, request.call())
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value, RequestFault> {
        let answer = self.send(&self.agent, path, body);
        self.whole(path, answer)
    }

    /// Opens a stream.
    pub fn open(
        &self,
        agent: &Agent,
        path: &str,
        body: &Value,
    ) -> Result<BufReader<BodyReader<'static>>, RequestFault> {
        let answer = self.checked(path, self.send(agent, path, body))?;
        Ok(BufReader::new(answer.into_body().into_reader()))
    }

    fn send(&self, agent: &Agent, path: &str, body: &Value) -> Result<Response<Body>, ureq::Error> {
        let mut request = agent.post(format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        request
            .content_type("application/json")
            .send(body.to_string())
    }

    fn whole(
        &self,
        path: &str,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<Value, RequestFault> {
        let answer = self.checked(path, answer)?;
        let mut text = Vec::new();
        let read = answer.into_body().into_reader();
        let read = read.take(LONGEST_ANSWER).read_to_end(&mut text);
        read.map_err(|error| self.broken(&error.into()))?;
        serde_json::from_slice(&text).map_err(|_| {
            RequestFault::lasting(format!(
                "{}{path} answers with something that is not JSON; is it a model's server?",
                self.base
            ))
        })
    }

    /// The answer, unless its status says that it is none.
    fn checked(
        &self,
        path: &str,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, RequestFault> {
        let answer = answer.map_err(|error| self.broken(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let mut text = Vec::new();
        // What cannot be read of an explanation is left out.
        let _ = body.into_reader().take(1 << 16).read_to_end(&mut text);
        Err(self.refused(path, status, &head.headers, &own_words(&text)))
    }

    fn refused(
        &self,
        path: &str,
        status: StatusCode,
        head: &HeaderMap,
        words: &str,
    ) -> RequestFault {
        let (base, code) = (&self.base, status.as_u16());
        let said = |name| head.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        let with = match words.is_empty() {
            true => String::new(),
            false => format!(": {words}"),
        };
        match code {
            300..=399 => RequestFault::lasting(format!(
                "the server at {base} sends requests on to {}, where neither the question nor the key is sent; give that address if it is right",
                clean_line(said(LOCATION).unwrap_or("another place"))
            )),
            401 | 403 => RequestFault::lasting(match &self.variable {
                Some(variable) => {
                    format!("the server at {base} does not accept the key in {variable} ({code})")
                }
                None => format!(
                    "the server at {base} wants a key ({code}); name the environment variable that holds it with --api-key-env"
                ),
            }),
            404 => RequestFault {
                missing: true,
                ..RequestFault::lasting(format!(
                    "the server at {base} has no {path}, or no such model (404){with}"
                ))
            },
            429 | 503 => RequestFault {
                wait: said(RETRY_AFTER)
                    .and_then(|seconds| seconds.trim().parse().ok())
                    .map(Duration::from_secs),
                ..RequestFault::passing(format!("the server at {base} is busy ({code}){with}"))
            },
            500.. => RequestFault::passing(format!(
                "the server at {base} has failed ({code}){with}; its log may say why"
            )),
            _ => RequestFault::lasting(format!("the server at {base} refuses this ({code}){with}")),
        }
    }

    /// What a connection that broke is called.
    pub fn broken(&self, error: &ureq::Error) -> RequestFault {
        let base = &self.base;
        RequestFault::passing(match error {
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => format!(
                "no connection to the server at {base} within {} s; is the address right?",
                self.patience.connection.as_secs()
            ),
            ureq::Error::Timeout(Timeout::PerRead) => format!(
                "the server at {base} has been silent for {} s; it may hang",
                self.patience.silence.as_secs_f32()
            ),
            ureq::Error::Timeout(_) => format!(
                "the server at {base} has not answered within {} s; it may hang",
                self.patience.answer.as_secs_f32()
            ),
            ureq::Error::HostNotFound => format!("there is no host of the name in {base}"),
            error => match nested_timeout(error) {
                true => format!(
                    "the server at {base} has been silent for {} s; it may hang",
                    self.patience.silence.as_secs_f32()
                ),
                false => format!(
                    "the connection to the server at {base} broke ({}); is it running?",
                    clean_line(&error.to_string())
                ),
            },
        })
    }
}

/// Whether an error of reading stands for a wait that took too long.
fn nested_timeout(error: &ureq::Error) -> bool {
    let ureq::Error::Io(error) = error else {
        return false;
    };
    let inner = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<ureq::Error>());
    matches!(inner, Some(ureq::Error::Timeout(_))) || error.kind() == std::io::ErrorKind::TimedOut
}

/// The key that a variable holds.
fn key(variable: &str) -> Result<HeaderValue, RequestFault> {
    let Ok(key) = std::env::var(variable) else {
        return Err(RequestFault::lasting(format!(
            "the environment variable {variable}, which should hold the server's key, is not set"
        )));
    };
    let header = HeaderValue::from_str(&format!("Bearer {}", key.trim()));
    let mut header = header.map_err(|_| {
        RequestFault::lasting(format!(
            "what the environment variable {variable} holds cannot be a key"
        ))
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// What a server says of a request that it refuses: the message in its JSON, or the text itself.
fn own_words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let json: Option<Value> = serde_json::from_str(&text).ok();
    let message = json.as_ref().and_then(|json| {
        let error = json.get("error").unwrap_or(json);
        let inner = error.get("message").or(json.get("detail"));
        inner.unwrap_or(error).as_str()
    });
    let words = clean_line(message.unwrap_or(&text)).into_owned();
    words.trim().chars().take(QUOTED).collect()
}

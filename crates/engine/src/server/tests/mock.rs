//! A llama.cpp server of a made-up model: bytes are tokens, and what follows depends on the length of
//! the text alone.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// `<|im_end|>`, `</think>`, `<think>`.
const TURN: u32 = 256;
pub const END: u32 = 257;
const OPEN: u32 = 258;
const VOCABULARY: u32 = 259;
const LITERALS: [(&str, u32); 3] = [("<|im_end|>", TURN), ("</think>", END), ("<think>", OPEN)];

/// What it does when it is asked for a continuation.
#[derive(Clone, Copy, Debug)]
pub enum Turn {
    Fine,
    /// Two tokens, and the end of the connection.
    Few,
    /// Nothing more comes, and the connection stays.
    Silent,
    /// A byte now and then, after a token.
    Dripping,
    /// The connection ends within an event.
    Torn,
    /// It ends at once.
    Closed,
    /// It says that it has written all that was asked for, and nothing before.
    Empty,
    NoJson,
    Endless,
    BeyondVocabulary,
    /// Of each five tokens the second and third are not named, as those of a character are not.
    Withholding,
    /// Another status, with lines of the head.
    Status(u16, &'static str),
}

pub struct Mock {
    pub address: String,
    prompts: Arc<Mutex<Vec<Vec<u32>>>>,
    /// How many times more it hangs up when it is asked for tokens.
    deaf: Arc<AtomicUsize>,
}

impl Mock {
    /// `turn` says what it does at the n-th request.
    pub fn new(turn: impl Fn(usize) -> Turn + Send + Sync + 'static) -> Mock {
        let prompts = Arc::new(Mutex::new(Vec::new()));
        let (seen, requests) = (prompts.clone(), AtomicUsize::new(0));
        let deaf = Arc::new(AtomicUsize::new(0));
        let ears = deaf.clone();
        let address = listen(move |stream, path, body| {
            let less = |n: usize| n.checked_sub(1);
            let hears = || ears.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            if path == "/tokenize" && hears().is_ok() {
                return Ok(());
            }
            let turn = || turn(requests.fetch_add(1, Ordering::Relaxed));
            serve(stream, (path, body), &seen, &turn)
        });
        Mock {
            address,
            prompts,
            deaf,
        }
    }

    /// Hangs up so many times when it is asked for tokens.
    pub fn is_deaf(&self, times: usize) {
        self.deaf.store(times, Ordering::Relaxed);
    }

    /// What it was asked to continue.
    pub fn prompts(&self) -> Vec<Vec<u32>> {
        self.prompts.lock().unwrap().clone()
    }
}

/// Answers requests, each in a thread of its own: a stream for the answer, the path and the body. Returns
/// the address.
pub fn listen(
    answer: impl Fn(TcpStream, &str, Value) -> std::io::Result<()> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                // A reader that is gone is no failure of the mock.
                if let Ok((path, body)) = request(&stream) {
                    let _ = answer(stream, &path, body);
                }
            });
        }
    });
    address
}

/// The path and the body of a request.
fn request(stream: &TcpStream) -> std::io::Result<(String, Value)> {
    let mut input = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == "\r\n" {
            break;
        }
        if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Ok((head.split(' ').nth(1).unwrap_or_default().to_owned(), body))
}

fn serve(
    stream: TcpStream,
    (path, body): (&str, Value),
    seen: &Mutex<Vec<Vec<u32>>>,
    turn: &dyn Fn() -> Turn,
) -> std::io::Result<()> {
    match path {
        "/props" => answer(
            &stream,
            200,
            "",
            &json!({
                "total_slots": 2,
                "default_generation_settings": {"n_ctx": 400},
                "model_path": "toy.gguf", "model_ftype": "F32",
                "chat_template": "{{ messages[-1]['content'] }}:",
                "bos_token": "", "eos_token": "<|im_end|>",
            }),
        ),
        "/v1/models" => answer(
            &stream,
            200,
            "",
            &json!({
                "data": [{"id": "toy", "meta": {"n_vocab": VOCABULARY, "n_params": 1}}],
            }),
        ),
        "/tokenize" => {
            let text = body["content"].as_str().unwrap();
            let literals: &[_] = match body["parse_special"].as_bool() {
                Some(true) => &LITERALS,
                _ => &[],
            };
            answer(&stream, 200, "", &json!({"tokens": tokens(text, literals)}))
        }
        _ => {
            let ids = body["prompt"].as_array().unwrap().iter();
            let ids: Vec<u32> = ids.map(|id| id.as_u64().unwrap() as u32).collect();
            let most = body["n_predict"].as_u64().unwrap() as usize;
            if body["stream"] == false {
                let all: Vec<u32> = (0..most).map(|n| next(ids.len() + n)).collect();
                let text: String = all.iter().map(|&id| id as u8 as char).collect();
                return answer(&stream, 200, "", &json!({"tokens": all, "content": text}));
            }
            seen.lock().unwrap().push(ids.clone());
            continue_text(stream, &ids, most, turn())
        }
    }
}

fn continue_text(
    mut stream: TcpStream,
    ids: &[u32],
    most: usize,
    turn: Turn,
) -> std::io::Result<()> {
    if let Turn::Status(code, head) = turn {
        return answer(
            &stream,
            code,
            head,
            &json!({"error": {"message": "out of luck"}}),
        );
    }
    stream.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n",
    )?;
    match turn {
        Turn::Silent => std::thread::sleep(Duration::from_secs(3)),
        Turn::Torn => stream.write_all(b"data: {\"stop\": fal")?,
        Turn::NoJson => stream.write_all(b"data: {\"stop\": fal\n\n")?,
        Turn::Empty => stream.write_all(b"data: {\"stop\": true, \"stop_type\": \"limit\"}\n\n")?,
        Turn::Endless => while stream.write_all(&[b'x'; 4096]).is_ok() {},
        Turn::BeyondVocabulary => stream.write_all(event(9999).as_bytes())?,
        Turn::Dripping => {
            stream.write_all(event(b'a'.into()).as_bytes())?;
            while stream.write_all(b":").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        _ => {
            for n in 0..most {
                if n == 2 && matches!(turn, Turn::Few) || matches!(turn, Turn::Closed) {
                    return Ok(());
                }
                let id = next(ids.len() + n);
                // One after the other, as a model writes.
                match turn {
                    Turn::Withholding if matches!((ids.len() + n) % 5, 1 | 2) => {}
                    Turn::Withholding => {
                        let mut event = event_of(id);
                        event["tokens_predicted"] = (n + 1).into();
                        stream.write_all(format!("data: {event}\n\n").as_bytes())?;
                    }
                    _ => stream.write_all(event(id).as_bytes())?,
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            let mut end = json!({"stop": true, "stop_type": "limit"});
            if matches!(turn, Turn::Withholding) {
                end["tokens_predicted"] = most.into();
            }
            stream.write_all(format!("data: {end}\n\n").as_bytes())?;
        }
    }
    Ok(())
}

/// The token after a text of so many.
fn next(length: usize) -> u32 {
    u32::from(b'a') + (length % 7) as u32
}

fn event(id: u32) -> String {
    format!("data: {}\n\n", event_of(id))
}

fn event_of(id: u32) -> Value {
    let bytes = u8::try_from(id).map_or(vec![], |b| vec![b]);
    let token = json!({"id": id, "token": "", "bytes": bytes, "logprob": -0.25});
    let mut probabilities = token.clone();
    probabilities["top_logprobs"] = json!([token]);
    json!({"stop": false, "content": "", "completion_probabilities": [probabilities]})
}

fn tokens(text: &str, literals: &[(&str, u32)]) -> Value {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let literal = literals.iter().find(|(name, _)| rest.starts_with(name));
        let len = match literal {
            Some((name, id)) => {
                tokens.push(json!({"id": id, "piece": name}));
                name.len()
            }
            None => {
                for byte in rest[..c.len_utf8()].bytes() {
                    tokens.push(json!({"id": byte, "piece": [byte]}));
                }
                c.len_utf8()
            }
        };
        rest = &rest[len..];
    }
    tokens.into()
}

pub fn answer(mut stream: &TcpStream, code: u16, head: &str, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    let text = format!(
        "HTTP/1.1 {code} X\r\n{head}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes())
}

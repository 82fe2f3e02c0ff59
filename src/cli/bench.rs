//! `s1-tui bench`: how fast a model computes on this machine, and how much of the memory's speed that
//! is.

use std::hint::black_box;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::args::ModelFlags;
use super::given::GivenFlags;
use super::{json_line, settings};
use s1_core::format;
use s1_model::cache::Cache;
use s1_model::decoder::{Decoder, Logits};
use s1_model::gguf::Gguf;
use s1_model::kernels::elementwise;
use s1_model::{memory, parallel};

/// Tokens of a prompt computed at once.
const CHUNK: usize = 512;
/// Repetitions of which the best counts.
const REPEATS: usize = 3;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    #[command(flatten)]
    model: GivenFlags<ModelFlags>,
    /// Tokens of the prompt.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    prompt_tokens: u32,
    /// Tokens decoded after it.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    new_tokens: u32,
    /// Sequences decoded together.
    #[arg(long, value_name = "1,2,…", value_delimiter = ',', default_value = "1,2,4,8", value_parser = clap::value_parser!(u32).range(1..=256))]
    lanes: Vec<u32>,
    /// Tokens that each sequence has behind it when decoding begins.
    #[arg(long, value_name = "0,…", value_delimiter = ',', default_value = "0,2000", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    context_at: Vec<u32>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Measured {
    model: String,
    threads: usize,
    device: String,
    load_s: f64,
    prefill_tok_s: f64,
    decode: Vec<DecodeSpeed>,
    /// Bytes of weights that computing one token reads.
    weight_bytes_per_token: u64,
    /// What this machine's memory gives to these threads, of as many bytes as the weights have:
    /// where they fit a cache of the processor, that is its speed. Unknown without so much memory.
    bandwidth_gb_s: Option<f64>,
    /// Share of it that decoding one sequence without context uses for weights.
    bandwidth_share: Option<f64>,
    /// The most memory this process has held.
    peak_mib: Option<u64>,
}

#[derive(Serialize)]
struct DecodeSpeed {
    lanes: usize,
    context: usize,
    /// Tokens a second of all lanes together.
    tok_s: f64,
}

/// Runs the command. Errors where the model cannot be loaded or a sequence does not fit it.
pub fn run(args: &BenchArgs) -> Result<()> {
    let files = settings::files(&args.model)?;
    let started = Instant::now();
    let gguf = Gguf::open(&files.path)?.rounded(files.quantize);
    let place = files.device.for_model(&gguf)?;
    let decoder = Decoder::load(&gguf, &place, &mut |_| true)
        .with_context(|| format!("cannot load {}", files.path.display()))?
        .with_cache(files.cache_type)?;
    let vocab = decoder.config().vocab;
    let decoder = decoder.drawn_from(vocab, &[])?;
    let load_s = started.elapsed().as_secs_f64();
    let bench = Bench {
        decoder: &decoder,
        new_tokens: args.new_tokens as usize,
    };
    let prompt = args.prompt_tokens as usize;
    let longest = args.context_at.iter().max().copied().unwrap_or(0) as usize;
    bench.check(prompt.max(longest + bench.new_tokens))?;

    let prefill = bench.prefill(prompt)?;
    let mut decode = Vec::new();
    for &context in &args.context_at {
        for &lanes in &args.lanes {
            let (lanes, context) = (lanes as usize, context as usize);
            let tok_s = bench.decode(lanes, context)?;
            decode.push(DecodeSpeed {
                lanes,
                context,
                tok_s,
            });
        }
    }
    let weights = decoder.weight_bytes_per_token();
    // Before the memory is measured, which takes some itself.
    let peak = memory::peak();
    let bandwidth = read_bandwidth(weights);
    let alone = decode.iter().find(|speed| speed.lanes == 1);
    let share = |bandwidth: f64| Some(alone?.tok_s * weights as f64 / bandwidth / 1e9);
    let measured = Measured {
        model: files.path.display().to_string(),
        threads: parallel::threads(),
        device: place.name(),
        load_s,
        prefill_tok_s: prefill,
        bandwidth_share: bandwidth.and_then(share),
        decode,
        weight_bytes_per_token: weights,
        bandwidth_gb_s: bandwidth,
        peak_mib: peak.map(|bytes| bytes >> 20),
    };
    let mut out = io::stdout().lock();
    if args.json {
        json_line(&mut out, &measured)?;
    } else {
        measured.print(&mut out)?;
    }
    Ok(())
}

fn known(value: Option<String>) -> String {
    value.unwrap_or_else(|| "unknown".to_owned())
}

impl Measured {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = [
            ("threads", self.threads.to_string()),
            ("device", self.device.clone()),
            ("load", format!("{:.2} s", self.load_s)),
            ("prompt", format!("{:.1} tokens/s", self.prefill_tok_s)),
            (
                "weights",
                format!("{} a token", format::size(self.weight_bytes_per_token)),
            ),
            (
                "memory",
                known(self.bandwidth_gb_s.map(|speed| format!("{speed:.1} GB/s"))),
            ),
            (
                "used of it",
                known(
                    self.bandwidth_share
                        .map(|share| format!("{:.0}%", 100.0 * share)),
                ),
            ),
            ("peak", known(self.peak_mib.map(|mib| format!("{mib} MiB")))),
        ];
        for (name, value) in rows {
            writeln!(out, "{name:<12}{value}")?;
        }
        writeln!(out, "\n{:>6} {:>9} {:>12}", "lanes", "context", "tokens/s")?;
        for speed in &self.decode {
            let DecodeSpeed {
                lanes,
                context,
                tok_s,
            } = speed;
            writeln!(out, "{lanes:>6} {context:>9} {tok_s:>12.1}")?;
        }
        Ok(())
    }
}

struct Bench<'a> {
    decoder: &'a Decoder,
    new_tokens: usize,
}

impl Bench<'_> {
    fn check(&self, longest: usize) -> Result<()> {
        let context = self.decoder.config().context_length;
        if longest > context {
            bail!("{longest} tokens do not fit this model's context of {context}; use fewer");
        }
        Ok(())
    }

    /// Any tokens; which ones makes no difference to the time.
    fn tokens(&self, n: usize) -> Vec<u32> {
        let vocab = self.decoder.config().vocab;
        (0..n).map(|i| ((100 + i * 37) % vocab) as u32).collect()
    }

    fn fill(&self, cache: &mut Cache, tokens: &[u32], last: Logits) -> Result<()> {
        let chunks = tokens.chunks(CHUNK);
        let count = chunks.len();
        for (i, chunk) in chunks.enumerate() {
            let want = if i + 1 == count { last } else { Logits::None };
            black_box(self.decoder.next_logits(&mut [(cache, chunk)], want)?);
        }
        Ok(())
    }

    /// Tokens of a prompt a second.
    fn prefill(&self, tokens: usize) -> Result<f64> {
        let ids = self.tokens(tokens);
        let mut cache = self.decoder.new_cache(tokens)?;
        let took = best(|| {
            cache.truncate(0);
            self.fill(&mut cache, &ids, Logits::Last)
        })?;
        Ok(tokens as f64 / took.as_secs_f64())
    }

    /// Tokens decoded a second by all lanes together.
    fn decode(&self, lanes: usize, context: usize) -> Result<f64> {
        // One token at least, as there is always a prompt.
        let before = context.max(1);
        let mut first = self.decoder.new_cache(before + self.new_tokens)?;
        self.fill(&mut first, &self.tokens(before), Logits::None)?;
        let mut caches = vec![first];
        while caches.len() < lanes {
            caches.push(caches[0].fork(before, before + self.new_tokens)?);
        }
        let took = best(|| {
            caches.iter_mut().for_each(|cache| cache.truncate(before));
            for id in self.tokens(self.new_tokens) {
                let step = [id];
                let mut batch: Vec<_> = caches.iter_mut().map(|cache| (cache, &step[..])).collect();
                let rows = self.decoder.next_logits(&mut batch, Logits::Last)?;
                self.decoder.recycle(black_box(rows));
            }
            Ok(())
        })?;
        Ok((lanes * self.new_tokens) as f64 / took.as_secs_f64())
    }
}

/// The shortest of some repetitions.
fn best(mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..REPEATS {
        let started = Instant::now();
        work()?;
        best = best.min(started.elapsed());
    }
    Ok(best)
}

/// Gigabytes a second that the pool's threads read together, of so many bytes again and again.
fn read_bandwidth(bytes: u64) -> Option<f64> {
    const PIECE: usize = 1 << 16;
    let len = (usize::try_from(bytes).ok()? / size_of::<u64>()).next_multiple_of(PIECE);
    let mut numbers: Vec<u64> = Vec::new();
    numbers.try_reserve_exact(len).ok()?;
    numbers.resize(len, 1);
    let took = best(|| {
        parallel::split(len / PIECE, PIECE, |range| {
            black_box(elementwise::sum(
                &numbers[range.start * PIECE..range.end * PIECE],
            ));
        });
        Ok(())
    });
    Some((len * size_of::<u64>()) as f64 / took.ok()?.as_secs_f64() / 1e9)
}

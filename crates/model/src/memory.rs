//! How much memory there is and how much a model needs, so that what cannot fit is refused in one
//! sentence instead of ending in an allocation failure or in endless paging.

use anyhow::{Result, bail};
use s1_core::format;
use s1_core::training::Quantization;

use super::config::ModelConfig;
use super::device::Place;
use super::gguf::Gguf;
use super::kernels::kv::{CacheShape, CacheType};
use super::weights::Weights;

/// Rows that a step computes at once, in the memory it works in.
const STEP_ROWS: u64 = 512;
/// Rows of logits that are kept.
const LOGIT_ROWS: u64 = 64;
/// The smallest context that is worth proposing.
const LEAST_CONTEXT: usize = 512;

/// What computing with a model needs where it computes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryNeed {
    pub weights: u64,
    /// Keys and values of one text that fills the context.
    pub cache: u64,
    /// What lies between the weights.
    pub workspace: u64,
}

impl MemoryNeed {
    /// That of a model with a context of so many tokens, where it is to be computed; a cache of no type is as
    /// the weights suggest.
    ///
    /// # Errors
    /// If the model is none that is computed here.
    pub fn of(
        gguf: &Gguf,
        context: usize,
        cache: Option<CacheType>,
        place: &Place,
    ) -> Result<MemoryNeed> {
        ModelConfig::check_architecture(gguf)?;
        let Some([vocab, _]) = gguf.tensor("token_embd.weight").map(|t| &t.shape[..]) else {
            bail!("the file has no tensor token_embd.weight with two dimensions");
        };
        let config = ModelConfig::read(gguf, *vocab)?;
        let shape = CacheShape {
            layers: config.own_kv,
            kv_heads: config.kv_heads,
            dim: config.head_dim,
            value_dim: config.value_dim,
            numbers: cache.unwrap_or_else(|| Weights::new(gguf).cache_type()),
        };
        let heads = config.heads * (config.head_dim + config.value_dim);
        let around = config.streams.map_or(0, |streams| {
            (streams.count + 3) * config.hidden + config.layers * streams.embedding
        });
        let row = 4 * (4 * config.hidden + 2 * config.ffn + 2 * heads + around) as u64;
        Ok(MemoryNeed {
            weights: weights_at(gguf, gguf.weights_bytes(), place),
            cache: shape.bytes(context),
            workspace: STEP_ROWS * row + LOGIT_ROWS * 4 * config.vocab as u64,
        })
    }

    pub fn total(&self) -> u64 {
        let parts = [self.weights, self.cache, self.workspace];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

/// Bytes of weights where they are computed with: tensors of a device may be wider than in the file.
fn weights_at(gguf: &Gguf, bytes: u64, place: &Place) -> u64 {
    match place {
        Place::Tensors(_) => Weights::device_bytes(gguf, bytes),
        Place::Host => bytes,
    }
}

/// Refuses a model that the memory does not suffice for where it is to be computed, and says what would
/// make it fit. Where the system does not say how much there is, nothing is refused.
///
/// # Errors
/// If it does not suffice, or the model is none that is computed here.
pub fn require_model(
    gguf: &Gguf,
    context: usize,
    cache: Option<CacheType>,
    place: &Place,
) -> Result<()> {
    require_model_within(gguf, (context, cache), place, place.free_memory())
}

fn require_model_within(
    gguf: &Gguf,
    (context, cache): (usize, Option<CacheType>),
    place: &Place,
    available: Option<u64>,
) -> Result<()> {
    let need = MemoryNeed::of(gguf, context, cache, place)?;
    let Some(available) = available.filter(|available| need.total() > *available) else {
        return Ok(());
    };
    let beside = need.total() - need.weights;
    let quantize = Quantization::ALL.into_iter().find(|kind| {
        let rounded = weights_at(gguf, gguf.weights_bytes_after(Some(*kind)), place);
        rounded.saturating_add(beside) <= available
    });
    let fits_with = |context, cache| {
        let need = MemoryNeed::of(gguf, context, cache, place);
        need.is_ok_and(|need| need.total() <= available)
    };
    let fits = |context: &usize| fits_with(*context, cache);
    let smallest = match place {
        Place::Host => CacheType::Q8_0,
        Place::Tensors(_) => CacheType::F16,
    };
    let halves = std::iter::successors(Some(context / 2), |context| Some(context / 2));
    let shorter = halves
        .take_while(|context| *context >= LEAST_CONTEXT)
        .find(fits);
    let advice = match (shorter, quantize) {
        _ if fits_with(context, Some(smallest)) => {
            format!("--cache-type {} makes it fit", smallest.name())
        }
        (Some(context), Some(kind)) => {
            format!(
                "--context {context} makes it fit, or --quantize {}",
                kind.name()
            )
        }
        (Some(context), None) => format!("--context {context} makes it fit"),
        (None, Some(kind)) => format!("--quantize {} makes it fit", kind.name()),
        (None, None) if !place.is_cpu() => "--device cpu computes it on the CPU".to_owned(),
        (None, None) => {
            "use a smaller or more strongly quantized one, or a server with --server".to_owned()
        }
    };
    let whose = if place.is_cpu() {
        "memory"
    } else {
        "the GPU's memory"
    };
    bail!(
        "the model needs {} of {whose} ({} of weights, {} for a context of {context} tokens, {} to work in) and {} are available: {advice}",
        format::size(need.total()),
        format::size(need.weights),
        format::size(need.cache),
        format::size(need.workspace),
        format::size(available)
    )
}

/// Refuses if `needed` bytes exceed what the system says is available. Where it does not say
/// (no `/proc/meminfo`), nothing is refused.
pub fn require(needed: u64, what: &str, advice: &str) -> Result<()> {
    require_within(needed, available(), what, advice)
}

fn require_within(needed: u64, available: Option<u64>, what: &str, advice: &str) -> Result<()> {
    match available {
        Some(available) if needed > available => bail!(
            "{what} needs {} of memory and {} are available: {advice}",
            format::size(needed),
            format::size(available)
        ),
        _ => Ok(()),
    }
}

/// Bytes that new allocations can use without swapping.
pub fn available() -> Option<u64> {
    parse_kib(
        &std::fs::read_to_string("/proc/meminfo").ok()?,
        "MemAvailable:",
    )
}

/// The most memory, in bytes, that this process has held at once.
pub fn peak() -> Option<u64> {
    parse_kib(
        &std::fs::read_to_string("/proc/self/status").ok()?,
        "VmHWM:",
    )
}

/// The number of bytes on the line of a `/proc` file that begins with a key.
fn parse_kib(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(key))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_in_one_sentence() {
        let error = require_within(3 << 30, Some(2 << 30), "the model", "use a smaller one");
        assert_eq!(
            error.unwrap_err().to_string(),
            "the model needs 3.2 GB of memory and 2.1 GB are available: use a smaller one"
        );
        assert!(require_within(2 << 30, Some(2 << 30), "", "").is_ok());
        assert!(
            require_within(u64::MAX, None, "", "").is_ok(),
            "unknown memory refuses nothing"
        );
    }

    /// A user would lose: knowing what to change, instead of a machine that stands still.
    #[test]
    fn a_model_that_does_not_fit_is_refused_with_what_makes_it_fit() {
        let gguf = Gguf::from_bytes(crate::fixture::tiny_gguf("llama", 1)).unwrap();
        let need = MemoryNeed::of(&gguf, 2048, None, &Place::Host).unwrap();
        assert_eq!(need.weights, gguf.weights_bytes());
        let within = |context, cache, available| {
            require_model_within(&gguf, (context, cache), &Place::Host, available)
        };
        let error = within(2048, None, Some(need.total() - 1));
        let error = error.unwrap_err().to_string();
        assert!(error.ends_with("--cache-type q8_0 makes it fit"), "{error}");
        // Where the cache is small already, something else has to be.
        let cache = Some(CacheType::Q8_0);
        let need = MemoryNeed::of(&gguf, 2048, cache, &Place::Host).unwrap();
        let refused = |available| {
            within(2048, cache, Some(available))
                .unwrap_err()
                .to_string()
        };
        assert!(within(2048, cache, Some(need.total())).is_ok());
        assert!(within(2048, None, None).is_ok());
        let little = refused(need.total() - 1);
        assert!(
            little.ends_with("--context 1024 makes it fit, or --quantize f16"),
            "{little}"
        );
        assert!(little.starts_with("the model needs "), "{little}");
        let rounded = gguf.weights_bytes_after(Some(Quantization::Q8_0));
        let less = refused(need.workspace + need.cache + rounded);
        assert!(less.contains("--quantize q8_0"), "{less}");
        assert!(refused(1000).ends_with("or a server with --server"));
    }

    /// A user would lose: minutes of loading, to be told then that a GPU is full of weights which take
    /// more there than in the file.
    #[test]
    fn what_a_device_has_to_hold_is_counted_as_it_holds_it() {
        let gguf = Gguf::from_bytes(crate::fixture::tiny_gguf("llama", 1)).unwrap();
        let place = Place::Tensors(candle_core::Device::Cpu);
        let need = MemoryNeed::of(&gguf, 2048, None, &place).unwrap();
        assert_eq!(need.weights, 4 * gguf.parameters());
        let wide = Some(CacheType::F32);
        let need = MemoryNeed::of(&gguf, 2048, wide, &place).unwrap();
        let error = require_model_within(&gguf, (2048, wide), &place, Some(need.total() - 1));
        let error = error.unwrap_err().to_string();
        assert!(error.ends_with("--cache-type f16 makes it fit"), "{error}");
    }

    #[test]
    fn meminfo_is_read() {
        let text = "MemTotal:       24689764 kB\nMemFree: 1 kB\nMemAvailable:   22000000 kB\n";
        let available = |text| parse_kib(text, "MemAvailable:");
        assert_eq!(available(text), Some(22_000_000 * 1024));
        assert_eq!(available("MemAvailable: many kB"), None);
    }
}

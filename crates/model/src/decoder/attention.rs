//! Attention of one lane's new tokens over its cache.
//!
//! Queries come as the linear layer leaves them, keys and values as views of the cache: nothing
//! here copies or repeats the cache, so that a step costs what it reads.

use candle_core::quantized::GgmlType;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use candle_nn::ops::softmax_last_dim;

use super::ops::contiguous;
use crate::parallel::{self, SharedOutput};

/// How queries look at keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct CachedAttention {
    /// Factor on query · key.
    pub scale: f32,
    /// `c · tanh(x / c)` on the scaled scores.
    pub softcap: Option<f32>,
    /// Index of the first query's own key among the keys given; query `t` sees the keys up to and
    /// including `first + t`.
    pub first: usize,
    /// Number of keys a query sees at most, its own included.
    pub window: Option<usize>,
}

impl CachedAttention {
    /// Queries `[tokens, heads, dim]`, keys `[kv_heads, n, dim]` and values
    /// `[kv_heads, n, value_dim]` (any strides outside a row) to `[tokens, heads · value_dim]`.
    ///
    /// Consecutive query heads share a key/value head. Outside the CPU the scores
    /// `[heads, tokens, n]` exist in memory at once, so long prompts should come in chunks.
    pub(super) fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let q = q.contiguous()?;
        if q.device().is_cpu() {
            return q.apply_op3_no_bwd(k, v, self);
        }
        self.attend_elsewhere(&q, k, v)
    }

    fn attend_elsewhere(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let (tokens, heads, dim) = q.dims3()?;
        let (kv_heads, n, value_dim) = v.dims3()?;
        let group = heads / kv_heads.max(1);
        // The heads of a group become rows of one product, so keys and values are not repeated.
        let q = q
            .transpose(0, 1)?
            .contiguous()?
            .reshape((kv_heads, group * tokens, dim))?;
        let mut scores = (q.matmul(&k.t()?)? * f64::from(self.scale))?;
        if let Some(cap) = self.softcap.map(f64::from) {
            scores = ((scores / cap)?.tanh()? * cap)?;
        }
        if tokens > 1 {
            let mask = (0..tokens).flat_map(|t| {
                let visible = self.visible(t);
                (0..n).map(move |i| {
                    if visible.contains(&i) {
                        0.0
                    } else {
                        f32::NEG_INFINITY
                    }
                })
            });
            let mask = Tensor::from_vec(mask.collect::<Vec<f32>>(), (tokens, n), q.device())?;
            let by_token = scores.reshape((heads, tokens, n))?.broadcast_add(&mask)?;
            scores = by_token.reshape((kv_heads, group * tokens, n))?;
        }
        softmax_last_dim(&scores)?
            .matmul(v)?
            .reshape((heads, tokens, value_dim))?
            .transpose(0, 1)?
            .contiguous()?
            .reshape((tokens, heads * value_dim))
    }

    /// The keys that query `t` sees.
    fn visible(&self, t: usize) -> std::ops::Range<usize> {
        let end = self.first + t + 1;
        let start = self.window.map_or(0, |w| end.saturating_sub(w));
        start..end
    }

    /// One query against the rows it sees; `scores` is scratch, `out` the result.
    fn one(
        &self,
        q: &[f32],
        keys: HeadRows,
        values: HeadRows,
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        scores.clear();
        scores.extend((0..keys.len).map(|i| {
            let score = f32::vec_dot(q.len(), keys.row(i), q) * self.scale;
            self.softcap.map_or(score, |cap| (score / cap).tanh() * cap)
        }));
        let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut total = 0f32;
        for score in scores.iter_mut() {
            *score = (*score - max).exp();
            total += *score;
        }
        out.fill(0.0);
        for (i, weight) in scores.iter().enumerate() {
            for (o, v) in out.iter_mut().zip(values.row(i)) {
                *o += weight * v;
            }
        }
        for o in out {
            *o /= total;
        }
    }
}

/// Consecutive rows of a head's keys or values.
#[derive(Clone, Copy)]
struct HeadRows<'a> {
    data: &'a [f32],
    width: usize,
    stride: usize,
    len: usize,
}

impl<'a> HeadRows<'a> {
    fn row(&self, i: usize) -> &'a [f32] {
        &self.data[i * self.stride..i * self.stride + self.width]
    }
}

/// Keys or values `[kv_heads, n, width]` whose rows are contiguous.
struct Heads<'a> {
    data: &'a [f32],
    kv_heads: usize,
    n: usize,
    width: usize,
    head_stride: usize,
    row_stride: usize,
}

impl<'a> Heads<'a> {
    fn new(storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        let (kv_heads, n, width) = layout.shape().dims3()?;
        let &[head_stride, row_stride, 1] = layout.stride() else {
            bail!("rows of keys and values must be contiguous, got {layout:?}");
        };
        let data = &storage.as_slice::<f32>()?[layout.start_offset()..];
        Ok(Self {
            data,
            kv_heads,
            n,
            width,
            head_stride,
            row_stride,
        })
    }

    fn rows(&self, head: usize, range: std::ops::Range<usize>) -> HeadRows<'a> {
        let start = head * self.head_stride + range.start * self.row_stride;
        let (width, stride) = (self.width, self.row_stride);
        HeadRows {
            data: &self.data[start..],
            width,
            stride,
            len: range.len(),
        }
    }
}

impl CustomOp3 for CachedAttention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (tokens, heads, dim) = q_layout.shape().dims3()?;
        let q = contiguous(q, q_layout)?;
        let (k, v) = (Heads::new(k, k_layout)?, Heads::new(v, v_layout)?);
        let fits = (k.kv_heads, k.n, k.width) == (v.kv_heads, v.n, dim)
            && v.kv_heads > 0
            && heads.is_multiple_of(v.kv_heads)
            && self.first + tokens <= v.n;
        if !fits {
            bail!("queries {q_layout:?} do not fit keys {k_layout:?} and values {v_layout:?}");
        }
        let group = heads / v.kv_heads;
        let width = v.width;
        let mut out = vec![0f32; tokens * heads * width];
        let output = SharedOutput::new(&mut out);
        // Head by head, so that neighbouring items read the same keys while they are in the cache.
        parallel::split(heads * tokens, v.n * (dim + width), |items| {
            let mut scores = Vec::with_capacity(v.n);
            for item in items {
                let (head, t) = (item / tokens, item % tokens);
                let row = t * heads + head;
                let visible = self.visible(t);
                let keys = k.rows(head / group, visible.clone());
                let values = v.rows(head / group, visible);
                // SAFETY: each item is given to one thread and has a row of its own.
                let out = unsafe { output.part(row * width..(row + 1) * width) };
                self.one(
                    &q[row * dim..(row + 1) * dim],
                    keys,
                    values,
                    &mut scores,
                    out,
                );
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((tokens, heads * width))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn noise(shape: &[usize], seed: u32) -> Tensor {
        let mut state = seed;
        let n = shape.iter().product::<usize>();
        let values = (0..n).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        });
        Tensor::from_vec(values.collect::<Vec<_>>(), shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn other_devices_attend_like_the_cpu() {
        let cache_keys = noise(&[2, 40, 8], 1);
        let cache_values = noise(&[2, 40, 6], 2);
        for (tokens, before) in [(1, 0), (1, 17), (5, 0), (5, 12)] {
            let q = noise(&[tokens, 4, 8], 3);
            let n = before + tokens;
            let k = cache_keys.narrow(1, 0, n).unwrap();
            let v = cache_values.narrow(1, 0, n).unwrap();
            for window in [None, Some(100), Some(3)] {
                // A single query is given only what it sees, as the decoder does.
                if tokens == 1 && window == Some(3) && n > 3 {
                    continue;
                }
                let softcap = window.map(|_| 0.7);
                let attention = CachedAttention {
                    scale: 0.3,
                    softcap,
                    first: before,
                    window,
                };
                let fast = attention.attend(&q, &k, &v).unwrap();
                let slow = attention.attend_elsewhere(&q, &k, &v).unwrap();
                let difference = (fast - slow).unwrap().abs().unwrap().max_all().unwrap();
                assert!(difference.to_scalar::<f32>().unwrap() < 1e-5);
            }
        }
    }
}

//! Attention of one lane's new tokens over its cache, on other devices.

use candle_core::{Result, Tensor};
use candle_nn::ops::softmax_last_dim;

/// How queries look at keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct CachedAttention<'a> {
    /// Factor on query · key.
    pub scale: f32,
    /// `c · tanh(x / c)` on the scaled scores.
    pub softcap: Option<f32>,
    /// `[tokens, n]`, added to the scores of every head: -∞ where a query does not see a key. `None` if
    /// every query sees every key.
    pub mask: Option<&'a Tensor>,
    /// For each query head the score of a key that has no value.
    pub sinks: Option<&'a Tensor>,
}

impl CachedAttention<'_> {
    /// Queries `[tokens, heads, dim]`, keys `[kv_heads, n, dim]` and values
    /// `[kv_heads, n, value_dim]` (any strides outside a row) to `[tokens, heads · value_dim]`.
    ///
    /// Consecutive query heads share a key/value head. The scores `[heads, tokens, n]` exist in
    /// memory at once, so long prompts should come in chunks.
    pub(super) fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
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
        if let Some(mask) = self.mask {
            let by_token = scores.reshape((heads, tokens, n))?.broadcast_add(mask)?;
            scores = by_token.reshape((kv_heads, group * tokens, n))?;
        }
        if let Some(sinks) = self.sinks {
            let sinks = sinks
                .reshape((kv_heads, group, 1, 1))?
                .broadcast_as((kv_heads, group, tokens, 1))?
                .reshape((kv_heads, group * tokens, 1))?;
            scores = Tensor::cat(&[&scores, &sinks], 2)?;
        }
        softmax_last_dim(&scores)?
            .narrow(2, 0, n)?
            .contiguous()?
            .matmul(&v.contiguous()?)?
            .reshape((heads, tokens, value_dim))?
            .transpose(0, 1)?
            .contiguous()?
            .reshape((tokens, heads * value_dim))
    }
}

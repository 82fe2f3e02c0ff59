//! Where a lane's keys and values lie on the CPU.
//!
//! A segment holds [`SEGMENT`] positions of all layers. Segments are added as a lane grows, so that
//! it takes the memory it uses; whole ones never change, so that branches share them. What one
//! key/value head of one layer needs lies in one piece: the keys `[positions / 16, dim, 16
//! positions]`, then the values `[dim / 16, positions, 16 elements]`. With [`CacheType::Q8_0`] these
//! are bytes, and the scales of [`GROUP`] elements each lie behind them: those of the keys
//! `[positions / 16, dim / 32, 16 positions]`, those of the values `[dim / 32, positions]`.
//!
//! Not here: attention itself ([`super::attention`]), and how many positions count
//! ([`crate::cache`]).

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use half::f16;
use half::slice::HalfFloatSliceExt;
use memmap2::MmapMut;

use super::simd::ROWS as SIDE;

/// Positions of a segment, whose softmax is computed at once.
pub const SEGMENT: usize = 256;

/// Elements that share a scale.
pub(super) const GROUP: usize = 32;

/// How a cache keeps its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheType {
    F32,
    F16,
    /// 8.5 bits a number.
    Q8_0,
}

impl CacheType {
    pub const ALL: [CacheType; 3] = [Self::F32, Self::F16, Self::Q8_0];

    pub fn name(self) -> &'static str {
        match self {
            CacheType::F32 => "f32",
            CacheType::F16 => "f16",
            CacheType::Q8_0 => "q8_0",
        }
    }
}

/// Sizes of a [`LaneCache`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheShape {
    pub layers: usize,
    pub kv_heads: usize,
    pub dim: usize,
    pub value_dim: usize,
    pub numbers: CacheType,
}

impl CacheShape {
    pub(super) fn number_bytes(&self) -> usize {
        match self.numbers {
            CacheType::F32 => 4,
            CacheType::F16 => 2,
            CacheType::Q8_0 => 1,
        }
    }

    /// Bytes of the scales of so many elements, at every position of a segment.
    fn scale_bytes(&self, elements: usize) -> usize {
        match self.numbers {
            CacheType::F32 | CacheType::F16 => 0,
            CacheType::Q8_0 => SEGMENT * elements.div_ceil(GROUP) * size_of::<f16>(),
        }
    }

    /// Groups of sixteen elements of a value; the last may be filled up.
    pub(super) fn value_vectors(&self) -> usize {
        self.value_dim.div_ceil(SIDE)
    }

    fn key_bytes(&self) -> usize {
        SEGMENT * self.dim * self.number_bytes()
    }

    fn value_bytes(&self) -> usize {
        SEGMENT * self.value_vectors() * SIDE * self.number_bytes()
    }

    /// Bytes that one head of one layer has in a segment.
    fn head_bytes(&self) -> usize {
        let numbers = self.key_bytes() + self.value_bytes();
        numbers + self.scale_bytes(self.dim) + self.scale_bytes(self.value_dim)
    }

    /// Where the first so many positions lie in what a head has.
    fn pieces(&self, positions: usize) -> impl Iterator<Item = Range<usize>> {
        let blocks = positions.min(SEGMENT).div_ceil(SIDE);
        let behind = self.key_bytes() + self.value_bytes();
        let behind_keys = behind + self.scale_bytes(self.dim);
        // Of so many bytes each, every so many bytes, from a place on.
        let strided = |from: usize, of_a_position: usize, count: usize| {
            let stride = SEGMENT * of_a_position;
            let len = blocks * SIDE * of_a_position;
            (0..count).map(move |i| from + i * stride..from + i * stride + len)
        };
        let scales = |elements: usize| match self.numbers {
            CacheType::F32 | CacheType::F16 => 0,
            CacheType::Q8_0 => elements.div_ceil(GROUP),
        };
        let bytes = self.number_bytes();
        let keys = strided(0, self.dim * bytes, 1);
        let values = strided(self.key_bytes(), SIDE * bytes, self.value_vectors());
        let half = size_of::<f16>();
        let key_scales = strided(behind, scales(self.dim) * half, 1);
        let value_scales = strided(behind_keys, half, scales(self.value_dim));
        keys.chain(values).chain(key_scales).chain(value_scales)
    }

    fn segment_bytes(&self) -> usize {
        self.layers * self.kv_heads * self.head_bytes()
    }

    /// Bytes of memory that so many positions take.
    pub fn bytes(&self, positions: usize) -> u64 {
        let segments = positions.div_ceil(SEGMENT) as u64;
        segments.saturating_mul(self.segment_bytes() as u64)
    }
}

/// Memory of segments that nobody has any more, for the next ones: to a small model the system takes
/// longer to give fresh memory than it takes to compute with.
#[derive(Debug, Default)]
pub struct SpareSegments(Mutex<Vec<MmapMut>>);

impl SpareSegments {
    /// The most bytes that are kept.
    const MOST: usize = 16 << 20;

    fn take(&self, bytes: usize) -> Option<MmapMut> {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = spare.iter().rposition(|memory| memory.len() == bytes)?;
        Some(spare.swap_remove(fitting))
    }

    fn keep(&self, memory: MmapMut) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = spare.iter().map(|memory| memory.len()).sum();
        if kept + memory.len() <= Self::MOST {
            spare.push(memory);
        }
    }
}

#[derive(Debug)]
struct Segment {
    /// `None` when it is over.
    memory: Option<MmapMut>,
    spare: Arc<SpareSegments>,
}

impl Segment {
    /// One whose positions have all to be written before they are read.
    fn new(shape: &CacheShape, spare: &Arc<SpareSegments>) -> Result<Segment> {
        let bytes = shape.segment_bytes();
        let memory = match spare.take(bytes) {
            Some(memory) => memory,
            None => {
                let fresh = MmapMut::map_anon(bytes)
                    .context("there is no memory for more context; use a smaller one")?;
                #[cfg(target_os = "linux")]
                let _ = fresh.advise(memmap2::Advice::HugePage);
                fresh
            }
        };
        Ok(Segment {
            memory: Some(memory),
            spare: Arc::clone(spare),
        })
    }

    fn bytes(&self) -> &[u8] {
        self.memory.as_deref().unwrap_or_default()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.as_deref_mut().unwrap_or_default()
    }

    /// Another one with the first so many positions of this.
    fn copy(&self, shape: &CacheShape, positions: usize) -> Result<Segment> {
        let mut new = Segment::new(shape, &self.spare)?;
        let heads = self.bytes().chunks_exact(shape.head_bytes());
        let new_heads = new.bytes_mut().chunks_exact_mut(shape.head_bytes());
        for (from, to) in heads.zip(new_heads) {
            for piece in shape.pieces(positions) {
                to[piece.clone()].copy_from_slice(&from[piece]);
            }
        }
        Ok(new)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.spare.keep(memory);
        }
    }
}

/// Keys and values of one lane.
#[derive(Debug)]
pub struct LaneCache {
    shape: CacheShape,
    /// Segments from the first on that are not written to, and may be those of other lanes, too.
    whole: Vec<Arc<Segment>>,
    /// Those behind them.
    open: Vec<Segment>,
    spare: Arc<SpareSegments>,
    /// Where a token's numbers are halved.
    halves: Vec<f16>,
    /// Where they are made bytes.
    rounded: Rounded,
}

impl LaneCache {
    pub fn new(shape: CacheShape, spare: &Arc<SpareSegments>) -> Self {
        LaneCache {
            shape,
            whole: Vec::new(),
            open: Vec::new(),
            spare: Arc::clone(spare),
            halves: Vec::new(),
            rounded: Rounded::default(),
        }
    }

    pub fn layers(&self) -> usize {
        self.shape.layers
    }

    pub(super) fn shape(&self) -> &CacheShape {
        &self.shape
    }

    /// Makes the positions of a range ready to be written to; what lies behind them is forgotten.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn prepare(&mut self, positions: Range<usize>) -> Result<()> {
        let first = positions.start / SEGMENT;
        while self.whole.len() < first && !self.open.is_empty() {
            self.whole.push(Arc::new(self.open.remove(0)));
        }
        if self.whole.len() > first {
            self.open.clear();
            self.whole.truncate(first + 1);
            if let Some(last) = self.whole.pop() {
                // Its first positions stay.
                let stay = positions.start - first * SEGMENT;
                let copy = |shared: Arc<Segment>| shared.copy(&self.shape, stay);
                let own = Arc::try_unwrap(last).or_else(copy)?;
                self.open.push(own);
            }
        }
        let wanted = positions.end.div_ceil(SEGMENT) - self.whole.len();
        self.open.truncate(wanted);
        while self.open.len() < wanted {
            self.open.push(Segment::new(&self.shape, &self.spare)?);
        }
        Ok(())
    }

    /// Remembers a token's keys `[kv_heads, dim]` and values `[kv_heads, value_dim]` in a layer.
    ///
    /// # Panics
    /// If they have other sizes, or if the position was not prepared.
    pub fn write(&mut self, layer: usize, position: usize, keys: &[f32], values: &[f32]) {
        let s = self.shape;
        assert_eq!(keys.len(), s.kv_heads * s.dim, "keys");
        assert_eq!(values.len(), s.kv_heads * s.value_dim, "values");
        let segment = self.open[position / SEGMENT - self.whole.len()].bytes_mut();
        let bytes = s.kv_heads * s.head_bytes();
        let layer = &mut segment[layer * bytes..(layer + 1) * bytes];
        let place = TokenPlace {
            shape: &s,
            position: position % SEGMENT,
        };
        match s.numbers {
            CacheType::F32 => place.write(layer, keys, values, |x| x.to_ne_bytes()),
            CacheType::F16 => {
                self.halves.resize(keys.len() + values.len(), f16::ZERO);
                let (half_keys, half_values) = self.halves.split_at_mut(keys.len());
                half_keys.convert_from_f32_slice(keys);
                half_values.convert_from_f32_slice(values);
                place.write(layer, half_keys, half_values, |x| x.to_ne_bytes());
            }
            CacheType::Q8_0 => {
                self.rounded.clear();
                self.rounded.add(keys, s.dim);
                let scales = self.rounded.scales.len();
                self.rounded.add(values, s.value_dim);
                let (keys, values) = self.rounded.bytes.split_at(keys.len());
                place.write(layer, keys, values, |x| x.to_ne_bytes());
                let (keys, values) = self.rounded.scales.split_at(scales);
                place.write_scales(layer, keys, values);
            }
        }
    }

    /// A cache that begins with the first `len` positions of this one.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn fork(&self, len: usize) -> Result<LaneCache> {
        let wanted = len.div_ceil(SEGMENT);
        let mut whole: Vec<_> = self.whole.iter().take(wanted).cloned().collect();
        for segment in self.open.iter().take(wanted - whole.len()) {
            let positions = len - whole.len() * SEGMENT;
            whole.push(Arc::new(segment.copy(&self.shape, positions)?));
        }
        Ok(LaneCache {
            whole,
            ..LaneCache::new(self.shape, &self.spare)
        })
    }

    /// What one head of one layer has in a segment.
    pub(super) fn head(&self, layer: usize, head: usize, segment: usize) -> HeadCache<'_> {
        let s = &self.shape;
        let bytes = match self.whole.get(segment) {
            Some(segment) => segment.bytes(),
            None => self.open[segment - self.whole.len()].bytes(),
        };
        let first = (layer * s.kv_heads + head) * s.head_bytes();
        let (keys, rest) = bytes[first..first + s.head_bytes()].split_at(s.key_bytes());
        let (values, scales) = rest.split_at(s.value_bytes());
        let (key_scales, value_scales) = scales.split_at(s.scale_bytes(s.dim));
        HeadCache {
            keys,
            values,
            key_scales,
            value_scales,
        }
    }
}

/// What one head of one layer has in a segment, in bytes. Only bytes have scales.
pub(super) struct HeadCache<'a> {
    pub keys: &'a [u8],
    pub values: &'a [u8],
    pub key_scales: &'a [u8],
    pub value_scales: &'a [u8],
}

/// Numbers as bytes with a scale for each group, as Q8_0 has them.
#[derive(Debug, Default)]
struct Rounded {
    bytes: Vec<i8>,
    scales: Vec<f16>,
}

impl Rounded {
    fn clear(&mut self) {
        self.bytes.clear();
        self.scales.clear();
    }

    /// Adds heads of `dim` elements; no group reaches from one into the next.
    fn add(&mut self, numbers: &[f32], dim: usize) {
        for group in numbers
            .chunks_exact(dim)
            .flat_map(|head| head.chunks(GROUP))
        {
            let most = group.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
            let scale = f16::from_f32((most / 127.0).min(f16::MAX.to_f32()));
            let inverse = match scale.to_f32() {
                0.0 => 0.0,
                scale => scale.recip(),
            };
            let byte = |x: &f32| (x * inverse).round_ties_even() as i8;
            self.bytes.extend(group.iter().map(byte));
            self.scales.push(scale);
        }
    }
}

/// Where a token's numbers go among those of its segment.
struct TokenPlace<'a> {
    shape: &'a CacheShape,
    position: usize,
}

impl TokenPlace<'_> {
    fn write<T: Copy, const N: usize>(
        &self,
        layer: &mut [u8],
        keys: &[T],
        values: &[T],
        bytes: impl Fn(T) -> [u8; N],
    ) {
        let (s, position) = (self.shape, self.position);
        let heads = layer.chunks_exact_mut(s.head_bytes());
        let numbers = keys
            .chunks_exact(s.dim)
            .zip(values.chunks_exact(s.value_dim));
        for (head, (keys, values)) in heads.zip(numbers) {
            let (to_keys, to_values) = head.split_at_mut(s.key_bytes());
            let first = position / SIDE * s.dim * SIDE + position % SIDE;
            for (d, key) in keys.iter().enumerate() {
                let at = (first + d * SIDE) * N;
                to_keys[at..at + N].copy_from_slice(&bytes(*key));
            }
            for (vector, values) in values.chunks(SIDE).enumerate() {
                let at = (vector * SEGMENT + position) * SIDE * N;
                let to = to_values[at..].chunks_exact_mut(N);
                for (to, value) in to.zip(values) {
                    to.copy_from_slice(&bytes(*value));
                }
            }
        }
    }

    fn write_scales(&self, layer: &mut [u8], keys: &[f16], values: &[f16]) {
        let (s, position) = (self.shape, self.position);
        let (of_keys, of_values) = (s.dim.div_ceil(GROUP), s.value_dim.div_ceil(GROUP));
        let heads = layer.chunks_exact_mut(s.head_bytes());
        let scales = keys
            .chunks_exact(of_keys)
            .zip(values.chunks_exact(of_values));
        for (head, (keys, values)) in heads.zip(scales) {
            let behind = &mut head[s.key_bytes() + s.value_bytes()..];
            let (to_keys, to_values) = behind.split_at_mut(s.scale_bytes(s.dim));
            for (group, scale) in keys.iter().enumerate() {
                let block = position / SIDE * of_keys + group;
                let at = (block * SIDE + position % SIDE) * size_of::<f16>();
                to_keys[at..at + size_of::<f16>()].copy_from_slice(&scale.to_ne_bytes());
            }
            for (group, scale) in values.iter().enumerate() {
                let at = (group * SEGMENT + position) * size_of::<f16>();
                to_values[at..at + size_of::<f16>()].copy_from_slice(&scale.to_ne_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: CacheShape = CacheShape {
        layers: 2,
        kv_heads: 2,
        dim: 3,
        value_dim: 5,
        numbers: CacheType::F32,
    };

    fn number(position: usize, layer: usize, i: usize) -> f32 {
        (position * 100 + layer * 50 + i) as f32
    }

    fn fill(cache: &mut LaneCache, positions: Range<usize>, plus: f32) {
        cache.prepare(positions.clone()).unwrap();
        for position in positions {
            for layer in 0..2 {
                let row = |n| (0..n).map(|i| number(position, layer, i) + plus);
                let (keys, values): (Vec<f32>, Vec<f32>) = (row(6).collect(), row(10).collect());
                cache.write(layer, position, &keys, &values);
            }
        }
    }

    fn key(cache: &LaneCache, position: usize, layer: usize, i: usize) -> f32 {
        let HeadCache { keys, .. } = cache.head(layer, i / 3, position / SEGMENT);
        let position = position % SEGMENT;
        let at = 4 * ((position / SIDE * 3 + i % 3) * SIDE + position % SIDE);
        f32::from_ne_bytes(keys[at..at + 4].try_into().unwrap())
    }

    fn holds(cache: &LaneCache, positions: Range<usize>, plus: f32) {
        for position in positions {
            for (layer, i) in [(0, 0), (0, 5), (1, 2), (1, 3)] {
                let expected = number(position, layer, i) + plus;
                assert_eq!(key(cache, position, layer, i), expected, "{position}");
            }
        }
    }

    /// A user would lose: the right thought in a branch, after a rewind on either side.
    #[test]
    fn branches_share_what_neither_changes() {
        let mut cache = LaneCache::new(SHAPE, &Arc::default());
        fill(&mut cache, 0..700, 0.0);
        fill(&mut cache, 700..800, 0.0);
        let mut branch = cache.fork(600).unwrap();
        fill(&mut branch, 600..1100, 0.5);
        holds(&cache, 0..800, 0.0);
        holds(&branch, 0..600, 0.0);
        holds(&branch, 600..1100, 0.5);
        assert!(Arc::ptr_eq(&cache.whole[0], &branch.whole[0]));
        // Both rewind into a segment that both have.
        fill(&mut cache, 100..300, 0.25);
        fill(&mut branch, 200..210, 0.75);
        holds(&cache, 0..100, 0.0);
        holds(&cache, 100..300, 0.25);
        holds(&branch, 0..200, 0.0);
        holds(&branch, 200..210, 0.75);
    }

    /// A user would lose: the right thought in a branch whose memory was another's before: what is copied
    /// into it is all that is read.
    #[test]
    fn a_branch_in_used_memory_holds_what_it_has_in_fresh_memory() {
        for numbers in CacheType::ALL {
            let shape = CacheShape {
                dim: 40,
                value_dim: 70,
                numbers,
                ..SHAPE
            };
            let spare = Arc::default();
            let row = |n: usize, of: usize| (0..n).map(|i| (i % 7 + of) as f32).collect::<Vec<_>>();
            let mut cache = LaneCache::new(shape, &spare);
            cache.prepare(0..100).unwrap();
            for position in 0..100 {
                for layer in 0..2 {
                    cache.write(layer, position, &row(80, position), &row(140, position));
                }
            }
            let fresh = cache.fork(SEGMENT).unwrap();
            // Memory full of something else.
            let mut other = LaneCache::new(shape, &spare);
            other.prepare(0..1).unwrap();
            other.open[0].bytes_mut().fill(0x55);
            drop(other);
            let used = cache.fork(90).unwrap();
            assert!(spare.0.lock().unwrap().is_empty(), "it is used again");
            let read = |cache: &LaneCache| {
                let heads = cache.whole[0].bytes().chunks_exact(shape.head_bytes());
                let all = heads.flat_map(|head| {
                    let pieces = shape.pieces(90);
                    pieces
                        .flat_map(|piece| head[piece].to_vec())
                        .collect::<Vec<_>>()
                });
                all.collect::<Vec<_>>()
            };
            assert_eq!(read(&fresh), read(&used), "{numbers:?}");
            assert_eq!(
                shape.pieces(SEGMENT).map(|p| p.len()).sum::<usize>(),
                shape.head_bytes()
            );
        }
    }

    /// A user would lose: memory, for as long as the program runs.
    #[test]
    fn memory_is_that_of_the_positions_and_comes_back() {
        let mut cache = LaneCache::new(SHAPE, &Arc::default());
        let segments = |cache: &LaneCache| cache.whole.len() + cache.open.len();
        assert_eq!(segments(&cache), 0);
        fill(&mut cache, 0..513, 0.0);
        assert_eq!(segments(&cache), 3);
        fill(&mut cache, 10..11, 0.0);
        assert_eq!(segments(&cache), 1);
        assert_eq!(SHAPE.bytes(513), 3 * 256 * 2 * 2 * (3 + 16) * 4);
    }
}

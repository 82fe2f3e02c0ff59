//! The vector operations that the kernels are written in. One implementation for each instruction
//! set; [`super::portable`] says in plain Rust what each computes.

/// Rows of weights that are multiplied together.
pub const ROWS: usize = 16;

/// Vectors over the sixteen rows of a tile.
///
/// # Safety
/// All functions: the instruction set is there; pointers are valid for what is read or written
/// (no alignment is needed).
pub(super) trait Simd {
    /// Four bytes for each row.
    type Bytes: Copy;
    /// One `i32` for each row.
    type Ints: Copy;
    /// One `f32` for each row.
    type Floats: Copy;

    /// What is added to 8-bit weights so that [`Simd::dot`] can take them: 128 if it takes them
    /// unsigned, else 0.
    const BIAS: i32;

    /// Rows of activations that are multiplied at once, at most: as many as leave registers for the rest.
    const TOGETHER: usize = 8;

    /// Asks for the 64 bytes at an address, which may lie outside what can be read.
    unsafe fn prefetch(_at: *const u8) {}
    /// 64 bytes.
    unsafe fn bytes(at: *const u8) -> Self::Bytes;
    /// 64 signed bytes, plus [`Simd::BIAS`].
    unsafe fn biased(at: *const u8) -> Self::Bytes;
    /// The lower four bits of each byte.
    unsafe fn low(bytes: Self::Bytes) -> Self::Bytes;
    /// The upper four bits of each byte.
    unsafe fn high(bytes: Self::Bytes) -> Self::Bytes;
    /// Sets bit 4 of the bytes whose bit in `mask` is set.
    unsafe fn fifth_bit(bytes: Self::Bytes, mask: u64) -> Self::Bytes;
    /// Puts bits `2 · FIELD` and `2 · FIELD + 1` of each byte of `pairs` at bits 4 and 5.
    unsafe fn upper_bits<const FIELD: u32>(bytes: Self::Bytes, pairs: Self::Bytes) -> Self::Bytes;
    /// The bytes of a table of sixteen, of which `table` is four copies, that are at `indices`.
    unsafe fn look_up(table: Self::Bytes, indices: Self::Bytes) -> Self::Bytes;
    /// Adds to each row the products of its four bytes with the four signed bytes at `x`. The sum
    /// of two neighbouring products fits into 16 bits.
    unsafe fn dot(sum: Self::Ints, weights: Self::Bytes, x: *const i8) -> Self::Ints;
    /// [`Simd::dot`] for weights of 8 bits.
    unsafe fn dot_wide(sum: Self::Ints, weights: Self::Bytes, x: *const i8) -> Self::Ints;
    unsafe fn ints(value: i32) -> Self::Ints;
    /// `256 · high + low` as floats.
    unsafe fn joined(high: Self::Ints, low: Self::Ints) -> Self::Floats;

    unsafe fn floats(value: f32) -> Self::Floats;
    unsafe fn load(at: *const f32) -> Self::Floats;
    unsafe fn store(values: Self::Floats, at: *mut f32);
    /// Sixteen f16.
    unsafe fn f16(at: *const u8) -> Self::Floats;
    /// Sixteen bf16.
    unsafe fn bf16(at: *const u8) -> Self::Floats;
    /// Sixteen unsigned bytes.
    unsafe fn u8(at: *const u8) -> Self::Floats;
    /// Sixteen signed bytes.
    unsafe fn i8(at: *const u8) -> Self::Floats;
    /// `2^(byte − 128)` of sixteen bytes. Bytes below 2, whose powers are no normal floats, give 0.
    unsafe fn powers(at: *const u8) -> Self::Floats;
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a · b + c`, rounded once.
    unsafe fn fma(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
}

//! Arithmetic over f32 slices: matrix products and the element-wise loops between them.
//!
//! All matrices are row-major. Loops are written so that the compiler can vectorise them, and are
//! compiled a second time for AVX2, chosen at run time. Not here: what any of it is for.

use gemm::Parallelism;

/// A matrix inside a slice.
#[derive(Clone, Copy, Debug)]
pub struct MatrixView<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> MatrixView<'a> {
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// A matrix whose rows begin `row_stride` elements apart.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(reach(rows, columns, row_stride) <= data.len());
        Self {
            data,
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
    }

    /// The transpose, without moving anything.
    pub fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// A matrix inside a slice that is written to.
#[derive(Debug)]
pub struct MatrixViewMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

impl<'a> MatrixViewMut<'a> {
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// A matrix whose rows begin `row_stride` elements apart.
    pub fn strided(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(reach(rows, columns, row_stride) <= data.len());
        assert!(columns <= row_stride || rows <= 1);
        Self {
            data,
            rows,
            columns,
            row_stride,
        }
    }
}

/// Elements from the first to one past the last.
fn reach(rows: usize, columns: usize, row_stride: usize) -> usize {
    if rows == 0 || columns == 0 {
        return 0;
    }
    (rows - 1) * row_stride + columns
}

/// What happens to what the destination holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    Set,
    Add,
}

/// `out (+)= scale · a · b`, on `threads` threads.
pub fn product(
    out: MatrixViewMut,
    a: MatrixView,
    b: MatrixView,
    write: WriteMode,
    scale: f32,
    threads: usize,
) {
    assert!(a.rows == out.rows && b.columns == out.columns && a.columns == b.rows);
    let parallelism = match threads {
        0 | 1 => Parallelism::None,
        n => Parallelism::Rayon(n),
    };
    // SAFETY: the constructors checked that every element the three views name lies inside its
    // slice; `out` is borrowed mutably, so it overlaps neither `a` nor `b`.
    unsafe {
        gemm::gemm(
            out.rows,
            out.columns,
            a.columns,
            out.data.as_mut_ptr(),
            1,
            out.row_stride as isize,
            write == WriteMode::Add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0f32,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Compiles a function twice, for any processor and for AVX2 with FMA, and picks at run time.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) $(-> $out)? {
            #[inline(always)]
            fn plain($($arg: $ty),*) $(-> $out)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn wide($($arg: $ty),*) $(-> $out)? {
                    plain($($arg),*)
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has just been asked for these features.
                    return unsafe { wide($($arg),*) };
                }
            }
            plain($($arg),*)
        }
    };
}
pub(crate) use vectorised;

/// `eˣ` within 2 units in the last place, as straight-line code (the standard library's is a call
/// that keeps loops from being vectorised). Cody-Waite reduction and Cephes' polynomial.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding this leaves the nearest whole number in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    let power = shifted.to_bits().wrapping_sub(MAGIC.to_bits());
    y * f32::from_bits(power.wrapping_add(127) << 23)
}

vectorised! {
    /// The sum of the products of the elements.
    pub fn dot(a: &[f32], b: &[f32]) -> f32 {
        // Eight sums, so that the additions do not wait for each other.
        let mut sums = [0f32; 8];
        let (whole_a, rest_a) = a.as_chunks::<8>();
        let (whole_b, rest_b) = b.as_chunks::<8>();
        for (a, b) in whole_a.iter().zip(whole_b) {
            for lane in 0..8 {
                sums[lane] += a[lane] * b[lane];
            }
        }
        let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
        sums.iter().sum::<f32>() + rest
    }
}

vectorised! {
    /// `y += scale · x`.
    pub fn add_scaled(y: &mut [f32], x: &[f32], scale: f32) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += scale * x;
        }
    }
}

/// The sum of squares, in f64.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    // Pieces in f32 keep the loop vectorised; their number is small against f32's precision.
    x.chunks(256)
        .map(|piece| f64::from(dot(piece, piece)))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_follow_strides_and_transposes() {
        let a = [1., 2., 3., 4., 5., 6.]; // 2 × 3
        let b = [1., 0., 1., 2., 1., 0.]; // 2 × 3
        let mut out = [10.0; 6]; // 2 × 2 in rows of 3
        product(
            MatrixViewMut::strided(&mut out, 2, 2, 3),
            MatrixView::new(&a, 2, 3),
            MatrixView::new(&b, 2, 3).t(),
            WriteMode::Set,
            2.0,
            1,
        );
        assert_eq!(out, [8., 8., 10., 20., 26., 10.]);
        product(
            MatrixViewMut::strided(&mut out, 2, 2, 3),
            MatrixView::new(&a, 2, 3),
            MatrixView::new(&b, 2, 3).t(),
            WriteMode::Add,
            -2.0,
            1,
        );
        assert_eq!(out, [0., 0., 10., 0., 0., 10.]);
    }

    #[test]
    fn the_exponential_is_the_library_s() {
        for i in -8700..8800 {
            let x = i as f32 / 100.0;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours / exact - 1.0).abs() < 3e-7, "{x}: {ours} {exact}");
        }
    }

    #[test]
    fn dots_and_sums_cover_every_element() {
        let a: Vec<f32> = (1..=19).map(|i| i as f32).collect();
        assert_eq!(dot(&a, &a), 2470.0);
        assert_eq!(sum_of_squares(&a), 2470.0);
        let mut y = vec![1.0; 19];
        add_scaled(&mut y, &a, 0.5);
        assert_eq!((y[0], y[18]), (1.5, 10.5));
    }
}

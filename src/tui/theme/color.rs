//! Arithmetic on colours: the nearest of the 256.

/// The six steps of each channel in the 6 × 6 × 6 cube of the 256 colours.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// Index (16 to 255) of the fixed colour nearest to an RGB colour, by squared distance over the
/// colour cube and the grey ramp of xterm.
pub fn nearest_of_256(r: u8, g: u8, b: u8) -> u8 {
    let step = |value: u8| {
        (0..6u8)
            .min_by_key(|&i| STEPS[usize::from(i)].abs_diff(value))
            .unwrap_or(0)
    };
    let distance = |(x, y, z): (u8, u8, u8)| {
        [(x, r), (y, g), (z, b)]
            .iter()
            .map(|&(a, b)| u32::from(a.abs_diff(b)).pow(2))
            .sum::<u32>()
    };
    let (i, j, k) = (step(r), step(g), step(b));
    let cube = (
        STEPS[usize::from(i)],
        STEPS[usize::from(j)],
        STEPS[usize::from(k)],
    );
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    let level = (mean.saturating_sub(3) / 10).min(23) as u8;
    let grey = 8 + 10 * level;
    if distance((grey, grey, grey)) < distance(cube) {
        232 + level
    } else {
        16 + 36 * i + 6 * j + k
    }
}

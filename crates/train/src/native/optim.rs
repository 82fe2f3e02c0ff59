//! AdamW, its schedule, and clipping.

use super::math::{sum_of_squares, vectorised};
use super::params::Params;

/// Settings of the optimiser; the defaults are those of s1's fine-tuning.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Optim {
    /// Highest learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay, on matrices only.
    pub weight_decay: f32,
    /// Gradients are scaled down to this norm; 0 is off.
    pub clip: f64,
    /// Share of the steps over which the learning rate rises linearly.
    pub warmup: f64,
}

impl Default for Optim {
    fn default() -> Self {
        Self {
            lr: 1e-5,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            weight_decay: 1e-4,
            clip: 1.0,
            warmup: 0.05,
        }
    }
}

impl Optim {
    /// The factor on the learning rate at a step (from 0): a linear rise over the warm-up, then
    /// a cosine to 0.
    pub fn schedule(&self, step: usize, steps: usize) -> f64 {
        let warmup = (self.warmup * steps as f64).ceil() as usize;
        if step < warmup {
            return (step + 1) as f64 / warmup as f64;
        }
        let progress = (step - warmup) as f64 / steps.saturating_sub(warmup).max(1) as f64;
        0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos())
    }
}

/// First and second moments of every parameter's gradient.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    /// Means.
    pub first: Vec<f32>,
    /// Mean squares.
    pub second: Vec<f32>,
}

impl Moments {
    pub fn new(parameters: usize) -> Self {
        Self {
            first: vec![0.0; parameters],
            second: vec![0.0; parameters],
        }
    }
}

/// The norm of all gradients together.
pub fn norm(grads: &[f32]) -> f64 {
    sum_of_squares(grads).sqrt()
}

/// One update (<https://arxiv.org/abs/1711.05101>): `step` counts from 0, `lr` is this step's
/// rate, and `scale` is the factor that clipping puts on the gradients.
#[expect(clippy::too_many_arguments, reason = "the operands of one formula")]
pub fn update(
    optim: &Optim,
    params: &mut Params,
    grads: &[f32],
    moments: &mut Moments,
    step: usize,
    lr: f64,
    scale: f64,
    threads: usize,
) {
    let power = i32::try_from(step + 1).unwrap_or(i32::MAX);
    let bias1 = 1.0 - f64::from(optim.beta1).powi(power);
    let bias2 = 1.0 - f64::from(optim.beta2).powi(power);
    let rule = AdamRule {
        beta1: optim.beta1,
        beta2: optim.beta2,
        scale: scale as f32,
        rate: (lr / bias1) as f32,
        root: (1.0 / bias2.sqrt()) as f32,
        eps: optim.eps,
    };
    let decay = 1.0 - lr as f32 * optim.weight_decay;
    let Params { list, values } = params;
    let each = values.len().div_ceil(threads.max(1)).max(1);
    std::thread::scope(|scope| {
        let pieces = values
            .chunks_mut(each)
            .zip(grads.chunks(each))
            .zip(moments.first.chunks_mut(each))
            .zip(moments.second.chunks_mut(each));
        for (index, (((values, grads), first), second)) in pieces.enumerate() {
            let (list, rule) = (&*list, &rule);
            scope.spawn(move || {
                let piece = index * each..index * each + values.len();
                for param in list {
                    let start = param.range.start.max(piece.start);
                    let end = param.range.end.min(piece.end);
                    if start >= end {
                        continue;
                    }
                    let at = start - piece.start..end - piece.start;
                    let decay = if param.decays() { decay } else { 1.0 };
                    adam(
                        rule,
                        decay,
                        &mut values[at.clone()],
                        &grads[at.clone()],
                        &mut first[at.clone()],
                        &mut second[at],
                    );
                }
            });
        }
    });
}

struct AdamRule {
    beta1: f32,
    beta2: f32,
    /// On the gradients.
    scale: f32,
    /// Learning rate over the first moment's bias.
    rate: f32,
    /// One over the root of the second moment's bias.
    root: f32,
    eps: f32,
}

vectorised! {
    fn adam(
        rule: &AdamRule,
        decay: f32,
        values: &mut [f32],
        grads: &[f32],
        first: &mut [f32],
        second: &mut [f32],
    ) {
        let moments = first.iter_mut().zip(second.iter_mut());
        for ((value, grad), (m, v)) in values.iter_mut().zip(grads).zip(moments) {
            let g = grad * rule.scale;
            *m = rule.beta1 * *m + (1.0 - rule.beta1) * g;
            *v = rule.beta2 * *v + (1.0 - rule.beta2) * g * g;
            *value = *value * decay - rule.rate * *m / (v.sqrt() * rule.root + rule.eps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls_as_in_the_reference_run() {
        // 20 steps, warm-up over 2: the reference run's rates over 3e-3.
        let optim = Optim {
            warmup: 0.1,
            ..Optim::default()
        };
        let at = |step| optim.schedule(step, 20) * 3e-3;
        assert_eq!((at(0), at(1), at(2)), (0.0015, 0.003, 0.003));
        assert!((at(3) - 0.002977211629518312).abs() < 1e-12);
        assert!((at(19) - 2.278837048168797e-05).abs() < 1e-12);
    }

    #[test]
    fn one_step_is_the_hand_worked_one() {
        let mut params = Params::default();
        params.add("m", &[1, 1], &[2.0]);
        params.add("v", &[1], &[2.0]);
        let optim = Optim {
            weight_decay: 0.1,
            ..Optim::default()
        };
        let mut moments = Moments::new(2);
        // At the first step the update is lr · g / |g|, whatever the gradient's size.
        update(
            &optim,
            &mut params,
            &[4.0, -4.0],
            &mut moments,
            0,
            0.5,
            0.25,
            2,
        );
        assert!((params.values[0] - (2.0 * 0.95 - 0.5)).abs() < 1e-6);
        assert!(
            (params.values[1] - 2.5).abs() < 1e-6,
            "no decay on a vector"
        );
        assert!((moments.first[0] - 0.1).abs() < 1e-6);
        assert!((moments.second[1] - 0.05).abs() < 1e-6);
    }
}

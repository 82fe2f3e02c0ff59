//! The numbers that training changes, as one flat vector with names.
//!
//! One vector makes gradients, moments, clipping, updating and checkpoints the same few loops for
//! full fine-tuning and for LoRA. Names are those of GGUF tensors; the two factors of a LoRA
//! matrix are `blk.0.attn_q.lora_a` and `blk.0.attn_q.lora_b`.

use std::ops::Range;

/// One tensor among the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedTensor {
    /// GGUF's name of the tensor.
    pub name: String,
    /// Row-major shape.
    pub shape: Vec<usize>,
    /// Where it lies in the flat vector.
    pub range: Range<usize>,
}

impl TrainedTensor {
    /// Weight decay falls on matrices only.
    pub fn decays(&self) -> bool {
        self.shape.len() > 1
    }
}

/// Every parameter that is trained, with its value.
#[derive(Clone, Debug, Default)]
pub struct Params {
    /// The tensors in the order of the vector.
    pub list: Vec<TrainedTensor>,
    pub values: Vec<f32>,
}

impl Params {
    /// Appends a tensor and returns where it lies.
    pub fn add(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Range<usize> {
        let range = self.values.len()..self.values.len() + values.len();
        self.values.extend_from_slice(values);
        self.list.push(TrainedTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            range: range.clone(),
        });
        range
    }

    /// The tensor of a name.
    pub fn get(&self, name: &str) -> Option<(&TrainedTensor, &[f32])> {
        let param = self.list.iter().find(|p| p.name == name)?;
        Some((param, &self.values[param.range.clone()]))
    }
}

/// A vector (a norm's weight, a bias): trained or as the file has it.
#[derive(Clone, Debug)]
pub enum Vector {
    /// Part of the parameters.
    Trained(Range<usize>),
    Frozen(Vec<f32>),
}

impl Vector {
    pub fn get<'a>(&'a self, params: &'a [f32]) -> &'a [f32] {
        match self {
            Vector::Trained(range) => &params[range.clone()],
            Vector::Frozen(values) => values,
        }
    }

    /// The part of the gradient that belongs to it, if it is trained.
    pub fn grad<'a>(&self, grads: &'a mut [f32]) -> Option<&'a mut [f32]> {
        match self {
            Vector::Trained(range) => Some(&mut grads[range.clone()]),
            Vector::Frozen(_) => None,
        }
    }
}

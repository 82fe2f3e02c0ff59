//! Steps of one token a lane, recorded once as a CUDA graph and repeated: at one token a step a GPU's time
//! goes into starting some hundreds of kernels, which a graph starts at once.
//!
//! A recording belongs to the caches of its lanes and to a number of keys; another branch, or a text that
//! has grown by a bucket, is another one. The first step of a kind is computed as any pass (which also
//! loads the kernels and uploads their parameters), the second is computed, recorded, repeated, and used
//! only if the repetition gave the same numbers. Where any of this fails, steps are computed as before, and
//! one sentence says so.
//!
//! Not here: what a step computes, and how its inputs are laid out ([`super::inputs`]).

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::cuda::cudarc::driver::CudaGraph;
use candle_core::cuda::cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use candle_core::{CudaDevice, Device, Result, Tensor, TensorId};

use super::Rows;
use super::inputs::Inputs;
use super::reduce::Reduction;

/// Recordings that are kept; each has the memory between the layers for itself.
const MOST: usize = 4;

/// How far a repetition may be from the step itself, of the largest logit: other orders of summation.
const TOLERANCE: f32 = 1e-3;

/// The lanes of a step, by their caches, how many keys each of them sees, and whether tokens are drawn from
/// its logits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    lanes: Vec<TensorId>,
    keys: Vec<usize>,
    reduced: bool,
}

/// What is recorded on a device.
#[derive(Debug)]
pub(super) struct Recordings {
    /// `None` on a device that has no graphs.
    device: Option<CudaDevice>,
    state: Mutex<Recorded>,
}

#[derive(Debug, Default)]
struct Recorded {
    /// What was computed last, to be recorded if it comes again.
    last: Option<Kind>,
    /// The latest at the end.
    kept: Vec<(Kind, Recording)>,
    /// Why nothing is recorded any more.
    failed: bool,
    notice: Option<String>,
}

/// A step that can be repeated.
struct Recording {
    graph: Graph,
    /// What it reads, and where its logits are.
    inputs: Inputs,
    rows: Rows,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Recording")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

struct Graph(CudaGraph);

// SAFETY: a graph is no thread's own; it must not be used by two at once, and it is reached through the
// lock of `Recordings` alone.
unsafe impl Send for Graph {}

impl Recordings {
    pub(super) fn on(device: &Device) -> Recordings {
        let device = match device {
            Device::Cuda(device) => Some(device.clone()),
            _ => None,
        };
        Recordings {
            device,
            state: Mutex::default(),
        }
    }

    pub(super) fn take_notice(&self) -> Option<String> {
        self.state().notice.take()
    }

    fn state(&self) -> MutexGuard<'_, Recorded> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Computes a pass over lanes with these caches, by repeating it where it is recorded.
    pub(super) fn pass(
        &self,
        lanes: Vec<TensorId>,
        inputs: Inputs,
        compute: impl Fn(&Inputs) -> Result<Option<Rows>>,
    ) -> Result<Option<Rows>> {
        let mut state = self.state();
        let (Some(device), Some(keys), false) = (&self.device, &inputs.repeats, state.failed)
        else {
            return compute(&inputs);
        };
        let kind = Kind {
            lanes,
            keys: keys.clone(),
            reduced: inputs.reduced,
        };
        if let Some(at) = state.kept.iter().position(|(kept, _)| *kept == kind) {
            let found = state.kept.remove(at);
            let repeated = found.1.repeat(&inputs);
            return match repeated {
                Ok(rows) => {
                    state.kept.push(found);
                    Ok(Some(rows))
                }
                Err(error) => {
                    state.give_up(&error);
                    compute(&inputs)
                }
            };
        }
        // Parameters that kernels read are uploaded once, so that recording finds them there.
        let _uploads = device.enable_cuda_graph_htod_cache();
        let rows = compute(&inputs)?;
        if state.last.as_ref() != Some(&kind) {
            state.last = Some(kind);
            return Ok(rows);
        }
        let Some(computed) = &rows else {
            return Ok(rows);
        };
        match Recording::new(device, inputs, computed, compute) {
            Ok(recording) => {
                if state.kept.len() == MOST {
                    state.kept.remove(0);
                }
                state.kept.push((kind, recording));
            }
            Err(error) => state.give_up(&error),
        }
        Ok(rows)
    }
}

impl Recorded {
    fn give_up(&mut self, error: &candle_core::Error) {
        self.kept.clear();
        self.failed = true;
        self.notice = Some(format!(
            "the GPU cannot repeat a recorded step, so that every kernel is started by itself, which is slower: {}",
            error.to_string().lines().next().unwrap_or_default()
        ));
    }
}

impl Recording {
    /// Records a step whose logits are known.
    fn new(
        device: &CudaDevice,
        inputs: Inputs,
        computed: &Rows,
        compute: impl Fn(&Inputs) -> Result<Option<Rows>>,
    ) -> Result<Recording> {
        // Outside the graph, whose own memory is free again at its end.
        let rows = computed.zeros_like()?;
        let stream = device.cuda_stream();
        let refused = |error| candle_core::Error::wrap(error);
        stream.synchronize().map_err(refused)?;
        stream
            .begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED)
            .map_err(refused)?;
        let recorded = compute(&inputs).and_then(|made| match made {
            Some(made) => rows.take(&made),
            None => Ok(()),
        });
        // The recording has to end, whatever became of it.
        let graph = stream
            .end_capture(CUgraphInstantiate_flags(0))
            .map_err(refused);
        recorded?;
        let Some(graph) = graph? else {
            candle_core::bail!("nothing was recorded")
        };
        graph.upload().map_err(refused)?;
        let recording = Recording {
            graph: Graph(graph),
            inputs,
            rows,
        };
        recording.graph.0.launch().map_err(refused)?;
        recording.rows.require_near(computed)?;
        Ok(recording)
    }

    /// The logits of a step with other inputs of the same shapes.
    fn repeat(&self, inputs: &Inputs) -> Result<Rows> {
        self.inputs.take(inputs)?;
        self.graph.0.launch().map_err(candle_core::Error::wrap)?;
        // The next repetition writes over them.
        self.rows.copy()
    }
}

impl Rows {
    fn each(&self, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Rows> {
        Ok(Rows {
            logits: f(&self.logits)?,
            reduced: self.reduced.as_ref().map(f).transpose()?,
        })
    }

    fn zeros_like(&self) -> Result<Rows> {
        self.each(Tensor::zeros_like)
    }

    fn copy(&self) -> Result<Rows> {
        self.each(Tensor::copy)
    }

    /// Takes over the numbers of rows of the same shape.
    fn take(&self, other: &Rows) -> Result<()> {
        self.logits.slice_set(&other.logits, 0, 0)?;
        match (&self.reduced, &other.reduced) {
            (Some(own), Some(new)) => own.slice_set(new, 0, 0),
            _ => Ok(()),
        }
    }

    /// Fails where numbers are further from those of another computation than the order of a summation
    /// makes them.
    fn require_near(&self, other: &Rows) -> Result<()> {
        let mut pairs = vec![(self.logits.clone(), other.logits.clone())];
        if let (Some(own), Some(new)) = (&self.reduced, &other.reduced) {
            pairs.push((Reduction::sums(own)?, Reduction::sums(new)?));
        }
        let largest = |x: &Tensor| x.abs()?.max_all()?.to_scalar::<f32>();
        for (own, new) in pairs {
            let apart = largest(&(&own - &new)?)?;
            // Also where it is no number.
            let same = apart <= TOLERANCE * (1.0 + largest(&new)?);
            if !same {
                candle_core::bail!("its numbers are {apart} from those of the step");
            }
        }
        Ok(())
    }
}

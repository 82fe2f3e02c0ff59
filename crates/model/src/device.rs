//! Where a model computes: the CPU, or a GPU this program was built for.
//!
//! Not here: what is computed there ([`crate::decoder`]), and training, which knows the CPU
//! alone.

use std::cell::OnceCell;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use candle_core::{Device, DeviceLocation};

use super::config::ModelConfig;
use super::gguf::Gguf;

/// Where the user wants to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A GPU, if this program was built for one, there is one, and the model is large enough to be
    /// faster there; else the CPU.
    #[default]
    Auto,
    Cpu,
    /// An NVIDIA GPU, by its number.
    Cuda(usize),
    /// Apple's GPU.
    Metal,
    /// The CPU through candle's tensors, as a GPU is used: slower, to hold that path against ours.
    CandleCpu,
}

/// Where a model computes, and how.
#[derive(Clone, Debug)]
pub enum Place {
    /// The CPU, with kernels of our own.
    Host,
    /// A device through candle's tensors.
    Tensors(Device),
}

impl Place {
    /// Whether the memory is this machine's own.
    pub fn is_cpu(&self) -> bool {
        match self {
            Place::Host => true,
            Place::Tensors(device) => device.is_cpu(),
        }
    }

    /// Bytes of memory that are free there, where it says.
    pub fn free_memory(&self) -> Option<u64> {
        match self {
            #[cfg(feature = "cuda")]
            Place::Tensors(Device::Cuda(device)) => {
                let stream = device.cuda_stream();
                let (free, _) = stream.context().mem_get_info().ok()?;
                Some(free as u64)
            }
            Place::Tensors(Device::Metal(_)) => None,
            _ => super::memory::available(),
        }
    }

    /// What it is called: `cpu`, `cuda:0`, `metal`, `candle-cpu`.
    pub fn name(&self) -> String {
        match self {
            Place::Host => "cpu".to_owned(),
            Place::Tensors(device) => match device.location() {
                DeviceLocation::Cpu => "candle-cpu".to_owned(),
                DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
                DeviceLocation::Metal { .. } => "metal".to_owned(),
            },
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            DeviceChoice::Auto => f.write_str("auto"),
            DeviceChoice::Cpu => f.write_str("cpu"),
            DeviceChoice::Cuda(number) => write!(f, "cuda:{number}"),
            DeviceChoice::Metal => f.write_str("metal"),
            DeviceChoice::CandleCpu => f.write_str("candle-cpu"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<DeviceChoice> {
        let known = match text.split_once(':') {
            Some(("cuda", number)) => number.parse().ok().map(DeviceChoice::Cuda),
            None => match text {
                "auto" => Some(DeviceChoice::Auto),
                "cpu" => Some(DeviceChoice::Cpu),
                "cuda" => Some(DeviceChoice::Cuda(0)),
                "metal" => Some(DeviceChoice::Metal),
                "candle-cpu" => Some(DeviceChoice::CandleCpu),
                _ => None,
            },
            Some(_) => None,
        };
        known.with_context(|| {
            format!("unknown device {text:?}; expected auto, cpu, cuda, cuda:N or metal")
        })
    }
}

/// The size of weights, in bytes, from which a GPU is chosen automatically. For a smaller model
/// launching a GPU's kernels takes longer than the computation on a CPU.
const WORTH_A_GPU: u64 = 50_000_000;

impl DeviceChoice {
    /// The device for a model. One that is computed on the CPU alone goes to no other by itself.
    ///
    /// # Errors
    /// As [`DeviceChoice::open`].
    pub fn for_model(self, gguf: &Gguf) -> Result<Place> {
        Places::new(self).for_model(gguf)
    }

    /// The device for a model with weights of so many bytes.
    ///
    /// # Errors
    /// If the place was named, and this program was not built for it or it cannot be used.
    pub fn open(self, weights: u64) -> Result<Place> {
        Places::new(self).open(weights)
    }
}

/// Where many models would compute, for who asks about them all: a GPU is opened once, when the first
/// model would go there.
pub struct Places {
    choice: DeviceChoice,
    opened: OnceCell<Place>,
}

impl Places {
    pub fn new(choice: DeviceChoice) -> Places {
        Places {
            choice,
            opened: OnceCell::new(),
        }
    }

    /// As [`DeviceChoice::for_model`].
    ///
    /// # Errors
    /// As [`DeviceChoice::open`].
    pub fn for_model(&self, gguf: &Gguf) -> Result<Place> {
        match self.choice {
            DeviceChoice::Auto if ModelConfig::is_for_cpu(gguf) => Ok(Place::Host),
            _ => self.open(gguf.weights_bytes()),
        }
    }

    /// As [`DeviceChoice::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open(&self, weights: u64) -> Result<Place> {
        if self.choice == DeviceChoice::Auto && weights < WORTH_A_GPU {
            return Ok(Place::Host);
        }
        if let Some(opened) = self.opened.get() {
            return Ok(opened.clone());
        }
        let place = match self.choice {
            DeviceChoice::Cpu => Place::Host,
            DeviceChoice::Cuda(number) => cuda(number)?,
            DeviceChoice::Metal => metal()?,
            DeviceChoice::CandleCpu => Place::Tensors(Device::Cpu),
            // If the GPU cannot be used and nobody asked for it, use the CPU.
            DeviceChoice::Auto => cuda(0).or_else(|_| metal()).unwrap_or(Place::Host),
        };
        Ok(self.opened.get_or_init(|| place).clone())
    }
}

fn cuda(number: usize) -> Result<Place> {
    if !candle_core::utils::cuda_is_available() {
        bail!(
            "this s1-tui is not built for NVIDIA GPUs; build it with --profile gpu --features cuda"
        );
    }
    // A stream of its own, on which steps can be recorded.
    let device = Device::new_cuda_with_stream(number)
        .with_context(|| format!("cannot use GPU {number}; does nvidia-smi list it?"))?;
    #[cfg(feature = "cuda")]
    if let Device::Cuda(cuda) = &device {
        // SAFETY: everything that is computed there goes through this one stream, in order, so that no
        // use of a tensor has to wait for another stream; and what waits for an event from before cannot
        // be recorded.
        unsafe { cuda.disable_event_tracking() };
    }
    Ok(Place::Tensors(device))
}

fn metal() -> Result<Place> {
    if !candle_core::utils::metal_is_available() {
        bail!(
            "this s1-tui is not built for Apple's GPUs; build it with --profile gpu --features metal"
        );
    }
    Device::new_metal(0)
        .map(Place::Tensors)
        .context("cannot use this machine's GPU")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for text in ["auto", "cpu", "cuda:0", "cuda:3", "metal", "candle-cpu"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        assert_eq!(
            "cuda".parse::<DeviceChoice>().unwrap(),
            DeviceChoice::Cuda(0)
        );
        for text in ["", "gpu", "cuda:", "cuda:x", "cpu:0"] {
            let error = text.parse::<DeviceChoice>().unwrap_err().to_string();
            assert!(error.contains("expected auto"), "{error}");
        }
    }

    #[test]
    fn a_small_model_stays_on_the_cpu_unless_a_gpu_is_named() {
        assert!(DeviceChoice::Auto.open(1_000_000).unwrap().is_cpu());
        assert!(DeviceChoice::Cpu.open(u64::MAX).unwrap().is_cpu());
        assert_eq!(DeviceChoice::Cpu.open(0).unwrap().name(), "cpu");
        assert_eq!(
            DeviceChoice::CandleCpu.open(0).unwrap().name(),
            "candle-cpu"
        );
    }

    #[test]
    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    fn a_gpu_that_this_program_is_not_built_for_is_refused_with_what_to_do() {
        assert!(DeviceChoice::Auto.open(u64::MAX).unwrap().is_cpu());
        for (place, feature) in [
            (DeviceChoice::Cuda(0), "cuda"),
            (DeviceChoice::Metal, "metal"),
        ] {
            let error = place.open(u64::MAX).unwrap_err().to_string();
            assert!(error.ends_with(&format!("--features {feature}")), "{error}");
        }
    }
}

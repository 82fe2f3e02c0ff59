//! What the driver says, and what its faults come to in a sentence. Pure.

use s1_core::format::size;
use s1_core::training::TrainConfig;
use s1_data::sanitize::clean_line;
use serde::Deserialize;

/// What a line of the driver begins with; all others are for the log.
pub(super) const MARK: &str = "s1-tui ";

/// What the driver says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum DriverReport {
    /// It is still there.
    Alive,
    /// Model and data are loaded.
    Ready {
        processes: usize,
        device: String,
        dtype: String,
        trained: u64,
    },
    Step {
        step: usize,
        loss: f64,
        lr: f64,
        grad_norm: f64,
        seconds: f64,
        memory: u64,
        /// Whether the weights after the step were written, to be asked something.
        weights: Option<String>,
    },
    Eval {
        step: usize,
        loss: f64,
    },
    Saved {
        step: usize,
    },
    Paused {
        step: usize,
    },
    Resumed {
        step: usize,
    },
    /// All steps are done, and the result is written.
    Done {
        step: usize,
    },
    /// It was told to stop.
    Stopped {
        step: usize,
    },
    Failed(Fault),
}

/// Why a process of the driver failed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Fault {
    pub kind: FaultKind,
    pub text: String,
    pub rank: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Memory does not suffice.
    Memory,
    /// A package is not installed; the text is its name.
    Missing,
    /// The disk is full.
    Disk,
    #[serde(other)]
    Other,
}

/// Reads a line; `None` is one for the log.
pub fn parse(line: &str) -> Option<DriverReport> {
    // Another process may have begun a line before it.
    let (_, json) = line.split_once(MARK)?;
    serde_json::from_str(json.trim_end()).ok()
}

/// What the end of processes that said nothing of it comes to, where the system ended one of them: their
/// status, or what a launcher printed.
pub fn of_end(status: &str, log: &str) -> Option<String> {
    let killed = status.contains("SIGKILL")
        || log.contains("exitcode: -9")
        || log.contains("exitcode  : -9")
        || log.contains("Signal 9 (SIGKILL)");
    killed.then(|| {
        "a process of the training was killed by the system, most likely for want of memory"
            .to_owned()
    })
}

/// What would make a run fit that does not.
pub fn to_fit(config: &TrainConfig) -> String {
    let mut ways = Vec::new();
    if !config.checkpointing {
        ways.push("--checkpointing".to_owned());
    }
    if config.batch > 1 {
        let (half, twice) = (config.batch.div_ceil(2), config.grad_accum * 2);
        ways.push(format!("--batch {half} --grad-accum {twice}"));
    }
    if config.lora_rank.is_none() {
        ways.push("--lora-rank 16".to_owned());
    } else if !config.load_in_4bit {
        ways.push("--load-in-4bit".to_owned());
    }
    ways.push("a smaller --block-size".to_owned());
    if config.sharding.is_none() {
        ways.push("--sharding over more GPUs".to_owned());
    }
    ways.join(", or ")
}

/// A fault in a sentence: what failed, and what to try.
pub fn sentence(fault: &Fault, config: &TrainConfig, install: &str) -> String {
    let text = clean_line(&fault.text);
    let said = match fault.kind {
        FaultKind::Memory => format!("memory does not suffice ({text}); try {}", to_fit(config)),
        FaultKind::Missing => format!("Python has no {text}; install it with: {install}"),
        FaultKind::Disk => format!("the disk is full ({text})"),
        FaultKind::Other => text.into_owned(),
    };
    match fault.rank {
        0 => said,
        rank => format!("process {rank}: {said}"),
    }
}

/// What is there, for the log.
pub fn ready(processes: usize, device: &str, dtype: &str, trained: u64) -> String {
    let processes = match processes {
        1 => "one process".to_owned(),
        n => format!("{n} processes"),
    };
    let device = clean_line(device);
    let bytes = size(trained.saturating_mul(4));
    format!("TRL trains {trained} weights ({bytes}) in {dtype}, {processes} on {device}")
}

/// What to say where a launcher has started fewer processes than it was asked for.
pub fn fewer(asked: Option<usize>, started: usize) -> Option<String> {
    let asked = asked.filter(|asked| *asked > started)?;
    Some(format!(
        "the launcher was asked for {asked} processes and started {started}: without GPUs accelerate spreads nothing; give --launcher \"torchrun --nproc_per_node {asked}\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_driver_are_told_from_all_others() {
        let step = parse(
            "s1-tui {\"event\": \"step\", \"step\": 1, \"loss\": 5.5, \"lr\": 0.001, \"grad_norm\": 1.6, \"seconds\": 0.8, \"memory\": 9, \"weights\": null}\n",
        );
        assert!(matches!(
            step,
            Some(DriverReport::Step {
                step: 1,
                weights: None,
                ..
            })
        ));
        assert_eq!(
            parse("{'loss': 1}s1-tui {\"event\": \"saved\", \"step\": 3, \"path\": \"/x\"}"),
            Some(DriverReport::Saved { step: 3 })
        );
        for line in [
            "",
            "{'loss': 1}",
            "s1-tui {",
            "s1-tui {\"event\": \"unheard\"}",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn every_fault_is_a_sentence_that_says_what_to_try() {
        let config = TrainConfig {
            batch: 16,
            ..TrainConfig::default()
        };
        let said = |line: &str| match parse(line) {
            Some(DriverReport::Failed(fault)) => sentence(&fault, &config, "pip install x"),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            said(
                r#"s1-tui {"event":"failed","kind":"memory","text":"CUDA out of memory.","rank":1}"#
            ),
            "process 1: memory does not suffice (CUDA out of memory.); try --checkpointing, or \
             --batch 8 --grad-accum 2, or --lora-rank 16, or a smaller --block-size, or --sharding \
             over more GPUs"
        );
        assert_eq!(
            said(r#"s1-tui {"event":"failed","kind":"missing","text":"trl","rank":0}"#),
            "Python has no trl; install it with: pip install x"
        );
        assert_eq!(
            said(
                "s1-tui {\"event\":\"failed\",\"kind\":\"new\",\"text\":\"a\\u001b[2Jb\",\"rank\":0}"
            ),
            "a␛[2Jb"
        );
        assert_eq!(fewer(Some(2), 2), None);
        assert_eq!(fewer(None, 1), None);
        assert!(
            fewer(Some(2), 1)
                .unwrap()
                .contains("2 processes and started 1")
        );
        assert!(of_end("exit status: 1", "exitcode: -9 (pid: 4)").is_some());
        assert!(of_end("signal: 9 (SIGKILL)", "").is_some());
        assert!(of_end("exit status: 1", "all is well").is_none());
    }
}

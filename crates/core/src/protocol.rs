//! What goes into the engine and what comes out: commands and events.
//!
//! Commands are looked at between two tokens; events travel through a bounded channel. A lane is
//! one continuation (one branch of the explorer, one column of a comparison, one problem of a
//! sweep); its id is chosen by the caller that starts it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::exit::{Look, Sight};
use crate::forcing::Policy;
use crate::loops::Loop;
use crate::param;
use crate::param::Param;
use crate::sampling::Sampling;
use crate::trace::{Delta, StopReason, Token};
use crate::tree::Probe;

/// Identifies a lane; chosen by the caller.
pub type LaneId = usize;

/// Everything that defines one generation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The question, as the user typed it.
    pub question: String,
    /// System prompt; empty for the template's own.
    pub system: String,
    /// Take the question as the whole prompt, without the chat template.
    pub raw: bool,
    pub policy: Policy,
    pub sampling: Sampling,
    /// Which of several independent samples this is; part of the seed of every draw.
    pub sample: u64,
    /// Reference answer: grades probes and the final answer.
    pub reference: Option<String>,
    /// Probe the forced answer every this many thinking tokens.
    pub probe_every: Option<usize>,
    /// What a probe writes into the thought; empty to end it as a cut does.
    #[serde(default)]
    pub probe_text: String,
    /// Values for the chat template's own switches, over those that the model was loaded with:
    /// `KEY=VALUE`, several with semicolons between.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub template_args: String,
}

impl Request {
    /// Whether it asks for its answer in a box, as the prompts of mathematical problem sets do.
    pub fn asks_for_box(&self) -> bool {
        let asks = |text: &str| text.contains("\\boxed");
        asks(&self.question) || asks(&self.system)
    }
}

crate::has!(Request {
    Policy: policy,
    Sampling: sampling,
});

/// The parameters of a [`Request`] besides those of its policy and its sampling.
pub const REQUEST: &[Param<Request>] = &[
    param!(Request.system, AnyText)
        .named("System prompt", "TEXT")
        .help("System prompt; empty is the chat template's own."),
    param!(Request.probe_every, Int, 1, 1_000_000)
        .named("Probe every", "N")
        .help(
            "Ask every N thinking tokens what the answer would be if the thinking were cut there.",
        )
        .none("off")
        .unit("tokens"),
    param!(Request.probe_text, AnyText)
        .named("Probe text", "TEXT")
        .help("What a probe writes into the thought to ask for the answer; empty ends the thought as a cut does."),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// To the end of the answer.
    End,
    /// This many decisions (a decision may append several forced tokens).
    Tokens(usize),
    /// To the end of the current sentence.
    Sentence,
}

/// What the user asks of a thought that is under way.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// The wait text: while it is written, in place of the next attempt to end; while it waits for
    /// the user, now.
    Wait,
    /// The wait text in place of the next attempt to end, though the thought may rest just now: one
    /// that is written at a pace does so between two beats.
    WaitAtEnd,
    /// Cut the thinking off before the next token.
    Cut,
    /// Cut at the end of the sentence, at most this many thinking tokens from now.
    CutAtSentence(usize),
    /// The ending text now, and the end of thinking as many tokens later as the policy says.
    WrapUp,
    /// Append this text to the thought now.
    Inject(String),
    /// Append this token id now, as the user's choice.
    Choose(u32),
}

/// Commands, looked at between two tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Renders the prompt, reads it in, and leaves the lane paused or running.
    Start {
        lane: LaneId,
        request: Request,
        run: bool,
    },
    /// Starts several lanes that are computed once for as long as they agree: lanes with the same
    /// prompt share every token until their rules or draws differ. Pausing, running and stopping
    /// the lane the others ride on holds for all of them; steering one in any other way takes it
    /// out of the group first.
    StartTogether(Vec<(LaneId, Request)>),
    /// As [`Command::StartTogether`], for lanes that nobody steers, such as all points of a problem:
    /// they wait for their turn ([`Command::Limit`]), take over each other's caches instead of
    /// copying them where they can, share nothing with other questions (so that their numbers do
    /// not depend on what runs at the same time), and are forgotten once all have stopped
    /// ([`Event::Finished`]).
    StartRow(Vec<(LaneId, Request)>),
    /// As [`Command::StartRow`], for lanes of which something is written already: they read it back
    /// and go on as if they had never stopped.
    ResumeRow {
        /// Those that have not ended, each with what is written of it; the first names the row.
        lanes: Vec<(LaneId, Request, Vec<Token>)>,
        /// What the row's last [`Event::Computed`] said; what is read back is not counted again.
        computed: usize,
    },
    /// At most this many lanes compute at once; 0 pauses all. Unlimited at first.
    Limit(usize),
    /// Makes lane `to` from the first `at` tokens of lane `from`, paused, sharing what is computed.
    Fork {
        /// The lane to copy.
        from: LaneId,
        to: LaneId,
        /// Number of tokens taken over.
        at: usize,
    },
    /// Makes a lane from tokens that were generated earlier (an opened session), paused.
    Restore {
        lane: LaneId,
        request: Request,
        tokens: Vec<Token>,
    },
    Ask(LaneId, Ask),
    /// Runs a paused lane.
    Run(LaneId, Until),
    /// Goes on by a step. Where it is on a step already, the new one comes after it (up to a few);
    /// where it runs freely, the first step is to pause it.
    Step(LaneId, Until),
    /// Pauses a lane that runs; runs one that does not.
    PauseOrRun(LaneId),
    /// Pauses a running lane before its next token.
    Pause(LaneId),
    /// Ends a lane; its tokens stay.
    Stop(LaneId),
    /// Sets the wait text.
    WaitText(LaneId, String),
    /// Sets the thinking budget; `None` is as much as the context allows.
    Budget(LaneId, Option<usize>),
    /// Changes every rule from here on, thinking at all excepted.
    Policy(LaneId, Policy),
    /// Changes how tokens are drawn from here on.
    Sampling(LaneId, Sampling, u64),
    /// Asks what the model would answer if its thinking were cut after this many tokens of the
    /// trace; `None` is now.
    Probe(LaneId, Option<usize>),
    /// Probes every this many thinking tokens from here on.
    ProbeEvery(LaneId, Option<usize>),
    /// Looks at what is written of a lane, in the order of the text.
    Look(LaneId, Vec<Look>),
    /// Forgets the lanes of a range: each caller takes its ids from a separate range.
    Forget(Range<LaneId>),
    /// Ends the engine.
    Shutdown,
}

/// What a lane is doing, as the engine says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneState {
    /// Reading the prompt.
    Prefill,
    Running,
    /// Waiting for the user.
    Paused,
    Stopped(StopReason),
}

/// What the engine knows about the model it loaded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelInfo {
    pub name: String,
    /// Architecture, as the file names it.
    pub architecture: String,
    /// The software of the server that has it, as far as that says so; empty on this machine.
    pub version: String,
    pub parameters: u64,
    /// The most common weight type, e.g. `Q8_0`.
    pub quantization: String,
    /// `cpu`, `cuda:0`, `metal`.
    pub device: String,
    /// Threads used on a CPU.
    pub threads: usize,
    /// Whether it is a server that only chats: it takes no token ids, so that nothing can be steered.
    pub chats: bool,
    /// Context length in use, in tokens.
    pub context: usize,
    /// Delimiter family, e.g. `qwen3`.
    pub family: String,
    /// Where the chat template came from.
    pub template: String,
    /// The switches that the template reads besides the conversation.
    pub switches: Vec<String>,
    /// Things the user should know (an unknown pre-tokenizer, a missing template).
    pub warnings: Vec<String>,
}

/// The device of a model that a server computes.
pub const SERVER: &str = "server";

impl ModelInfo {
    /// Whether a server computes it: what is known of a token is what its most probable
    /// alternatives tell.
    pub fn is_server(&self) -> bool {
        self.device == SERVER
    }
}

/// Speed of a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed {
    /// Prompt tokens read per second.
    pub prefill_tok_s: f64,
    /// Tokens appended per second of decoding, probes not counted.
    pub decode_tok_s: f64,
    /// From the start command to the first token, in milliseconds.
    pub time_to_first_token_ms: f64,
    /// Tokens computed ahead because the text seemed to repeat itself, and those of them that came.
    pub drafted: usize,
    pub taken: usize,
}

/// Events, in the order in which things happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Loading has got this far, 0 to 1.
    Loading(f32),
    /// What a server that was started for the model says meanwhile. One line.
    Log(String),
    /// The model is ready.
    Loaded(Box<ModelInfo>),
    /// The model cannot be used; the engine has ended. One sentence.
    Failed(String),
    /// A lane has read `done` of `total` prompt tokens.
    Prefill {
        lane: LaneId,
        /// Prompt tokens read.
        done: usize,
        /// Prompt tokens in all.
        total: usize,
    },
    /// The rendered prompt of a lane.
    Prompt {
        lane: LaneId,
        /// Its token ids.
        ids: Vec<u32>,
        /// Their text, special tokens written out.
        text: String,
    },
    /// Something was written.
    Tokens(LaneId, Delta),
    /// All lanes of a row ([`Command::StartRow`]) have stopped.
    Finished {
        /// Id of the first of them.
        row: LaneId,
        /// Tokens that went through the model for all of them.
        computed: usize,
    },
    /// A step of rows is over: what their lanes were told of until here is one moment, at which they
    /// could be stopped and resumed ([`Command::ResumeRow`]). For each row, tokens that went through
    /// the model for all of its lanes.
    Computed(Vec<(LaneId, usize)>),
    /// A lane changed what it is doing.
    State(LaneId, LaneState),
    /// From here on a lane is computed together with another, or (`None`) on its own.
    Rides {
        lane: LaneId,
        /// The lane whose tokens it shares.
        host: Option<LaneId>,
    },
    /// Waits the user has asked for that have not been used yet.
    PendingWaits(LaneId, usize),
    /// The thinking budget in force (the policy's, or what the context allows).
    Budget(LaneId, usize),
    /// A probe came back.
    Probe(LaneId, Probe),
    /// The rule for early exits has looked at a thought.
    Sight(LaneId, Sight),
    /// What was asked for with [`Command::Look`] was seen: as many as were asked for, in their order.
    Looked(LaneId, Vec<Sight>),
    /// A repeating loop was found.
    Loop(LaneId, Loop),
    /// Speed so far.
    Speed(LaneId, Speed),
    /// Tokens in the lane's context (prompt and trace).
    Context(LaneId, usize),
    /// A lane could not be made.
    Refused {
        lane: LaneId,
        /// One sentence.
        why: String,
        /// Whether the same could be made at another time: there was no memory or no thread for it.
        passing: bool,
    },
    /// Something was refused or went wrong on one lane. One sentence.
    Notice(LaneId, String),
}

impl Event {
    /// The lane it is about; `None` where it is about the engine.
    pub fn lane(&self) -> Option<LaneId> {
        match self {
            Event::Log(_) => None,
            Event::Loading(_) | Event::Loaded(_) | Event::Failed(_) | Event::Computed(_) => None,
            Event::Finished { row, .. } => Some(*row),
            Event::Prefill { lane, .. }
            | Event::Prompt { lane, .. }
            | Event::Tokens(lane, _)
            | Event::State(lane, _)
            | Event::Rides { lane, .. }
            | Event::PendingWaits(lane, _)
            | Event::Budget(lane, _)
            | Event::Probe(lane, _)
            | Event::Sight(lane, _)
            | Event::Looked(lane, _)
            | Event::Loop(lane, _)
            | Event::Speed(lane, _)
            | Event::Context(lane, _)
            | Event::Refused { lane, .. }
            | Event::Notice(lane, _) => Some(*lane),
        }
    }
}

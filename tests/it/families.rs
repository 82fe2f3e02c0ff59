//! Every family as tokens: a prompt, a budget of 8 tokens, a Wait and a cut, over real tokenizers and
//! templates with random weights behind them.
//!
//! `S1_TUI_TRIALS` names the folder of these models (`qwen3.gguf`, `templates/Qwen-QwQ-32B.gguf`, …).

use std::path::PathBuf;

use crate::common::folder;
use s1_core::forcing::{ForcingDecision, Machine, Next, Policy};
use s1_core::trace::{Origin, Phase, Reason, Token};
use s1_engine::LoadOptions;
use s1_engine::dialogue::Dialogue;
use s1_model::gguf::Gguf;
use s1_model::template::Message;

/// A model, the name it goes by, its family, how its prompt ends, and how a cut thought is closed.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const CASES: [Case; 17] = [
    (
        "templates/Qwen-Qwen2.5-7B-Instruct.gguf",
        "s1.1-7B",
        "s1",
        "<|im_start|>assistant\n<|im_start|>think",
        "\n<|im_start|>answer\nFinal Answer:",
    ),
    (
        "qwen3.gguf",
        "Qwen3 0.6B",
        "qwen3",
        "<|im_start|>assistant\n<think>\n",
        "</think>\n\n",
    ),
    (
        "templates/Qwen-Qwen3-0.6B.gguf",
        "Qwen3 0.6B",
        "qwen3",
        "<|im_start|>assistant\n<think>\n",
        "</think>\n\n",
    ),
    (
        "templates/qwen3_thinking.gguf",
        "Qwen3 4B Thinking",
        "qwen3",
        "<|im_start|>assistant\n<think>\n",
        "</think>\n\n",
    ),
    (
        "templates/Qwen-QwQ-32B.gguf",
        "QwQ 32B",
        "qwen3",
        "<|im_start|>assistant\n<think>\n",
        "</think>\n\n",
    ),
    (
        "templates/Qwen3.5-4B.gguf",
        "Qwen3.5 4B",
        "qwen3",
        "<|im_start|>assistant\n<think>\n",
        "</think>\n\n",
    ),
    (
        "r1-distill-qwen.gguf",
        "R1 Distill",
        "r1",
        "<｜Assistant｜><think>\n",
        "</think>\n\n",
    ),
    (
        "templates/r1-0528.gguf",
        "R1 0528",
        "r1",
        "<｜Assistant｜><think>\n",
        "</think>\n\n",
    ),
    (
        "templates/deepseek-ai-DeepSeek-V3.1.gguf",
        "V3.1",
        "r1",
        "<｜Assistant｜><think>",
        "</think>\n\n",
    ),
    (
        "templates/HuggingFaceTB-SmolLM3-3B.gguf",
        "SmolLM3",
        "smollm3",
        "<|im_start|>assistant\n<think>\n",
        "</think>\n",
    ),
    (
        "templates/GLM-4.6.gguf",
        "GLM 4.6",
        "glm",
        "<|assistant|>\n<think>",
        "</think>\n",
    ),
    (
        "templates/ByteDance-Seed-OSS.gguf",
        "Seed OSS",
        "seed-oss",
        "<seed:bos>assistant\n<seed:think>",
        "</seed:think>",
    ),
    (
        "templates/mistralai-Ministral-3-14B-Reasoning-2512.gguf",
        "Ministral",
        "mistral",
        "[/INST][THINK]",
        "[/THINK]",
    ),
    (
        "templates/openai-gpt-oss-120b.gguf",
        "gpt-oss",
        "gpt-oss",
        "<|start|>assistant<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    (
        "templates/ibm-granite-granite-3.3-2B-Instruct.gguf",
        "Granite",
        "granite",
        "<|end_of_role|><think>",
        "</think><response>",
    ),
    (
        "templates/openbmb-MiniCPM5-1B.gguf",
        "MiniCPM5",
        "qwen3",
        "<think>\n",
        "</think>\n\n",
    ),
    (
        "smollm2.gguf",
        "SmolLM2",
        "generic",
        "<|im_start|>assistant\n<think>\n",
        "\n</think>\n\nFinal Answer:",
    ),
];

/// A model that writes `x`, tries to end its thought after two of them, and goes on.
struct Script {
    machine: Machine,
    trace: Vec<Token>,
    dialogue: Dialogue,
}

impl Script {
    fn write(&mut self, id: u32, origin: Origin, phase: Phase, reason: Option<Reason>) {
        let text = String::from_utf8_lossy(self.dialogue.tokenizer.token_bytes(id)).into_owned();
        let token = Token {
            origin,
            reason,
            ..Token::new(id, text, phase)
        };
        self.machine.push(&token);
        self.trace.push(token);
    }

    /// Offers a token; whether the machine still asks for one.
    fn offer(&mut self, id: u32) -> bool {
        loop {
            match self.machine.next() {
                Next::Stop(_) => return false,
                Next::Edit(edit) => self.edit(edit),
                Next::Sample { mask } => {
                    assert!(!mask.contains(&id), "{id} is masked");
                    let text = self.dialogue.tokenizer.decode(&[id]);
                    match self.machine.decide(id, &text) {
                        ForcingDecision::Accept {
                            phase,
                            reason,
                            relabel,
                        } => {
                            assert_eq!(relabel, 0, "no delimiter was written in full");
                            self.write(id, Origin::Sampled, phase, reason);
                        }
                        ForcingDecision::Edit(edit) => self.edit(edit),
                        ForcingDecision::Stop(_) => return false,
                    }
                    return true;
                }
            }
        }
    }

    fn edit(&mut self, edit: s1_core::forcing::Edit) {
        assert_eq!(edit.keep, "");
        if edit.drop > 0 {
            self.trace.truncate(self.trace.len() - edit.drop);
            self.machine.take_back(&self.trace);
        }
        for id in edit.ids {
            self.write(id, edit.origin, edit.phase, Some(edit.reason));
        }
    }
}

/// A user would lose: thoughts that begin, go on and end in the marks that the model was trained on, as
/// its own tokens.
#[test]
#[ignore = "needs S1_TUI_TRIALS"]
fn every_family_opens_waits_and_cuts_in_its_own_tokens() {
    let models: PathBuf = folder("S1_TUI_TRIALS");
    let mut differences = Vec::new();
    for (file, name, family, opening, closing) in CASES {
        let path = models.join(file);
        let gguf = Gguf::open(&path).unwrap();
        let options = LoadOptions {
            path,
            ..LoadOptions::default()
        };
        let dialogue = Dialogue::of(&gguf, &options, name).unwrap();
        let spec = dialogue.delimiters.spec.clone();
        let prompt = dialogue
            .prompt(&[Message::new("user", "Q?")], true)
            .unwrap();

        // The opening is read as the tokens that the vocabulary has for it.
        let tokenizer = dialogue.tokenizer.clone();
        let ids = tokenizer.encode_prompt(&prompt).unwrap();
        let opens = tokenizer.id(&spec.open_tag);
        let opened = opens.is_none_or(|id| ids.contains(&id));

        let policy = Policy {
            max_thinking: Some(8),
            waits: 1,
            ..Policy::default()
        };
        let wait = tokenizer.encode_plain(&policy.wait_text).unwrap();
        let x = tokenizer.encode_plain("x").unwrap()[0];
        let end = dialogue.delimiters.ends().next();
        let machine = Machine::new(
            policy,
            dialogue.delimiters.clone(),
            wait.clone().into(),
            1000,
        );
        let mut script = Script {
            machine,
            trace: Vec::new(),
            dialogue,
        };
        let mut expected = vec![x, x];
        script.offer(x);
        script.offer(x);
        // An end that is written as text is no single token, and is not tried here.
        if let Some(end) = end {
            script.offer(end);
            expected.extend(&wait);
        }
        expected.resize(8, x);
        // The token after the eighth is the answer's first.
        while script.machine.phase() == Phase::Thinking && script.offer(x) {}
        let written: Vec<u32> = script.trace.iter().map(|token| token.id).collect();
        let after = tokenizer.decode(&written[8..]);
        let after = after.strip_suffix('x').unwrap_or(&after);

        let found = (
            spec.family.as_str(),
            prompt.ends_with(opening),
            opened,
            &written[..8],
            after,
        );
        println!("{file}: {found:?}");
        if found != (family, true, true, &expected[..], closing) {
            differences.push(format!("{file}: {found:?}, {prompt:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

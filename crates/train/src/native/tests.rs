use super::*;
use s1_model::fixture::tiny_gguf;

/// A user would lose: the model, to a last step whose weights nobody looked at.
#[test]
fn what_the_last_step_makes_is_looked_at_before_anything_is_written() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    std::fs::write(at("llama.gguf"), tiny_gguf("llama", 3)).unwrap();
    let line = "{\"question\":\"1+1?\",\"thinking\":\"two\",\"answer\":\"2\"}\n";
    std::fs::write(at("data.jsonl"), line.repeat(4)).unwrap();
    let config = TrainConfig {
        model: Some(at("llama.gguf")),
        data: at("data.jsonl"),
        out: at("out"),
        batch: 2,
        warmup: 0.0,
        max_steps: Some(1),
        save_every: Some(1),
        ..TrainConfig::default()
    };
    let mut trainer = NativeTrainer::prepare(&config, false).unwrap();
    // No setting is so high; many steps of a high one come to the same.
    trainer.optim.lr = 1e308;
    let outcome = trainer.train(&TrainControl::default(), &mut |_, _| {});
    let error = outcome.unwrap_err().to_string();
    assert!(
        error.starts_with("step 1 makes weights that are not numbers"),
        "{error}"
    );
    assert!(
        error.contains("there is no checkpoint yet; try a lower --lr"),
        "{error}"
    );
    assert!(!at("out").join("model.safetensors").exists());
}

#[test]
fn resumed_where_there_is_nothing_it_says_that_it_begins() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    std::fs::write(at("llama.gguf"), tiny_gguf("llama", 3)).unwrap();
    std::fs::write(at("data.jsonl"), "{\"text\":\"one two three\"}\n").unwrap();
    let config = TrainConfig {
        model: Some(at("llama.gguf")),
        data: at("data.jsonl"),
        out: at("out"),
        batch: 1,
        max_steps: Some(1),
        gguf: Some(Vec::new()),
        ..TrainConfig::default()
    };
    let mut said = Vec::new();
    let mut trainer = NativeTrainer::prepare(&config, true).unwrap();
    let mut hear = |_: &dyn Trainer, event| {
        if let TrainEvent::Message { text, .. } = event {
            said.push(text);
        }
    };
    trainer.train(&TrainControl::default(), &mut hear).unwrap();
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("it begins with step 1"), "{said:?}");
}

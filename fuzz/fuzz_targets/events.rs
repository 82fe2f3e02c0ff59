//! What a server sends, in every form that is read.

#![no_main]

use libfuzzer_sys::fuzz_target;

const LLAMA: &str = r#"data: {"index":0,"content":"","tokens":[403],"stop":false,"completion_probabilities":[{"id":403,"token":"","bytes":[32,240,159],"logprob":-0.5,"top_logprobs":[{"id":403,"token":"","bytes":[32,240,159],"logprob":-0.5},{"id":2,"token":"","bytes":[],"logprob":null}]}]}

data: {"stop":true,"stop_type":"eos","tokens":[],"tokens_predicted":3}

"#;
const VLLM: &str = r#"data: {"choices":[{"index":0,"text":" a","logprobs":{"text_offset":[0],"token_logprobs":[-0.5],"tokens":["token_id:7"],"top_logprobs":[{"token_id:9":-1.5,"token_id:7":-0.5}]},"finish_reason":"stop","stop_reason":null,"token_ids":[7]}]}

data: [DONE]

data: {"error":{"message":"out of memory"}}

"#;

const CHAT: &str = r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","reasoning_content":"r: r1"},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{"content":"<think>3</think>3"},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

"#;

fn seed() {
    s1_fuzz::seed(
        "events",
        [LLAMA, VLLM, CHAT].map(|text| text.as_bytes().to_vec()),
    );
}

fuzz_target!(init: seed(), |data: &[u8]| s1_engine::fixture::read_events(data, 1000));

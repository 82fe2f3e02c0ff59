//! Templates of real models, of the kinds of real models, and of strangers with bad intentions.

use super::*;

const QWEN: &str = include_str!("fixtures/qwen2.5.jinja");
const SMOLLM: &str = include_str!("fixtures/smollm2.jinja");
const THINKING: &str = include_str!("fixtures/thinking.jinja");
/// The shape of the R1 distills' template: system text gathered first, earlier thinking cut off,
/// and a prompt that opens the thinking.
const R1: &str = "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{{'<｜User｜>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is not none %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<｜Assistant｜>' + content + eos_token}}{%- endif %}{%- endfor -%}{% if add_generation_prompt %}{{'<｜Assistant｜><think>\\n'}}{% endif %}";

fn none() -> TemplateArgs {
    TemplateArgs::default()
}

fn own(source: &str) -> ChatTemplate {
    let template = ChatTemplate::from_source(Some(source), "<BOS>", "<EOS>", |_| false);
    assert_eq!(
        (template.kind(), template.warning()),
        (TemplateKind::File, None)
    );
    template
}

fn talk(turns: &[(&str, &str)]) -> Vec<Message> {
    turns
        .iter()
        .map(|(role, content)| Message::new(*role, *content))
        .collect()
}

fn render(source: &str, turns: &[(&str, &str)]) -> String {
    own(source).render(&talk(turns), true, &none()).unwrap()
}

/// The error of rendering a hostile template, which must come soon.
fn refuse(source: &str) -> String {
    let start = std::time::Instant::now();
    let error = own(source)
        .render(&talk(&[("user", "hi")]), true, &none())
        .unwrap_err()
        .to_string();
    assert!(
        start.elapsed().as_secs() < 10,
        "{source} took {:?}",
        start.elapsed()
    );
    assert!(!error.chars().any(char::is_control), "{error:?}");
    error
}

#[test]
fn qwen_gets_its_own_system_prompt_unless_given_one() {
    assert_eq!(
        render(QWEN, &[("user", "2+2?")]),
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"
    );
    assert_eq!(
        render(
            QWEN,
            &[
                ("system", "Be brief."),
                ("user", "2+2?"),
                ("assistant", "4"),
                ("user", "+1?")
            ]
        ),
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n<|im_start|>user\n+1?<|im_end|>\n<|im_start|>assistant\n"
    );
}

#[test]
fn smollm_keeps_every_space_and_symbol_of_the_content() {
    assert_eq!(
        render(SMOLLM, &[("system", "S"), ("user", " <b> & \"q\" 🧠\n")]),
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n <b> & \"q\" 🧠\n<|im_end|>\n<|im_start|>assistant\n"
    );
    let bare = own(SMOLLM)
        .render(&talk(&[("user", "x")]), false, &none())
        .unwrap();
    assert!(bare.starts_with("<|im_start|>system\nYou are a helpful AI assistant named SmolLM"));
    assert!(bare.ends_with("<|im_start|>user\nx<|im_end|>\n"));
}

#[test]
fn earlier_thinking_is_cut_and_the_switch_for_thinking_works() {
    let turns = [
        ("user", "a"),
        ("assistant", "<think>\nhm\n</think>\n\nb"),
        ("user", "c"),
    ];
    let earlier = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n";
    let template = own(THINKING);
    let with = |thinking: Option<bool>| {
        let args = thinking.map(|on| ("enable_thinking".to_owned(), on.into()));
        let args = TemplateArgs(args.into_iter().collect());
        template.render(&talk(&turns), true, &args).unwrap()
    };
    assert_eq!(with(None), earlier);
    assert_eq!(with(Some(true)), earlier);
    assert_eq!(
        with(Some(false)),
        format!("{earlier}<think>\n\n</think>\n\n")
    );
    let last = template.render(&talk(&turns[..2]), false, &none()).unwrap();
    assert!(
        last.ends_with("<|im_start|>assistant\n<think>\nhm\n</think>\n\nb<|im_end|>\n"),
        "{last:?}"
    );
}

#[test]
fn r1_distills_begin_inside_the_thinking() {
    assert_eq!(
        render(
            R1,
            &[
                ("system", "S"),
                ("user", "a"),
                ("assistant", "<think>x</think>b"),
                ("user", "c")
            ]
        ),
        "<BOS>S<｜User｜>a<｜Assistant｜>b<EOS><｜User｜>c<｜Assistant｜><think>\n"
    );
}

#[test]
fn without_a_template_the_vocabulary_tells_the_form() {
    let turns = talk(&[
        ("system", "S"),
        ("user", "a "),
        ("assistant", "b"),
        ("user", "c"),
    ]);
    let by = |mark: &str| {
        let template = ChatTemplate::from_source(None, "", "", |token| token == mark);
        assert_eq!(template.warning(), None);
        (
            template.kind(),
            template.render(&turns, true, &none()).unwrap(),
        )
    };
    assert_eq!(
        by("<|im_start|>"),
        (TemplateKind::ChatMl, "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na <|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n".to_owned())
    );
    assert_eq!(
        by("<start_of_turn>"),
        (TemplateKind::Gemma, "<start_of_turn>user\nS\n\na<end_of_turn>\n<start_of_turn>model\nb<end_of_turn>\n<start_of_turn>user\nc<end_of_turn>\n<start_of_turn>model\n".to_owned())
    );
    assert_eq!(
        by("<|start_header_id|>"),
        (TemplateKind::Llama3, "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\n\na<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nb<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nc<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n".to_owned())
    );
    assert_eq!(
        by("none"),
        (TemplateKind::Plain, "S\na \nb\nc\n".to_owned())
    );
}

#[test]
fn a_template_that_cannot_be_read_is_left_aside_and_said_so() {
    let template = ChatTemplate::from_source(Some("a\n{% for %}"), "", "", |token| {
        token == "<|im_start|>"
    });
    assert_eq!(template.kind(), TemplateKind::ChatMl);
    let warning = template.warning().unwrap();
    assert!(
        warning.contains("line 2") && warning.ends_with("the form is ChatML instead"),
        "{warning}"
    );
    let huge = "x".repeat(300 << 10);
    let template = ChatTemplate::from_source(Some(&huge), "", "", |_| false);
    assert!(template.warning().unwrap().contains("300 KiB"));
    assert_eq!(
        ChatTemplate::from_source(Some(" \n"), "", "", |_| false).warning(),
        None
    );
}

#[test]
fn a_refusal_carries_the_templates_words_and_no_control_characters() {
    let error = refuse("{{ raise_exception('Roles must\\n alternate\\u001b[31m!') }}");
    assert_eq!(
        error,
        "the model's chat template refuses this conversation: Roles must alternate [31m!"
    );
    assert!(refuse("a\n{{ messages.nonesuch() }}").contains("failed in line 2"));
}

#[test]
fn a_template_cannot_take_the_time_or_the_memory() {
    for source in [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(1000000000) %}{% endfor %}",
        "{{ 'x' * 2000000 }}",
        "{{ 'x' * 1000000000 }}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
        "{% set s = 'a' * 1000000 %}{{ s | replace('a', s) | length }}",
        "{% set s = 'a' * 1000000 %}{{ s.replace('a', s) | length }}",
        "{% set s = 'a' * 1000000 %}{{ ''.join([s] * 99999) | length }}",
        "{% set s = 'a' * 1000000 %}{{ ([s] * 99999) | join | length }}",
        "{% set s = 'a' * 1000000 %}{{ ([s] * 99999) | tojson | length }}",
        "{% set s = 'a' * 1000000 %}{{ ([s] * 99999) | string | length }}",
        "{% set s = 'a' * 1000000 %}{{ [s] * 99999 }}",
        "{% set s = 'a' * 1000000 %}{% set t %}{{ [s] * 99999 }}{% endset %}{{ t | length }}",
        "{{ '%999999999d' | format(1) }}",
        "{{ '{:999999999}'.format(1) }}",
        "{{ '{:{w}}'.format(1, w=999999999) }}",
        "{{ ('\\n' * 100000) | indent(100000, true, true) | length }}",
        "{% macro f(x) %}{{ f(x) }}{{ f(x) }}{% endmacro %}{{ f(1) }}",
        "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}",
        "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l | length + messages.nonesuch() }}",
        "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
        "{{ ((('x' * 100000).split('')) * 9999) | length ~ ('y' * 1100000) }}",
    ] {
        let error = refuse(source);
        println!("{source}: {error}");
    }
    let long = talk(&[("user", &"x".repeat(2 << 20))]);
    assert!(
        own(SMOLLM)
            .render(&long, true, &none())
            .unwrap_err()
            .to_string()
            .contains("1 MiB")
    );
    let fair = talk(&[("user", &"x".repeat(900 << 10))]);
    assert!(own(SMOLLM).render(&fair, true, &none()).is_ok());
}

#[test]
fn json_is_written_as_python_writes_it() {
    let source = "{{ {'a': [1, 'é<b>'], 'c': none} | tojson }}|{{ [1] | tojson(indent=2) }}";
    assert_eq!(
        render(source, &[]),
        "{\"a\": [1, \"é<b>\"], \"c\": null}|[\n  1\n]"
    );
}

#[test]
fn tools_are_none_and_loops_can_break() {
    let source = "{% if tools is none and not documents %}{% for m in messages %}{% if loop.index == 2 %}{% break %}{% endif %}{{ m.get('role') ~ m['content'].strip().upper() }}{% endfor %}{% endif %}";
    assert_eq!(render(source, &[("user", " a "), ("user", "b")]), "userA");
}

/// What a template writes for one question, its clock standing still.
fn written(source: &str) -> String {
    let mut template = own(source);
    let date = chrono::NaiveDate::from_ymd_opt(2025, 3, 9).unwrap();
    template.set_date(date.and_hms_opt(14, 5, 0).unwrap());
    let written = template.render(&talk(&[("user", "hi")]), true, &none());
    written.unwrap_or_else(|error| panic!("{source}: {error:#}"))
}

#[test]
fn what_templates_call_is_there_and_does_what_python_does() {
    for (source, expected) in [
        // The clock; Mistral, gpt-oss and Granite ask for the day.
        ("{{ strftime_now('%Y-%m-%d') }}", "2025-03-09"),
        (
            "{{ strftime_now('%d %b %Y, %H:%M') }}",
            "09 Mar 2025, 14:05",
        ),
        (
            "{%- macro today() -%}{{ strftime_now('%B') }}{%- endmacro -%}{{ today() }}",
            "March",
        ),
        ("{% if strftime_now is defined %}now{% endif %}", "now"),
        // Tags that training masks by.
        ("a {%- generation -%} b {%- endgeneration %} c", "ab c"),
        (
            "{{ none is iterable }}{{ 3 is iterable }}{{ 'a' is iterable }}",
            "FalseFalseTrue",
        ),
        (
            "{% if tools is iterable and tools | length > 0 %}t{% endif %}n",
            "n",
        ),
        (
            "{% for i in [1, 2, 3] %}{{ loop.previtem }}<{{ i }}<{{ loop.nextitem }} {% endfor %}",
            "<1<2 1<2<3 2<3< ",
        ),
        // Maps keep the order they are written in.
        (
            "{% for k, v in {'z': 1, 'a': 2, 'm': 3}.items() %}{{ k }}{{ v }}{% endfor %}",
            "z1a2m3",
        ),
        (
            "{{ {'z': 1, 'a': [2, 3]} | tojson }}",
            "{\"z\": 1, \"a\": [2, 3]}",
        ),
        (
            "{{ {'z': 1, 'a': [2, 3]} | tojson(separators=(',', ':'), sort_keys=true) }}",
            "{\"a\":[2,3],\"z\":1}",
        ),
        (
            "{{ {'a': [1, {}]} | tojson(indent=2) }}",
            "{\n  \"a\": [\n    1,\n    {}\n  ]\n}",
        ),
        (
            "{{ 'é🧠' | tojson(ensure_ascii=true) }}",
            "\"\\u00e9\\ud83e\\udde0\"",
        ),
        ("{{ 'é' | tojson }}", "\"é\""),
        // Methods of strings.
        ("{{ 'a b  c'.rsplit(' ', 1) | join('|') }}", "a b |c"),
        ("{{ 'a b  c'.rsplit() | join('|') }}", "a|b|c"),
        ("{{ 'k=v=w'.partition('=') | join('|') }}", "k|=|v=w"),
        ("{{ 'k=v=w'.rpartition('=') | join('|') }}", "k=v|=|w"),
        (
            "{{ 'x_1'.isidentifier() }}{{ '1x'.isidentifier() }}",
            "TrueFalse",
        ),
        (
            "{{ 'unhappy'.removeprefix('un') }}{{ 'a.py'.removesuffix('.py') }}",
            "happya",
        ),
        (
            "{{ '7'.zfill(3) }}{{ 'a'.ljust(3, '.') }}{{ 'a'.rjust(2) }}",
            "007a.. a",
        ),
        ("{{ 'one two  three' | wordcount }}", "3"),
        (
            "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}",
            "aba",
        ),
        ("{% set j = joiner(', ') %}{{ j() }}x{{ j() }}y", "x, y"),
    ] {
        assert_eq!(written(source), expected, "{source}");
    }
    let unknown = own("{{ strftime_now('%Q') }}");
    let error = unknown.render(&talk(&[("user", "hi")]), true, &none());
    assert!(error.unwrap_err().to_string().contains("%Q"));
}

#[test]
fn the_switches_of_a_template_are_told_and_take_values() {
    let template = own(
        "{% if thinking %}T{% endif %}{{ reasoning_effort | default('medium') }}{% for m in messages %}{{ m.content }}{% endfor %}{{ bos_token }}",
    );
    assert_eq!(template.switches(), ["reasoning_effort", "thinking"]);
    let args = "thinking=true; reasoning_effort=high".parse().unwrap();
    let text = template.render(&talk(&[("user", "q")]), true, &args);
    assert_eq!(text.unwrap(), "Thighq<BOS>");
}

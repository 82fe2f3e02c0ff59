//! Chat templates are code from a stranger: whatever one tries, it takes no more memory than its
//! budget of work pays for, at any moment of the render.

use crate::measure;
use s1_model::template::{ChatTemplate, Message, TemplateArgs};

/// What the budget pays for (some 20 MiB), twice over for what is freed only afterwards.
const LIMIT: usize = 48 << 20;

/// A user would lose: the machine, to a file from the internet. Each of these asks for gigabytes
/// before any loop could be counted: by repeating, by joining, by padding, by ranges.
#[test]
fn no_template_takes_more_memory_than_its_budget() {
    let _alone = measure::alone();
    let long = "{% set s = 'a' * 1000000 %}";
    let list = "{% set l = range(100000) | list %}";
    let sources = [
        "{{ 'x' * 4000000000 }}".to_owned(),
        "{{ 4000000000 * 'x' }}".to_owned(),
        "{{ ([1, 2, 3] * 1000000000) | list | length }}".to_owned(),
        "{{ ([1, 2, 3] * 1000000000) | length }}".to_owned(),
        "{{ ([1, 2, 3] * 1000000000) | sort | length }}".to_owned(),
        "{{ ([1, 2, 3] * 1000000000) | reverse | list | length }}".to_owned(),
        "{{ ([1, 2, 3] * 1000000000) | unique | list | length }}".to_owned(),
        "{{ ([1, 2, 3] * 1000000000) | map('string') | list | length }}".to_owned(),
        "{{ ((1, 2, 3) * 1000000000) | length }}".to_owned(),
        "{{ range(4000000000) | list | length }}".to_owned(),
        "{{ range(0, 4000000000, 1) | list | length }}".to_owned(),
        "{{ [1] | batch(4000000000, 0) | list | length }}".to_owned(),
        "{{ [1] | slice(4000000000) | list | length }}".to_owned(),
        "{{ 'x' | indent(4000000000, true) }}".to_owned(),
        "{{ 'x'.ljust(4000000000) }}".to_owned(),
        "{{ 'x'.center(4000000000) }}".to_owned(),
        "{{ 'x'.zfill(4000000000) }}".to_owned(),
        "{{ '%4000000000d' | format(1) }}".to_owned(),
        "{{ '%*d' | format(4000000000, 1) }}".to_owned(),
        "{{ '{:4000000000}'.format(1) }}".to_owned(),
        "{{ 10 ** 4000000000 }}".to_owned(),
        "{{ 1.0 | round(4000000000) }}".to_owned(),
        format!("{long}{{{{ s.replace('a', s) | length }}}}"),
        format!("{long}{{{{ s | replace('', s) | length }}}}"),
        format!("{long}{{{{ s.join([s] * 100000) | length }}}}"),
        format!("{long}{{{{ [s] * 100000 }}}}"),
        format!("{long}{{{{ ([s] * 100000) | tojson }}}}"),
        format!("{long}{{{{ ([s] * 100000) | join(s) }}}}"),
        format!("{long}{{{{ ([s] * 100000) | string | length }}}}"),
        format!("{long}{{{{ dict(a=[s] * 100000) }}}}"),
        format!(
            "{long}{{{{ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s ~ s | length }}}}"
        ),
        format!(
            "{long}{{% set n = namespace(s=s) %}}{{% for i in range(99) %}}{{% set n.s = n.s ~ n.s %}}{{% endfor %}}"
        ),
        format!(
            "{list}{{% set n = namespace(l=l) %}}{{% for i in range(99) %}}{{% set n.l = (n.l + n.l) | list %}}{{% endfor %}}"
        ),
        format!(
            "{list}{{% set n = namespace(l=[]) %}}{{% for i in range(9999) %}}{{% set n.l = n.l + [l | list] %}}{{% endfor %}}"
        ),
        format!("{list}{{{{ l | map('string') | join('x' * 100000) | length }}}}"),
        format!(
            "{long}{{% macro m(t) %}}{{{{ t }}}}{{{{ t }}}}{{% endmacro %}}{{{{ m(m(m(m(m(m(m(m(s)))))))) | length }}}}"
        ),
        format!(
            "{long}{{% set t %}}{{% for i in range(99999) %}}{{{{ s }}}}{{% endfor %}}{{% endset %}}{{{{ t | length }}}}"
        ),
        format!("{long}{{{{ s.split('') | list | length }}}}"),
        format!("{long}{{{{ s.encode() if s.encode else s | list | length }}}}"),
        format!("{long}{{{{ raise_exception(s) }}}}"),
    ];
    let said = [Message::new("user", "hello")];
    for source in sources {
        let template = ChatTemplate::from_source(Some(&source), "", "", |_| false);
        let (rendered, peak) =
            measure::peak_of(|| template.render(&said, true, &TemplateArgs::default()));
        let outcome = match &rendered {
            Ok(text) => format!("{} bytes", text.len()),
            Err(error) => error.to_string(),
        };
        println!("{:>6} KiB  {source}: {outcome}", peak >> 10);
        assert!(peak < LIMIT, "{source} took {} MiB", peak >> 20);
        assert!(rendered.is_err() || rendered.unwrap().len() <= 1 << 20);
    }
}

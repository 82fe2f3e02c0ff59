//! One figure in all its forms.

use super::*;

use crate::fixtures::{curve, loss};

#[test]
fn a_readout_says_everything_about_a_point() {
    let figure = curve();
    assert_eq!(
        figure.readout(0, 4).unwrap(),
        "reasoner · 64: 158/200 = 79.0% (73.4–84.6) at 55.4 average thinking tokens"
    );
    assert_eq!(loss(3).readout(1, 0).unwrap(), "smoothed: 2.150 at 0 step");
    assert_eq!(figure.readout(9, 0), None);
}

#[test]
fn the_table_has_every_point_in_full_and_quotes_names() {
    let mut figure = curve();
    figure.series[0].name = "a, \"b\"".into();
    figure.series[2].hidden = true;
    let csv = csv::write(&figure);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "series,name,x,y,low,high,detail");
    assert!(lines[1].starts_with("\"a, \"\"b\"\"\",0,0,0.19,0.135"));
    assert!(lines[1].ends_with(",38/200"));
    assert_eq!(lines.len(), 1 + 6 + 3 + 2);
}

#[test]
fn a_long_caption_goes_on_in_another_row() {
    let mut figure = curve();
    figure.caption = "smollm2-135m: control 100% · scaling +0.01%/token · performance 5.0%; \
                      qwen2.5-coder-0.5b: control 100% · scaling +0.01%/token · performance 12.5%"
        .into();
    let picture = svg::draw(&figure);
    assert!(
        !picture.contains(&figure.caption),
        "it would leave the page"
    );
    for word in figure.caption.split(' ') {
        assert!(picture.contains(word), "{word}");
    }
}

#[test]
fn every_format_is_written_and_others_are_refused_with_the_choice() {
    let folder = tempfile::tempdir().unwrap();
    for (name, begin) in [
        ("a.svg", &b"<svg"[..]),
        ("a.PNG", b"\x89PNG"),
        ("a.csv", b"series,"),
    ] {
        let path = folder.path().join(name);
        write(&curve(), &path).unwrap();
        assert!(std::fs::read(path).unwrap().starts_with(begin));
    }
    let error = write(&curve(), &folder.path().join("a.pdf")).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("must end in .svg, .png or .csv")
    );
    let error = write(&curve(), &folder.path().join("no/a.svg")).unwrap_err();
    assert!(error.to_string().starts_with("cannot write"));
}

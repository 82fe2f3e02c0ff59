//! What a reader of the picture would lose.

use super::*;
use crate::Scale;
use crate::fixtures::{curve, loss};

#[test]
fn names_from_outside_cannot_break_the_document() {
    let mut figure = curve();
    figure.title = "<script>&\"\u{1b}[31m\u{0}\u{ffff}".into();
    figure.series[0].name = "</text><a href='x'>".into();
    let svg = draw(&figure);
    assert!(svg.contains("&lt;script&gt;&amp;&quot;"));
    assert!(!svg.contains('\u{1b}') && !svg.contains('\u{0}'));
    #[cfg(feature = "png")]
    resvg::usvg::Tree::from_str(&svg, &resvg::usvg::Options::default()).unwrap();
}

#[test]
fn any_figure_gives_a_document_that_reads() {
    let wild = [f64::NAN, f64::INFINITY, 1e300, -1e300, 0.0, 1e-300];
    for x in wild {
        for y in wild {
            for scale in [Scale::Linear, Scale::Log] {
                let mut figure = curve();
                figure.x.scale = scale;
                figure.series[0].points[1].x = x;
                figure.series[1].points[0].y = y;
                figure.series[1].points[0].interval = Some((y, x));
                let svg = draw(&figure);
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{x} {y}");
            }
        }
    }
    let empty = draw(&Figure::default());
    #[cfg(feature = "png")]
    resvg::usvg::Tree::from_str(&empty, &resvg::usvg::Options::default()).unwrap();
}

#[test]
fn ten_thousand_steps_stay_a_small_file() {
    let svg = draw(&loss(10_000));
    assert!(svg.len() < 150_000, "{}", svg.len());
}

#[test]
fn all_that_is_named_is_in_the_picture() {
    let svg = draw(&curve());
    for words in [
        "accuracy against",
        "s1-nano",
        "control 100%",
        "majority of n",
        "average thinking",
        "Wait ×2",
        "stroke-dasharray",
    ] {
        assert!(svg.contains(words), "{words}");
    }
}

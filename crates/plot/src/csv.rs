//! A figure as a table: one row per point.

use super::Figure;

/// `series,name,x,y,low,high,detail`, what stands beside the points, and what else is to be said of them, one row per point, with quotes where RFC 4180 asks for them.
/// Hidden series are left out, as in a drawing, and so are points that are
/// no numbers. Numbers are written in full: reading them back
/// gives the same numbers.
pub fn write(figure: &Figure) -> String {
    let mut out = String::from("series,name,x,y,low,high,detail");
    let beside = !figure.beside.is_empty();
    if beside {
        out.push(',');
        out.push_str(&field(&figure.beside.replace(' ', "_")));
    }
    let points = figure.shown().flat_map(|(_, series)| &series.points);
    let notes = points.into_iter().any(|p| !p.note.is_empty());
    if notes {
        out.push_str(",note");
    }
    out.push('\n');
    for (_, series) in figure.shown() {
        for point in series.points.iter().filter(|p| p.is_finite()) {
            let number = |v: f64| Some(v).filter(|v| v.is_finite()).map(|v| v.to_string());
            let (low, high) = point.interval.unzip();
            let mut row = vec![
                field(&series.name),
                field(&point.name),
                number(point.x).unwrap_or_default(),
                number(point.y).unwrap_or_default(),
                low.and_then(number).unwrap_or_default(),
                high.and_then(number).unwrap_or_default(),
                field(&point.detail),
            ];
            if beside {
                row.push(point.beside.and_then(number).unwrap_or_default());
            }
            if notes {
                row.push(field(&point.note));
            }
            out.push_str(&row.join(","));
            out.push('\n');
        }
    }
    out
}

fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

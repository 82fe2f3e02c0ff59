//! Units: which spellings mean the same one, and which words behind a number are none.

/// Canonical names of units, each with its spellings.
const UNITS: [(&str, &str); 31] = [
    ("in", "inch inche in"),
    ("ft", "foot feet ft"),
    ("yd", "yard yd"),
    ("mi", "mile mi"),
    ("mm", "millimeter millimetre mm"),
    ("cm", "centimeter centimetre cm"),
    ("m", "meter metre m"),
    ("km", "kilometer kilometre km"),
    ("s", "second sec s"),
    ("min", "minute min"),
    ("h", "hour hr h"),
    ("day", "day"),
    ("week", "week"),
    ("month", "month"),
    ("year", "year"),
    ("mg", "milligram mg"),
    ("g", "gram g"),
    ("kg", "kilogram kg"),
    ("lb", "lb pound"),
    ("oz", "ounce oz"),
    ("ml", "milliliter millilitre ml"),
    ("l", "liter litre l"),
    ("gallon", "gallon"),
    ("quart", "quart"),
    ("cent", "cent"),
    ("dollar", "dollar usd us$"),
    ("euro", "euro eur"),
    ("yen", "yen"),
    ("degree", "degree"),
    ("ohm", "ohm omega Ω"),
    ("unit", "unit"),
];

/// Units that are quotients of others.
const QUOTIENTS: [(&str, &str); 3] = [("mph", "mi/h"), ("kph", "km/h"), ("kmh", "km/h")];

/// Words that group things, and halves of the day: two pairs are not two, and 10 PM is not 10.
const GROUPS: [&str; 6] = ["pair", "couple", "ten", "score", "am", "pm"];

/// Words that say something else of a number than what it counts: how exact it is, or on which
/// condition it holds, or that it is one end of a range.
const QUALIFIERS: &str = "more less least most fewer greater smaller about approximately not only if \
     unless except to plus minus or and but between over under mod modulo";

/// Whether words behind a value change what it says, so that they are no unit.
pub fn qualifies(words: &str) -> bool {
    let lower = words.to_lowercase();
    lower
        .split(|c: char| !c.is_alphabetic())
        .any(|word| QUALIFIERS.split_whitespace().any(|known| known == word))
        && !lower.starts_with("mod ")
}

/// Whether a value in this unit is another value than the bare number.
pub fn is_group(unit: &str) -> bool {
    let unit = unit.to_lowercase().replace('.', "");
    GROUPS.contains(&singular(&unit).as_str())
}

/// Whether two units are one: known ones by what they measure, others by their words, where one may
/// say more than the other (`books`, `science books`).
pub fn same(a: &str, b: &str) -> bool {
    let (known_a, known_b) = (known(a), known(b));
    if let (Some(x), Some(y)) = (&known_a, &known_b) {
        return x == y;
    }
    let (xs, ys) = (words(a), words(b));
    let within = |xs: &[String], ys: &[String]| xs.iter().all(|x| ys.contains(x));
    !xs.is_empty() && !ys.is_empty() && (within(&xs, &ys) || within(&ys, &xs))
}

/// The words of a unit, each in the singular and known ones by their canonical names.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace('.', "");
    let parts = text.split(|c: char| !(c.is_alphanumeric() || c == '^'));
    let words = parts.filter(|word| !word.is_empty());
    words
        .map(|word| known(word).unwrap_or_else(|| singular(word)))
        .collect()
}

/// The canonical name of a known unit, powers included (`square inches` is `in^2`).
fn known(text: &str) -> Option<String> {
    let plain: String = text
        .to_lowercase()
        .chars()
        .filter(|c| !"\\{}.".contains(*c))
        .collect();
    let plain = plain.replace(" per ", "/");
    if let Some((_, quotient)) = QUOTIENTS.iter().find(|(name, _)| *name == plain.trim()) {
        return known(quotient);
    }
    let parts: Option<Vec<String>> = plain.split('/').map(known_part).collect();
    Some(parts?.join("/"))
}

fn known_part(text: &str) -> Option<String> {
    let (mut name, mut power) = match text.split_once('^') {
        Some((name, power)) => (name.trim(), power.trim()),
        None => (text.trim(), "1"),
    };
    for (word, meaning) in [("square ", "2"), ("sq ", "2"), ("cubic ", "3")] {
        if let Some(rest) = name.strip_prefix(word) {
            (name, power) = (rest, meaning);
        }
    }
    let singular = singular(name);
    let (canonical, _) = UNITS.iter().find(|(_, spellings)| {
        let mut spellings = spellings.split(' ');
        spellings.any(|unit| unit == name || unit == singular)
    })?;
    Some(format!("{canonical}^{power}"))
}

fn singular(word: &str) -> String {
    let hissing = ["xes", "ches", "shes", "sses"];
    let cut = match word {
        _ if word.len() > 4 && hissing.iter().any(|end| word.ends_with(end)) => 2,
        _ if word.len() > 2 && word.ends_with('s') && !word.ends_with("ss") => 1,
        _ => 0,
    };
    word.get(..word.len() - cut).unwrap_or(word).to_owned()
}

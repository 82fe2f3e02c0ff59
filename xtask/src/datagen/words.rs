//! Words to count letters in: made-up ones, and some that everybody knows.

use s1_core::rng::Rng;

/// Words that people try. They are drawn now and then, and fall to either side of the split like
/// all others, but for [`SHOWN`].
const KNOWN: [&str; 128] = [
    "almond",
    "apple",
    "apricot",
    "artichoke",
    "asparagus",
    "avocado",
    "banana",
    "barley",
    "basil",
    "beetroot",
    "blackberry",
    "blueberry",
    "broccoli",
    "butter",
    "cabbage",
    "caramel",
    "cardamom",
    "carrot",
    "cashew",
    "cauliflower",
    "celery",
    "cheese",
    "cherry",
    "chestnut",
    "chocolate",
    "cinnamon",
    "coconut",
    "coffee",
    "coriander",
    "cranberry",
    "cucumber",
    "currant",
    "dumpling",
    "eggplant",
    "elderberry",
    "fennel",
    "garlic",
    "ginger",
    "gooseberry",
    "grape",
    "grapefruit",
    "hazelnut",
    "honey",
    "kiwi",
    "lasagna",
    "lavender",
    "lemon",
    "lentil",
    "lettuce",
    "macadamia",
    "mango",
    "melon",
    "millet",
    "mulberry",
    "mushroom",
    "mustard",
    "nectarine",
    "noodle",
    "nutmeg",
    "oatmeal",
    "olive",
    "onion",
    "orange",
    "oregano",
    "pancake",
    "papaya",
    "paprika",
    "parsley",
    "parsnip",
    "peach",
    "peanut",
    "pear",
    "pepper",
    "persimmon",
    "pineapple",
    "pistachio",
    "plum",
    "pomegranate",
    "potato",
    "pumpkin",
    "quinoa",
    "radish",
    "raisin",
    "rhubarb",
    "rosemary",
    "saffron",
    "sesame",
    "shallot",
    "spinach",
    "squash",
    "sugar",
    "tamarind",
    "tangerine",
    "tomato",
    "turmeric",
    "turnip",
    "vanilla",
    "vinegar",
    "walnut",
    "watermelon",
    "wheat",
    "zucchini",
    "mississippi",
    "tennessee",
    "massachusetts",
    "alabama",
    "bookkeeper",
    "committee",
    "successful",
    "assessment",
    "rhythm",
    "parallel",
    "necessary",
    "occurrence",
    "embarrass",
    "address",
    "balloon",
    "coffeehouse",
    "possession",
    "tomorrow",
    "umbrella",
    "villain",
    "giraffe",
    "hippopotamus",
    "kangaroo",
    "alligator",
    "butterfly",
    "caterpillar",
];

/// Words that the documentation shows: never in training data.
pub const SHOWN: [&str; 2] = ["raspberry", "strawberry"];

const VOWELS: &[u8] = b"aaeeeiioouy";
const CONSONANTS: &[u8] = b"bbccddffgghhjkkllllmmmnnnnppqrrrrsssstttvwxz";

/// A word of 3 to 13 letters that can be counted in: no letter more than nine times.
pub fn draw(rng: &mut Rng) -> String {
    match rng.range(0, 99) {
        0..15 => rng.pick(&KNOWN).to_owned(),
        // Any letters at all, so that a user's own words are not entirely new.
        15..30 => {
            let length = rng.range(3, 12).min(rng.range(4, 12));
            (0..length)
                .map(|_| (b'a' + rng.range(0, 25) as u8) as char)
                .collect()
        }
        // Few letters, often again, as in "banana".
        30..38 => pronounceable(rng, true),
        _ => pronounceable(rng, false),
    }
}

/// A word that everybody knows.
pub fn known(rng: &mut Rng) -> String {
    rng.pick(&KNOWN).to_owned()
}

/// Consonants and vowels in turn, now and then doubled; from a `few` letters only, or from all.
fn pronounceable(rng: &mut Rng, few: bool) -> String {
    let mut pick = |from: &[u8], many: usize| -> Vec<u8> {
        (0..many)
            .map(|_| from[rng.range(0, from.len() as i64 - 1) as usize])
            .collect()
    };
    let (own_vowels, own_consonants) = (pick(VOWELS, 2), pick(CONSONANTS, 4));
    let (vowels, consonants): (&[u8], &[u8]) = if few {
        (&own_vowels, &own_consonants)
    } else {
        (VOWELS, CONSONANTS)
    };
    // Short words more often than long ones.
    let length = rng.range(3, 12).min(rng.range(4, 12)) as usize;
    let mut word = String::new();
    let mut vowel = rng.chance(35);
    while word.len() < length {
        let from = if vowel { vowels } else { consonants };
        let letter = from[rng.range(0, from.len() as i64 - 1) as usize] as char;
        word.push(letter);
        if word.len() < length && rng.chance(if vowel { 3 } else { 15 }) {
            word.push(letter);
        } else if !vowel && word.len() < length && rng.chance(25) {
            word.push(consonants[rng.range(0, consonants.len() as i64 - 1) as usize] as char);
        }
        vowel = !vowel;
    }
    word.truncate(length);
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_three_to_thirteen_small_letters() {
        let mut rng = Rng::new(8);
        for _ in 0..5000 {
            let word = draw(&mut rng);
            assert!((3..=13).contains(&word.len()), "{word}");
            assert!(word.bytes().all(|b| b.is_ascii_lowercase()), "{word}");
        }
    }
}

//! What a reader of untrusted files owes its user: the right values, or one clear sentence.

use super::*;
use crate::fixture::{GgufWriter, tiny_gguf};

fn refusal(bytes: Vec<u8>) -> String {
    format!("{:#}", Gguf::from_bytes(bytes).unwrap_err())
}

fn minimal() -> GgufWriter {
    let mut w = GgufWriter::new();
    w.string("general.architecture", "llama");
    w
}

#[test]
fn what_was_written_is_read() {
    let mut w = minimal();
    w.u32("count", 7).f32("base", 0.5).bool("yes", true);
    w.strings("words", &["one", "", "drei 🦀"])
        .i32s("types", &[1, -3]);
    w.tensor("t", &[2, 3], 0, vec![1; 24])
        .tensor("h", &[4], 1, vec![2; 8]);
    let gguf = Gguf::from_bytes(w.finish()).unwrap();
    assert_eq!(gguf.architecture(), "llama");
    assert_eq!(gguf.u64("count"), Some(7));
    assert_eq!(gguf.f32("base"), Some(0.5));
    assert_eq!(gguf.bool("yes"), Some(true));
    assert_eq!(gguf.strings("words").unwrap(), ["one", "", "drei 🦀"]);
    assert_eq!(gguf.i32s("types").unwrap(), [1, -3]);
    let t = gguf.tensor("t").unwrap();
    assert_eq!(
        (t.shape.as_slice(), t.elements(), t.bytes()),
        (&[2, 3][..], 6, 24)
    );
    assert_eq!(&*gguf.data(t), [1; 24]);
    assert_eq!(&*gguf.data(gguf.tensor("h").unwrap()), [2; 8]);
    assert_eq!((gguf.weights_bytes(), gguf.parameters()), (32, 10));
    // Asking for the wrong type is not an error, only an absence.
    assert_eq!(gguf.u64("base"), None);
    assert_eq!(gguf.string("count"), None);
    assert_eq!(gguf.f32s("types"), None);
    assert_eq!(gguf.strings("absent"), None);
}

#[test]
fn a_file_on_disk_is_mapped_and_a_missing_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    assert!(format!("{:#}", Gguf::open(&path).unwrap_err()).starts_with("cannot open "));
    std::fs::write(&path, "").unwrap();
    assert!(
        Gguf::open(&path)
            .unwrap_err()
            .to_string()
            .ends_with("is empty")
    );
    std::fs::write(&path, tiny_gguf("qwen2", 1)).unwrap();
    assert_eq!(Gguf::open(&path).unwrap().architecture(), "qwen2");
    assert!(Gguf::open(folder.path()).is_err());
}

#[test]
fn every_truncation_is_refused() {
    let whole = tiny_gguf("llama", 1);
    let header = whole.len() - Gguf::from_bytes(whole.clone()).unwrap().weights_bytes() as usize;
    for len in (0..header).chain([whole.len() - 33]) {
        let error = Gguf::from_bytes(whole[..len].to_vec());
        assert!(error.is_err(), "{len} of {} bytes", whole.len());
    }
}

#[test]
fn other_files_are_told_apart() {
    assert_eq!(
        refusal(b"PK\x03\x04 and more".to_vec()),
        "the file does not start with GGUF, so it is not a GGUF file"
    );
    let mut file = minimal().finish();
    file[4] = 1;
    assert_eq!(
        refusal(file.clone()),
        "GGUF version 1 is not supported (2 and 3 are)"
    );
    file[4..8].copy_from_slice(&3u32.to_be_bytes());
    assert_eq!(refusal(file), "big-endian GGUF files are not supported");
}

#[test]
fn false_counts_and_lengths_are_refused() {
    let mut tensors = minimal().finish();
    tensors[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(refusal(tensors).contains("claims 18446744073709551615 tensors"));
    let mut keys = minimal().finish();
    keys[16..24].copy_from_slice(&(1u64 << 40).to_le_bytes());
    assert!(refusal(keys).contains("claims 1099511627776 metadata keys"));
    // The first key's length, the first value's length.
    for at in [24, 24 + 8 + 20 + 4] {
        for length in [u64::MAX, u64::MAX - 40, 1 << 33, 1000] {
            let mut file = minimal().finish();
            file[at..at + 8].copy_from_slice(&length.to_le_bytes());
            let error = refusal(file);
            assert!(
                error.ends_with("the file ends too early: it is truncated or damaged"),
                "{error}"
            );
        }
    }
}

/// An array of arrays of … of nothing, `depth` deep.
fn nested(depth: usize) -> Vec<u8> {
    let mut w = minimal();
    let mut value = Vec::new();
    for level in 0..depth {
        value.extend(if level + 1 == depth { 4u32 } else { 9 }.to_le_bytes());
        value.extend(u64::from(level + 1 < depth).to_le_bytes());
    }
    w.raw("nested", 9, &value);
    w.finish()
}

#[test]
fn nested_arrays_are_read_to_a_limit() {
    assert!(Gguf::from_bytes(nested(4)).unwrap().contains("nested"));
    assert!(refusal(nested(5)).ends_with("arrays nest more than 4 deep"));
    assert!(refusal(nested(100_000)).ends_with("arrays nest more than 4 deep"));
}

#[test]
fn values_of_wrong_form_are_refused() {
    let with = |kind: u32, value: &[u8]| refusal(minimal().raw("k", kind, value).finish());
    assert!(with(7, &[2]).ends_with("a boolean has the value 2"));
    assert!(with(13, &[]).ends_with("the value type number 13 is unknown"));
    let overflowing = [&10u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat();
    assert!(with(9, &overflowing).ends_with("overflows"));
}

#[test]
fn a_text_in_another_encoding_is_no_text_and_harms_nothing_else() {
    let latin1 = [&2u64.to_le_bytes()[..], &[0xff, 0xfe]].concat();
    let file = minimal().raw("k", 8, &latin1).u32("n", 3).finish();
    let gguf = Gguf::from_bytes(file).unwrap();
    assert_eq!((gguf.string("k"), gguf.u64("n")), (None, Some(3)));
}

#[test]
fn a_part_of_a_split_file_is_named_for_what_it_is() {
    let part = minimal().u32("split.count", 3).u32("split.no", 1).finish();
    assert!(refusal(part).contains("it is part 2 of 3"));
}

/// A user would lose: any model that is published in parts.
#[test]
fn the_parts_of_a_split_file_are_joined_whichever_is_given_and_a_missing_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |part: u32| folder.path().join(format!("m-{part:05}-of-00003.gguf"));
    let write = |part: u32, tensor: &str, w: &mut GgufWriter| {
        w.u32("split.no", part - 1).u32("split.count", 3);
        w.u32("split.tensors.count", 3);
        w.tensor(tensor, &[4], 1, vec![part as u8; 8]);
        std::fs::write(path(part), w.finish()).unwrap();
    };
    write(1, "a", minimal().u32("said.once", 5));
    write(2, "b", &mut GgufWriter::new());
    let refused = |part| format!("{:#}", Gguf::open(&path(part)).unwrap_err());
    let missing = refused(2);
    assert!(
        missing.contains("part 3 of 3 is missing: there is no m-00003-of-00003.gguf in"),
        "{missing}"
    );
    write(3, "c", &mut GgufWriter::new());
    for part in 1..=3 {
        let gguf = Gguf::open(&path(part)).unwrap();
        assert_eq!(
            (gguf.architecture(), gguf.u64("said.once")),
            ("llama", Some(5))
        );
        for (tensor, byte) in [("a", 1), ("b", 2), ("c", 3)] {
            assert_eq!(&*gguf.data(gguf.tensor(tensor).unwrap()), [byte; 8]);
        }
        assert_eq!(gguf.files().count(), 3);
    }
    // One that belongs to another model, and one that has been there already.
    write(2, "a", &mut GgufWriter::new());
    assert!(refused(1).ends_with("the tensor a occurs in two parts"));
    let mut other = GgufWriter::new();
    other.u32("split.no", 1).u32("split.count", 3);
    std::fs::write(path(2), other.finish()).unwrap();
    assert!(refused(1).contains("have 2 tensors of 3; they are not of one model"));
    std::fs::write(path(2), minimal().finish()).unwrap();
    assert!(refused(1).contains("m-00002-of-00003.gguf is not part 2 of 3"));
    // Another name leads nowhere.
    let lone = folder.path().join("lone.gguf");
    std::fs::copy(path(1), &lone).unwrap();
    let lone = format!("{:#}", Gguf::open(&lone).unwrap_err());
    assert!(lone.contains("it is part 1 of 3, and its name"), "{lone}");
}

#[test]
fn names_that_occur_twice_are_refused() {
    assert_eq!(
        refusal(minimal().u32("a", 1).u32("a", 2).finish()),
        "the metadata key a occurs twice"
    );
    let mut twice = minimal();
    twice
        .tensor("t", &[1], 0, vec![0; 4])
        .tensor("t", &[1], 0, vec![0; 4]);
    assert_eq!(refusal(twice.finish()), "the tensor t occurs twice");
}

#[test]
fn impossible_tensors_are_refused() {
    let with = |shape: &[usize], code| refusal(minimal().tensor("t", shape, code, vec![]).finish());
    assert!(with(&[], 0).ends_with("it claims 0 dimensions (1 to 4 are possible)"));
    assert!(with(&[1; 5], 0).ends_with("it claims 5 dimensions (1 to 4 are possible)"));
    assert!(with(&[4, 0], 0).ends_with("a dimension is zero"));
    assert!(with(&[1 << 40, 1 << 40], 0).ends_with("its size overflows"));
    assert!(with(&[1 << 62], 0).ends_with("its size overflows"));
    assert!(with(&[2, 33], 8).ends_with("its rows of 33 elements do not divide into blocks of 32"));
    assert!(with(&[1 << 20], 0).contains("tensor t lies beyond the end of the file"));
    assert!(
        with(&[256], 21)
            .contains("tensor t has the type IQ3_S (number 21), which is not supported")
    );
    assert!(with(&[32], 99).ends_with("tensor t has the unknown type number 99"));
}

#[test]
fn absurd_alignments_are_refused() {
    for alignment in [0, 1, 24, 1 << 31] {
        let error = refusal(minimal().u32("general.alignment", alignment).finish());
        assert_eq!(
            error,
            "general.alignment is not a power of two between 8 and 1048576"
        );
    }
    // One that is right moves the data.
    let mut w = minimal();
    w.u32("general.alignment", 64)
        .tensor("t", &[1], 0, vec![9; 4]);
    let mut file = w.finish();
    let data = file.split_off(file.len() - 32);
    file.resize(file.len().next_multiple_of(64), 0);
    file.extend(data);
    let gguf = Gguf::from_bytes(file).unwrap();
    assert_eq!(&*gguf.data(gguf.tensor("t").unwrap()), [9; 4]);
}

#[test]
fn what_goes_with_a_model_is_not_read_as_one() {
    let of = |kind: &str| minimal().string("general.type", kind).finish();
    assert!(Gguf::from_bytes(of("model")).is_ok());
    assert_eq!(
        refusal(of("adapter")),
        "it holds no model (its general.type is \"adapter\"); give the model's own file"
    );
}

#[test]
fn metadata_without_an_architecture_is_refused() {
    let missing = "the metadata has no text under general.architecture";
    assert_eq!(refusal(GgufWriter::new().finish()), missing);
    assert_eq!(
        refusal(GgufWriter::new().u32("general.architecture", 1).finish()),
        missing
    );
}

//! Writing GGUF files: exports of the trainer, and the tiny models of tests.
//!
//! Not here: quantizing. Tensors come as the bytes they are to be stored as.

use std::io::{self, Write};

use super::Gguf;

/// Metadata and tensors of a GGUF file being written.
#[derive(Debug, Default)]
pub struct GgufWriter {
    metadata: Vec<u8>,
    keys: u64,
    tensors: Vec<(String, Vec<usize>, u32, Vec<u8>)>,
}

impl GgufWriter {
    /// An empty file.
    pub fn new() -> Self {
        Self::default()
    }

    /// A value given as its type number and its bytes, right or wrong.
    pub fn raw(&mut self, key: &str, kind: u32, value: &[u8]) -> &mut Self {
        self.metadata.extend(text(key));
        self.metadata.extend(kind.to_le_bytes());
        self.metadata.extend(value);
        self.keys += 1;
        self
    }

    pub fn string(&mut self, key: &str, value: &str) -> &mut Self {
        self.raw(key, 8, &text(value))
    }

    /// A u32 value.
    pub fn u32(&mut self, key: &str, value: u32) -> &mut Self {
        self.raw(key, 4, &value.to_le_bytes())
    }

    /// An f32 value.
    pub fn f32(&mut self, key: &str, value: f32) -> &mut Self {
        self.raw(key, 6, &value.to_le_bytes())
    }

    pub fn bool(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, 7, &[value.into()])
    }

    /// An array of booleans.
    pub fn bools(&mut self, key: &str, values: &[bool]) -> &mut Self {
        let items: Vec<u8> = values.iter().map(|&v| v.into()).collect();
        self.raw(key, 9, &array(7, values.len(), &items))
    }

    /// An array of strings.
    pub fn strings<S: AsRef<str>>(&mut self, key: &str, values: &[S]) -> &mut Self {
        let items: Vec<u8> = values.iter().flat_map(|v| text(v.as_ref())).collect();
        self.raw(key, 9, &array(8, values.len(), &items))
    }

    /// An array of i32 values.
    pub fn i32s(&mut self, key: &str, values: &[i32]) -> &mut Self {
        let items: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.raw(key, 9, &array(5, values.len(), &items))
    }

    /// An array of f32 values.
    pub fn f32s(&mut self, key: &str, values: &[f32]) -> &mut Self {
        let items: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.raw(key, 9, &array(6, values.len(), &items))
    }

    /// Everything another file says of itself, except the keys that `skip` picks.
    pub fn metadata_of(&mut self, gguf: &Gguf, skip: impl Fn(&str) -> bool) -> &mut Self {
        let mut keys: Vec<_> = gguf.metadata().filter(|(key, _)| !skip(key)).collect();
        // The order does not matter to readers, but the same file should come out every time.
        keys.sort_by_key(|(key, _)| *key);
        for (key, value) in keys {
            self.raw(key, value.kind as u32, gguf.encoded(value));
        }
        self
    }

    /// A tensor with the shape outermost dimension first, the GGUF type number and raw data.
    pub fn tensor(&mut self, name: &str, shape: &[usize], code: u32, data: Vec<u8>) -> &mut Self {
        self.tensors
            .push((name.to_owned(), shape.to_vec(), code, data));
        self
    }

    /// The file's bytes.
    pub fn finish(&self) -> Vec<u8> {
        let mut file = Vec::new();
        // Writing to memory does not fail.
        let _ = self.write_to(&mut file);
        file
    }

    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        const ALIGNMENT: usize = 32;
        let mut header = b"GGUF".to_vec();
        header.extend(3u32.to_le_bytes());
        header.extend((self.tensors.len() as u64).to_le_bytes());
        header.extend(self.keys.to_le_bytes());
        header.extend(&self.metadata);
        let mut offset = 0;
        for (name, shape, code, bytes) in &self.tensors {
            header.extend(text(name));
            header.extend((shape.len() as u32).to_le_bytes());
            for &size in shape.iter().rev() {
                header.extend((size as u64).to_le_bytes());
            }
            header.extend(code.to_le_bytes());
            header.extend((offset as u64).to_le_bytes());
            offset += bytes.len().next_multiple_of(ALIGNMENT);
        }
        header.resize(header.len().next_multiple_of(ALIGNMENT), 0);
        out.write_all(&header)?;
        for (_, _, _, bytes) in &self.tensors {
            out.write_all(bytes)?;
            let padding = bytes.len().next_multiple_of(ALIGNMENT) - bytes.len();
            out.write_all(&[0; ALIGNMENT][..padding])?;
        }
        Ok(())
    }
}

fn text(value: &str) -> Vec<u8> {
    [&(value.len() as u64).to_le_bytes(), value.as_bytes()].concat()
}

fn array(kind: u32, len: usize, items: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(len as u64).to_le_bytes(), items].concat()
}

//! What is said of a cell beside its rows, as bytes: texts with their length, numbers in little-endian order.

use crate::error::{Error, Result};

/// Adds a text.
pub fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_bytes(bytes, text.as_bytes());
}

/// Adds bytes with their length.
pub fn put_bytes(bytes: &mut Vec<u8>, some: &[u8]) {
    bytes.extend_from_slice(&(some.len() as u32).to_le_bytes());
    bytes.extend_from_slice(some);
}

/// Adds what may be missing.
pub fn put_option(bytes: &mut Vec<u8>, some: Option<&[u8]>) {
    bytes.push(u8::from(some.is_some()));
    if let Some(some) = some {
        put_bytes(bytes, some);
    }
}

/// Bytes that are still to be read.
pub struct Rest<'b>(pub &'b [u8]);

impl<'b> Rest<'b> {
    fn take(&mut self, length: usize) -> Result<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(broken)?;
        self.0 = rest;
        Ok(taken)
    }
    /// So many bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| broken())
    }
    /// A number.
    pub fn count(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }
    /// A real number.
    pub fn real(&mut self) -> Result<f64> {
        self.array().map(f64::from_le_bytes)
    }
    /// Bytes with their length.
    pub fn bytes(&mut self) -> Result<&'b [u8]> {
        let length = self.count()?;
        self.take(length as usize)
    }
    /// A text.
    pub fn text(&mut self) -> Result<String> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|error| broken().because(error))?;
        Ok(text.to_owned())
    }
    /// What may be missing.
    pub fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.array::<1>()? == [0] { Ok(None) } else { read(self).map(Some) }
    }
    /// As many as are said to follow.
    pub fn each(&mut self, mut read: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let count = self.count()?;
        (0..count).try_for_each(|_| read(self))
    }
}

/// The error of bytes that are not as expected.
pub fn broken() -> Error {
    Error::new("mk::cadastre::store", "what is said of a cell is broken")
}

//! Safe serialisation, and clear values as 32 big-endian bytes.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::Serialize;
use tfhe::integer::U256;
use tfhe::named::Named;
use tfhe::safe_serialization::{safe_deserialize, safe_serialize};
use tfhe::{Unversionize, Versionize};

use crate::errors::{text, Outcome};

pub const LIMIT: u64 = 4 << 30;
const BUFFER_BYTES: usize = 1 << 20;

pub fn to_bytes<T: Serialize + Versionize + Named>(object: &T) -> Outcome<Vec<u8>> {
    let mut buffer = Vec::new();
    safe_serialize(object, &mut buffer, LIMIT).map_err(text)?;
    Ok(buffer)
}

pub fn from_bytes<T: DeserializeOwned + Unversionize + Named>(bytes: &[u8]) -> Outcome<T> {
    safe_deserialize(bytes, LIMIT)
}

pub fn read_key<T: DeserializeOwned + Unversionize + Named>(path: &Path) -> Outcome<T> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    safe_deserialize(BufReader::with_capacity(BUFFER_BYTES, file), LIMIT)
}

pub fn write_key<T: Serialize + Versionize + Named>(object: &T, path: &Path) -> Outcome<()> {
    let mut writer = BufWriter::with_capacity(BUFFER_BYTES, File::create(path).map_err(text)?);
    safe_serialize(object, &mut writer, LIMIT).map_err(text)?;
    writer.flush().map_err(text)?;
    writer.get_ref().sync_all().map_err(text)
}

pub fn wide(bytes: &[u8; 32]) -> U256 {
    let mut value = U256::from(0u8);
    value.copy_from_be_byte_slice(bytes);
    value
}

pub fn be_bytes(value: U256) -> [u8; 32] {
    let mut bytes = [0; 32];
    value.copy_to_be_byte_slice(&mut bytes);
    bytes
}

pub fn flag_bytes(value: bool) -> [u8; 32] {
    be_bytes(U256::from(u8::from(value)))
}

/// Width of the types that operators take from clients; values beyond 256 bits cannot be given here.
pub fn bits(fhe_type: u8) -> Outcome<usize> {
    match fhe_type {
        0 => Ok(1),
        1 => Ok(4),
        2 => Ok(8),
        3 => Ok(16),
        4 => Ok(32),
        5 => Ok(64),
        6 => Ok(128),
        7 => Ok(160),
        8 => Ok(256),
        9 => Ok(512),
        10 => Ok(1024),
        11 => Ok(2048),
        other => Err(format!("type {other} is not supported")),
    }
}

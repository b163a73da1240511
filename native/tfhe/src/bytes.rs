//! Safe serialisation with the protocol's size limits, and key files.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::Serialize;
use tfhe::named::Named;
use tfhe::safe_serialization::{safe_deserialize, safe_serialize};
use tfhe::{Unversionize, Versionize};

use crate::errors::{Failure, Outcome};

pub const CT64_LIMIT: u64 = 16 << 20;
pub const CT128_LIMIT: u64 = 66 << 20;
pub const PROOF_LIMIT: u64 = 16 << 20;
/// A full server key takes 1.7 GB; the limit only stops nonsense.
pub const KEY_LIMIT: u64 = 4 << 30;
const BUFFER_BYTES: usize = 1 << 20;

pub fn to_bytes<T: Serialize + Versionize + Named>(object: &T, limit: u64) -> Outcome<Vec<u8>> {
    let mut buffer = Vec::new();
    safe_serialize(object, &mut buffer, limit).map_err(|error| Failure::Internal(error.to_string()))?;
    Ok(buffer)
}

pub fn open_key(path: &Path) -> Outcome<BufReader<File>> {
    let file = File::open(path).map_err(|error| Failure::KeyMaterial(format!("{}: {error}", path.display())))?;
    Ok(BufReader::with_capacity(BUFFER_BYTES, file))
}

pub fn read_key<T: DeserializeOwned + Unversionize + Named>(path: &Path) -> Outcome<T> {
    safe_deserialize(open_key(path)?, KEY_LIMIT)
        .map_err(|error| Failure::KeyMaterial(format!("{}: {error}", path.display())))
}

/// Writes and syncs: the caller renames the folder when all files of it are complete.
pub fn write_key<T: Serialize + Versionize + Named>(object: &T, path: &Path) -> Outcome<()> {
    let failed = |error: &dyn std::fmt::Display| Failure::Internal(format!("{}: {error}", path.display()));
    let file = File::create(path).map_err(|error| failed(&error))?;
    let mut writer = BufWriter::with_capacity(BUFFER_BYTES, file);
    safe_serialize(object, &mut writer, KEY_LIMIT).map_err(|error| failed(&error))?;
    writer.flush().map_err(|error| failed(&error))?;
    writer.get_ref().sync_all().map_err(|error| failed(&error))
}

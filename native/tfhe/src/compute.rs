//! Executing one operation exactly as every operator of the network does.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use tfhe::{CompactPublicKey, ReRandomizationContext, ServerKey};

use crate::bytes::read_key;
use crate::cache::Cache;
use crate::errors::{guarded, Failure, Outcome};
use crate::operations::{apply, Operand};
use crate::pool::KeyPool;
use crate::value::{Value, CLEAR_BYTES};

pub const ENCRYPTION_SEPARATOR: [u8; 8] = *b"TFHE_Enc";
const OPERATION_SEPARATOR: [u8; 8] = *b"TFHE_Rrd";
/// 250 values of 64 bits: the operands of the components that run, and of those that follow them.
const CACHE_BYTES_MAX: usize = 128 << 20;

/// `(type, ct64)` is an encrypted operand, bare bytes are a big-endian scalar.
#[derive(FromPyObject)]
pub enum RawOperand {
    Encrypted(u8, PyBackedBytes),
    Scalar(PyBackedBytes),
}

/// A number is the place of an input, or behind the inputs of a result; bare bytes are a big-endian scalar.
#[derive(FromPyObject)]
pub enum RawPlace {
    Known(usize),
    Scalar(PyBackedBytes),
}

/// Opcode, operands and type of the result.
type RawStep = (u8, Vec<RawPlace>, u8);

/// The expanded server key without noise-squashing keys, and the public key for re-randomisation.
#[pyclass(frozen)]
pub struct ComputeKey {
    pool: KeyPool,
    public: CompactPublicKey,
    decompressed: Cache,
}

#[pymethods]
impl ComputeKey {
    #[staticmethod]
    #[pyo3(signature = (compute, public, threads = 1, cache_bytes_max = CACHE_BYTES_MAX))]
    fn open(
        py: Python<'_>,
        compute: PathBuf,
        public: PathBuf,
        threads: usize,
        cache_bytes_max: usize,
    ) -> PyResult<Self> {
        let key = py.detach(|| {
            guarded(|| {
                let public = read_key(&public)?;
                let server: ServerKey = read_key(&compute)?;
                Ok(Self { pool: KeyPool::new(server, threads)?, public, decompressed: Cache::new(cache_bytes_max) })
            })
        })?;
        Ok(key)
    }

    #[getter]
    fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Hits and misses of the decompressed operands.
    #[getter]
    fn cache_counts(&self) -> (u64, u64) {
        self.decompressed.counts()
    }

    /// Seconds of one table look-up now; see `KeyPool::lookup_seconds`.
    fn lookup_seconds(&self, py: Python<'_>) -> PyResult<f64> {
        Ok(py.detach(|| self.pool.lookup_seconds())?)
    }

    /// Decompresses and re-randomises the encrypted operands, applies the operation, compresses the result.
    fn execute<'py>(
        &self,
        py: Python<'py>,
        opcode: u8,
        operands: Vec<RawOperand>,
        out_type: u8,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let ct64 = py.detach(|| self.pool.run(|| self.compute(opcode, operands, out_type)))?;
        Ok(PyBytes::new(py, &ct64))
    }

    /// Operations one after the other, of whose results only the wanted ones are compressed. No operator of the
    /// network does this: it is what the compression after every operation is measured against.
    ///
    /// The inputs are decompressed and re-randomised once, and nothing else is.
    fn component<'py>(
        &self,
        py: Python<'py>,
        inputs: Vec<(u8, PyBackedBytes)>,
        steps: Vec<RawStep>,
        outputs: Vec<usize>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let ct64s = py.detach(|| self.pool.run(|| self.compute_whole(inputs, steps, &outputs)))?;
        Ok(ct64s.iter().map(|ct64| PyBytes::new(py, ct64)).collect())
    }

    /// The operation on clear numbers: the same code on ciphertexts that hide nothing, which takes no bootstraps.
    ///
    /// An operand is `(type, number)` or a scalar, all big-endian; random operations are refused.
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        opcode: u8,
        operands: Vec<RawOperand>,
        out_type: u8,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let clear = py.detach(|| self.pool.run(|| evaluated(opcode, operands, out_type)))?;
        Ok(PyBytes::new(py, &clear))
    }
}

fn evaluated(opcode: u8, raw: Vec<RawOperand>, out_type: u8) -> Outcome<[u8; CLEAR_BYTES]> {
    let trivial = |operand| match operand {
        RawOperand::Encrypted(fhe_type, clear) => Value::trivial(fhe_type, &clear)
            .map(Operand::Encrypted)
            .ok_or_else(|| Failure::Refused(format!("unknown type {fhe_type}"))),
        RawOperand::Scalar(bytes) => Ok(Operand::Scalar(bytes)),
    };
    let operands = raw.into_iter().map(trivial).collect::<Outcome<Vec<_>>>()?;
    apply(opcode, &operands, out_type)?.trivial_clear()
}

impl ComputeKey {
    fn compute(&self, opcode: u8, raw: Vec<RawOperand>, out_type: u8) -> Outcome<Vec<u8>> {
        let mut operands = raw.into_iter().map(|operand| self.operand(operand)).collect::<Outcome<Vec<_>>>()?;
        self.re_randomize(opcode, &mut operands)?;
        apply(opcode, &operands, out_type)?.compress()
    }

    fn compute_whole(
        &self,
        inputs: Vec<(u8, PyBackedBytes)>,
        steps: Vec<RawStep>,
        outputs: &[usize],
    ) -> Outcome<Vec<Vec<u8>>> {
        let encrypted = inputs.into_iter().map(|(fhe_type, ct64)| RawOperand::Encrypted(fhe_type, ct64));
        let mut known = encrypted.map(|operand| self.operand(operand)).collect::<Outcome<Vec<_>>>()?;
        self.re_randomize(0, &mut known)?;
        for (opcode, places, out_type) in steps {
            let operands = places.into_iter().map(|place| operand_at(&known, place)).collect::<Outcome<Vec<_>>>()?;
            known.push(Operand::Encrypted(apply(opcode, &operands, out_type)?));
        }
        outputs.iter().map(|&place| value_at(&known, place)?.clone().compress()).collect()
    }

    /// One context over all encrypted operands in order, then exactly one seed for each of them.
    fn re_randomize(&self, opcode: u8, operands: &mut [Operand]) -> Outcome<()> {
        let description = i32::from(opcode).to_be_bytes();
        let mut context =
            ReRandomizationContext::new(OPERATION_SEPARATOR, [description.as_slice()], ENCRYPTION_SEPARATOR);
        for operand in operands.iter() {
            if let Operand::Encrypted(value) = operand {
                value.add_to(&mut context);
            }
        }
        let mut seeds = context.finalize();
        for operand in operands.iter_mut() {
            if let Operand::Encrypted(value) = operand {
                let failed = |error: tfhe::Error| Failure::Internal(format!("re-randomisation: {error}"));
                let seed = seeds.next_seed().map_err(failed)?;
                value.re_randomize(&self.public, seed).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn operand(&self, raw: RawOperand) -> Outcome<Operand> {
        match raw {
            RawOperand::Encrypted(fhe_type, ct64) => {
                self.decompressed.decompressed(&ct64, fhe_type).map(Operand::Encrypted)
            }
            RawOperand::Scalar(bytes) => Ok(Operand::Scalar(bytes)),
        }
    }
}

fn operand_at(known: &[Operand], place: RawPlace) -> Outcome<Operand> {
    match place {
        RawPlace::Known(place) => value_at(known, place).map(|value| Operand::Encrypted(value.clone())),
        RawPlace::Scalar(bytes) => Ok(Operand::Scalar(bytes)),
    }
}

fn value_at(known: &[Operand], place: usize) -> Outcome<&Value> {
    match known.get(place) {
        Some(Operand::Encrypted(value)) => Ok(value),
        _ => Err(Failure::Refused(format!("there is no result {place} yet"))),
    }
}

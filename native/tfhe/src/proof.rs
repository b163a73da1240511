//! Verifying an input list and turning its values into stored ciphertexts.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use tfhe::integer::ciphertext::IntegerProvenCompactCiphertextListConformanceParams;
use tfhe::safe_serialization::safe_deserialize_conformant;
use tfhe::zk::{CompactPkeCrs, ZkComputeLoad, ZkPkeV2SupportedHashConfig};
use tfhe::prelude::*;
use tfhe::{CompactPublicKey, ProvenCompactCiphertextList, ReRandomizationContext, ServerKey};

use crate::bytes::{read_key, PROOF_LIMIT};
use crate::compute::ENCRYPTION_SEPARATOR;
use crate::errors::{guarded, Failure, Outcome};
use crate::pool::KeyPool;
use crate::value::{is_stored, Value};

const INPUT_SEPARATOR: [u8; 8] = *b"ZKw_Rrnd";
/// Index 255 of a handle means "computed", so a list ends at 254.
const MAX_VALUES: usize = 255;

type Expanded = Vec<(u8, Vec<u8>)>;

/// Public key, CRS and compute key: what verification and expansion need.
#[pyclass(frozen)]
pub struct ProofKey {
    pool: KeyPool,
    public: CompactPublicKey,
    crs: CompactPkeCrs,
}

#[pymethods]
impl ProofKey {
    #[staticmethod]
    #[pyo3(signature = (public, crs, compute, threads = 1))]
    fn open(py: Python<'_>, public: PathBuf, crs: PathBuf, compute: PathBuf, threads: usize) -> PyResult<Self> {
        let key = py.detach(|| {
            guarded(|| {
                let public = read_key(&public)?;
                let crs = read_key(&crs)?;
                let server: ServerKey = read_key(&compute)?;
                Ok(Self { pool: KeyPool::new(server, threads)?, public, crs })
            })
        })?;
        Ok(key)
    }

    #[getter]
    fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Seconds of one table look-up now; see `KeyPool::lookup_seconds`.
    fn lookup_seconds(&self, py: Python<'_>) -> PyResult<f64> {
        Ok(py.detach(|| self.pool.lookup_seconds())?)
    }

    /// The values of a proven list as `(type, ct64)`; an empty list is valid and gives none.
    ///
    /// Raises `InvalidProof` exactly when the list is to be rejected.
    fn verify_and_expand<'py>(
        &self,
        py: Python<'py>,
        raw: PyBackedBytes,
        auxiliary: PyBackedBytes,
        blob_hash: [u8; 32],
    ) -> PyResult<Vec<(u8, Bound<'py, PyBytes>)>> {
        let values = py.detach(|| {
            self.pool.run(|| {
                let list = self.verified(&raw, &auxiliary)?;
                self.expanded(&list, &blob_hash)
            })
        })?;
        Ok(values.into_iter().map(|(code, ct64)| (code, PyBytes::new(py, &ct64))).collect())
    }
}

impl ProofKey {
    fn verified(&self, raw: &[u8], auxiliary: &[u8]) -> Outcome<ProvenCompactCiphertextList> {
        if raw.is_empty() || raw.len() as u64 > PROOF_LIMIT {
            return Err(Failure::InvalidProof(format!("{} bytes, allowed are 1 to {PROOF_LIMIT}", raw.len())));
        }
        let list = self.decoded(raw)?;
        if list.len() > MAX_VALUES {
            return Err(Failure::InvalidProof(format!("{} values, at most {MAX_VALUES}", list.len())));
        }
        check_types(&list)?;
        if !list.is_empty() && list.verify(&self.crs, &self.public, auxiliary).is_invalid() {
            return Err(Failure::InvalidProof("verification failed".to_owned()));
        }
        Ok(list)
    }

    /// Packed lists only; neither the old hash configuration nor the prover-heavy compute load.
    fn decoded(&self, raw: &[u8]) -> Outcome<ProvenCompactCiphertextList> {
        let parameters = IntegerProvenCompactCiphertextListConformanceParams::from_crs_and_parameters(
            self.public.parameters(),
            &self.crs,
        )
        .forbid_compute_load(ZkComputeLoad::Proof)
        .forbid_hash_config(ZkPkeV2SupportedHashConfig::V0_4_0);
        safe_deserialize_conformant(raw, PROOF_LIMIT, &parameters)
            .map_err(|error| Failure::InvalidProof(format!("does not decode or conform: {error}")))
    }

    /// Re-randomises the whole list once, before expansion.
    fn expanded(&self, list: &ProvenCompactCiphertextList, blob_hash: &[u8; 32]) -> Outcome<Expanded> {
        if list.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |error: tfhe::Error| Failure::Internal(format!("expansion: {error}"));
        let mut context = ReRandomizationContext::new(INPUT_SEPARATOR, [blob_hash.as_slice()], ENCRYPTION_SEPARATOR);
        context.add_ciphertext(list);
        let seed = context.finalize().next_seed().map_err(failed)?;
        let expander =
            list.re_randomize_and_expand_without_verification(&self.public, seed).map_err(failed)?;
        (0..expander.len())
            .map(|index| {
                let value = Value::expanded(&expander, index)?;
                Ok((value.type_code(), value.compress()?))
            })
            .collect()
    }
}

/// The proof says nothing about types, so any list can name one that the protocol does not store: every operator
/// must vote against it, and none may expand it.
fn check_types(list: &ProvenCompactCiphertextList) -> Outcome<()> {
    let foreign = (0..list.len()).find(|&index| !list.get_kind_of(index).is_some_and(is_stored));
    match foreign {
        Some(index) => Err(Failure::InvalidProof(format!("value {index} is of a type that is not supported"))),
        None => Ok(()),
    }
}

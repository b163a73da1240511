//! Encrypting values with the public key and proving it, as every client of the protocol does.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use tfhe::zk::{CompactPkeCrs, ZkComputeLoad};
use tfhe::{CompactCiphertextListBuilder, CompactPublicKey, ProvenCompactCiphertextList};

use crate::bytes::{bits, read_key, to_bytes, wide};
use crate::errors::{detached, text, Outcome};
use crate::flaws;

pub type ClearValue = (u8, [u8; 32]);

/// Public key and reference string; holds no secret.
#[pyclass(frozen)]
pub struct Prover {
    public: CompactPublicKey,
    crs: CompactPkeCrs,
}

#[pymethods]
impl Prover {
    #[staticmethod]
    fn open(py: Python<'_>, public: PathBuf, crs: PathBuf) -> PyResult<Self> {
        detached(py, || Ok(Self { public: read_key(&public)?, crs: read_key(&crs)? }))
    }

    /// A proven list of `(type, 32 big-endian bytes)`, bound to the auxiliary data.
    fn prove<'py>(&self, py: Python<'py>, values: Vec<ClearValue>, auxiliary: PyBackedBytes) -> PyResult<Bound<'py, PyBytes>> {
        let list = detached(py, || to_bytes(&self.proven(&values, &auxiliary, ZkComputeLoad::Verify)?))?;
        Ok(PyBytes::new(py, &list))
    }

    /// A list that a coprocessor has to refuse: `load-proof`, `unpacked` or `old-hash`.
    fn prove_flawed<'py>(
        &self,
        py: Python<'py>,
        values: Vec<ClearValue>,
        auxiliary: PyBackedBytes,
        flaw: &str,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let list = detached(py, || match flaw {
            "load-proof" => to_bytes(&self.proven(&values, &auxiliary, ZkComputeLoad::Proof)?),
            "old-hash" => flaws::old_hash(&self.proven(&values, &auxiliary, ZkComputeLoad::Verify)?, &self.public, &self.crs),
            "unpacked" => flaws::unpacked(&values, &auxiliary, &self.public, &self.crs),
            other => Err(format!("unknown flaw {other}")),
        })?;
        Ok(PyBytes::new(py, &list))
    }
}

impl Prover {
    fn proven(&self, values: &[ClearValue], auxiliary: &[u8], load: ZkComputeLoad) -> Outcome<ProvenCompactCiphertextList> {
        let mut builder = ProvenCompactCiphertextList::builder(&self.public);
        for value in values {
            push(&mut builder, value)?;
        }
        builder.build_with_proof_packed(&self.crs, auxiliary, load).map_err(text)
    }
}

fn push(builder: &mut CompactCiphertextListBuilder, (fhe_type, clear): &ClearValue) -> Outcome<()> {
    if *fhe_type == 0 {
        builder.push(clear[31] != 0);
        return Ok(());
    }
    builder.push_with_num_bits(wide(clear), bits(*fhe_type)?).map_err(text)?;
    Ok(())
}

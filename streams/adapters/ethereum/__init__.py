"""The chains' side: JSON-RPC, contract calls, signatures, heads."""

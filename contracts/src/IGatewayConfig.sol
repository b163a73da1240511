// SPDX-License-Identifier: BSD-3-Clause-Clear
pragma solidity 0.8.28;

struct Coprocessor {
    address txSenderAddress;
    address signerAddress;
    string s3BucketUrl;
}

struct HostChain {
    uint256 chainId;
    address fhevmExecutorAddress;
    address aclAddress;
    string name;
    string website;
}

/// What the answering contracts ask of the configuration.
interface IGatewayConfig {
    error HostChainNotRegistered(uint256 chainId);

    function getCoprocessor(address txSender) external view returns (Coprocessor memory);

    function getCoprocessorMajorityThreshold() external view returns (uint256);

    function isCoprocessorTxSender(address txSender) external view returns (bool);

    function isCoprocessorSigner(address signer) external view returns (bool);

    function isHostChainRegistered(uint256 chainId) external view returns (bool);

    function isHostChainDisabled(uint256 chainId) external view returns (bool);
}

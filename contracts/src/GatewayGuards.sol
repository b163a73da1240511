// SPDX-License-Identifier: BSD-3-Clause-Clear
pragma solidity 0.8.28;

import {IGatewayConfig} from "./IGatewayConfig.sol";

/// The checks that both answering contracts share, against one configuration contract.
abstract contract GatewayGuards {
    IGatewayConfig public immutable gatewayConfig;

    error HostChainNotRegistered(uint256 chainId);
    error HostChainDisabled(uint256 chainId);
    error NotCoprocessorTxSender(address txSender);
    error NotCoprocessorSigner(address signer);
    error CoprocessorSignerDoesNotMatchTxSender(address signer, address txSender);

    constructor(IGatewayConfig config) {
        gatewayConfig = config;
    }

    modifier onlyCoprocessorTxSender() {
        require(gatewayConfig.isCoprocessorTxSender(msg.sender), NotCoprocessorTxSender(msg.sender));
        _;
    }

    modifier onlyEnabledHostChain(uint256 chainId) {
        require(gatewayConfig.isHostChainRegistered(chainId), HostChainNotRegistered(chainId));
        require(!gatewayConfig.isHostChainDisabled(chainId), HostChainDisabled(chainId));
        _;
    }

    function _requireOwnSigner(address signer, address txSender) internal view {
        require(gatewayConfig.isCoprocessorSigner(signer), NotCoprocessorSigner(signer));
        address registered = gatewayConfig.getCoprocessor(txSender).signerAddress;
        require(registered == signer, CoprocessorSignerDoesNotMatchTxSender(signer, txSender));
    }

    function _threshold() internal view returns (uint256) {
        return gatewayConfig.getCoprocessorMajorityThreshold();
    }
}

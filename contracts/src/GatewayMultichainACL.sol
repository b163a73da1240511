// SPDX-License-Identifier: BSD-3-Clause-Clear
pragma solidity 0.8.28;

import {GatewayGuards} from "./GatewayGuards.sol";
import {IGatewayConfig} from "./IGatewayConfig.sol";

/// Rights as networks up to v0.11 replicate them to the gateway: the development stand-in.
contract GatewayMultichainACL is GatewayGuards {
    event AllowPublicDecrypt(bytes32 indexed ctHandle, address coprocessorTxSender, bytes extraData);
    event AllowPublicDecryptConsensus(bytes32 indexed ctHandle, bytes extraData);
    event AllowAccount(
        bytes32 indexed ctHandle,
        address accountAddress,
        address coprocessorTxSender,
        bytes extraData
    );
    event AllowAccountConsensus(bytes32 indexed ctHandle, address accountAddress, bytes extraData);

    error CoprocessorAlreadyAllowedPublicDecrypt(bytes32 ctHandle, address txSender);
    error CoprocessorAlreadyAllowedAccount(bytes32 ctHandle, address account, address txSender);

    mapping(bytes32 right => mapping(address txSender => bool)) private _hasAllowed;
    mapping(bytes32 right => uint256) private _votes;

    constructor(IGatewayConfig config) GatewayGuards(config) {}

    function allowPublicDecrypt(
        bytes32 ctHandle,
        bytes calldata extraData
    ) external onlyCoprocessorTxSender onlyEnabledHostChain(_chainIdOf(ctHandle)) {
        bytes32 right = keccak256(abi.encode(ctHandle));
        require(!_hasAllowed[right][msg.sender], CoprocessorAlreadyAllowedPublicDecrypt(ctHandle, msg.sender));
        emit AllowPublicDecrypt(ctHandle, msg.sender, extraData);
        if (_vote(right)) emit AllowPublicDecryptConsensus(ctHandle, extraData);
    }

    function allowAccount(
        bytes32 ctHandle,
        address accountAddress,
        bytes calldata extraData
    ) external onlyCoprocessorTxSender onlyEnabledHostChain(_chainIdOf(ctHandle)) {
        bytes32 right = keccak256(abi.encode(ctHandle, accountAddress));
        require(
            !_hasAllowed[right][msg.sender],
            CoprocessorAlreadyAllowedAccount(ctHandle, accountAddress, msg.sender)
        );
        emit AllowAccount(ctHandle, accountAddress, msg.sender, extraData);
        if (_vote(right)) emit AllowAccountConsensus(ctHandle, accountAddress, extraData);
    }

    function isPublicDecryptAllowed(bytes32 ctHandle, bytes calldata) external view returns (bool) {
        return _votes[keccak256(abi.encode(ctHandle))] >= _threshold();
    }

    function isAccountAllowed(
        bytes32 ctHandle,
        address accountAddress,
        bytes calldata
    ) external view returns (bool) {
        return _votes[keccak256(abi.encode(ctHandle, accountAddress))] >= _threshold();
    }

    function getVersion() external pure returns (string memory) {
        return "MultichainACL v0.3.0";
    }

    /// Counts the caller's vote; true for the one that makes the threshold.
    function _vote(bytes32 right) private returns (bool) {
        _hasAllowed[right][msg.sender] = true;
        _votes[right]++;
        return _votes[right] == _threshold();
    }

    /// Bytes 22 to 29 of a handle hold its host chain.
    function _chainIdOf(bytes32 ctHandle) private pure returns (uint256) {
        return uint64(uint256(ctHandle) >> 16);
    }
}

// SPDX-License-Identifier: BSD-3-Clause-Clear
pragma solidity 0.8.28;

import {GatewayGuards} from "./GatewayGuards.sol";
import {IGatewayConfig} from "./IGatewayConfig.sol";

/// The digests that coprocessors commit for a handle: the development stand-in.
contract GatewayCiphertextCommits is GatewayGuards {
    event AddCiphertextMaterial(
        bytes32 indexed ctHandle,
        uint256 keyId,
        bytes32 ciphertextDigest,
        bytes32 snsCiphertextDigest,
        address coprocessorTxSender
    );
    event AddCiphertextMaterialConsensus(
        bytes32 indexed ctHandle,
        uint256 keyId,
        bytes32 ciphertextDigest,
        bytes32 snsCiphertextDigest,
        address[] coprocessorTxSenders
    );

    error CoprocessorAlreadyAdded(bytes32 ctHandle, address txSender);
    error CiphertextMaterialNotFound(bytes32 ctHandle);

    struct CiphertextMaterial {
        bytes32 ctHandle;
        uint256 keyId;
        bytes32 ciphertextDigest;
        address[] coprocessorTxSenderAddresses;
    }

    struct SnsCiphertextMaterial {
        bytes32 ctHandle;
        uint256 keyId;
        bytes32 snsCiphertextDigest;
        address[] coprocessorTxSenderAddresses;
    }

    struct Material {
        bytes32 voteKey;
        uint256 keyId;
        bytes32 ciphertextDigest;
        bytes32 snsCiphertextDigest;
    }

    bytes32 private constant VOTE_DOMAIN = keccak256("CiphertextCommits.addCiphertextMaterial");

    mapping(bytes32 ctHandle => Material) private _agreed;
    mapping(bytes32 voteKey => address[]) private _voters;
    mapping(bytes32 ctHandle => mapping(address txSender => bool)) private _hasAdded;

    constructor(IGatewayConfig config) GatewayGuards(config) {}

    /// Another digest is another candidate: disagreeing coprocessors never make the consensus event happen.
    function addCiphertextMaterial(
        bytes32 ctHandle,
        uint256 keyId,
        bytes32 ciphertextDigest,
        bytes32 snsCiphertextDigest
    ) external onlyCoprocessorTxSender onlyEnabledHostChain(_chainIdOf(ctHandle)) {
        require(!_hasAdded[ctHandle][msg.sender], CoprocessorAlreadyAdded(ctHandle, msg.sender));
        _hasAdded[ctHandle][msg.sender] = true;
        bytes32 voteKey = keccak256(
            abi.encode(VOTE_DOMAIN, ctHandle, keyId, ciphertextDigest, snsCiphertextDigest)
        );
        address[] storage voters = _voters[voteKey];
        voters.push(msg.sender);
        emit AddCiphertextMaterial(ctHandle, keyId, ciphertextDigest, snsCiphertextDigest, msg.sender);
        if (!isCiphertextMaterialAdded(ctHandle) && voters.length >= _threshold()) {
            _agreed[ctHandle] = Material(voteKey, keyId, ciphertextDigest, snsCiphertextDigest);
            emit AddCiphertextMaterialConsensus(ctHandle, keyId, ciphertextDigest, snsCiphertextDigest, voters);
        }
    }

    function isCiphertextMaterialAdded(bytes32 ctHandle) public view returns (bool) {
        return _agreed[ctHandle].voteKey != 0;
    }

    function getCiphertextMaterials(
        bytes32[] calldata ctHandles
    ) external view returns (CiphertextMaterial[] memory materials) {
        materials = new CiphertextMaterial[](ctHandles.length);
        for (uint256 i = 0; i < ctHandles.length; i++) {
            Material storage agreed = _requireAgreed(ctHandles[i]);
            materials[i] = CiphertextMaterial(
                ctHandles[i], agreed.keyId, agreed.ciphertextDigest, _voters[agreed.voteKey]
            );
        }
    }

    function getSnsCiphertextMaterials(
        bytes32[] calldata ctHandles
    ) external view returns (SnsCiphertextMaterial[] memory materials) {
        materials = new SnsCiphertextMaterial[](ctHandles.length);
        for (uint256 i = 0; i < ctHandles.length; i++) {
            Material storage agreed = _requireAgreed(ctHandles[i]);
            materials[i] = SnsCiphertextMaterial(
                ctHandles[i], agreed.keyId, agreed.snsCiphertextDigest, _voters[agreed.voteKey]
            );
        }
    }

    function getAddCiphertextMaterialConsensusTxSenders(bytes32 ctHandle) external view returns (address[] memory) {
        return _voters[_agreed[ctHandle].voteKey];
    }

    function getVersion() external pure returns (string memory) {
        return "CiphertextCommits v0.6.0";
    }

    function _requireAgreed(bytes32 ctHandle) private view returns (Material storage) {
        require(isCiphertextMaterialAdded(ctHandle), CiphertextMaterialNotFound(ctHandle));
        return _agreed[ctHandle];
    }

    /// Bytes 22 to 29 of a handle hold its host chain.
    function _chainIdOf(bytes32 ctHandle) private pure returns (uint256) {
        return uint64(uint256(ctHandle) >> 16);
    }
}

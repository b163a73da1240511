// SPDX-License-Identifier: BSD-3-Clause-Clear
pragma solidity 0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

/// Announces key material on the host chain as the real contract does after its last vote; here the owner decides.
contract KMSGenerationStandIn is Ownable {
    enum KeyType {
        Server,
        Public,
        Reserved,
        CompressedKeySet
    }

    struct KeyDigest {
        KeyType keyType;
        bytes digest;
    }

    event ActivateKey(uint256 keyId, string[] kmsNodeStorageUrls, KeyDigest[] keyDigests);
    event ActivateCrs(uint256 crsId, string[] kmsNodeStorageUrls, bytes crsDigest);

    error EmptyKeyDigests(uint256 keyId);

    uint256 private _activeKeyId;
    uint256 private _activeCrsId;

    constructor(address initialOwner) Ownable(initialOwner) {}

    function activateKey(
        uint256 keyId,
        string[] calldata kmsNodeStorageUrls,
        KeyDigest[] calldata keyDigests
    ) external onlyOwner {
        require(keyDigests.length > 0, EmptyKeyDigests(keyId));
        _activeKeyId = keyId;
        emit ActivateKey(keyId, kmsNodeStorageUrls, keyDigests);
    }

    function activateCrs(
        uint256 crsId,
        string[] calldata kmsNodeStorageUrls,
        bytes calldata crsDigest
    ) external onlyOwner {
        _activeCrsId = crsId;
        emit ActivateCrs(crsId, kmsNodeStorageUrls, crsDigest);
    }

    function getActiveKeyId() external view returns (uint256) {
        return _activeKeyId;
    }

    function getActiveCrsId() external view returns (uint256) {
        return _activeCrsId;
    }

    function getVersion() external pure returns (string memory) {
        return "KMSGeneration v0.2.0";
    }
}

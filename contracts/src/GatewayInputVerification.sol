// SPDX-License-Identifier: BSD-3-Clause-Clear
pragma solidity 0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {GatewayGuards} from "./GatewayGuards.sol";
import {IGatewayConfig} from "./IGatewayConfig.sol";

/// Requests to verify an input and the coprocessors' votes on them: the development stand-in, without fees.
contract GatewayInputVerification is EIP712, GatewayGuards {
    event VerifyProofRequest(
        uint256 indexed zkProofId,
        uint256 indexed contractChainId,
        address contractAddress,
        address userAddress,
        bytes ciphertextWithZKProof,
        bytes extraData
    );
    event VerifyProofResponseCall(
        uint256 indexed zkProofId,
        bytes32[] ctHandles,
        bytes signature,
        address coprocessorTxSender,
        bytes extraData
    );
    event VerifyProofResponse(uint256 indexed zkProofId, bytes32[] ctHandles, bytes[] signatures);
    event RejectProofResponseCall(uint256 indexed zkProofId, bytes extraData);
    event RejectProofResponse(uint256 indexed zkProofId);

    error VerifyProofNotRequested(uint256 zkProofId);
    error CoprocessorAlreadyVerified(uint256 zkProofId, address txSender, address signer);
    error CoprocessorAlreadyRejected(uint256 zkProofId, address txSender, address signer);

    struct Request {
        uint256 contractChainId;
        address contractAddress;
        address userAddress;
        bytes extraData;
    }

    struct Votes {
        address[] txSenders;
        bytes[] signatures;
    }

    bytes32 private constant VERIFICATION_TYPEHASH = keccak256(
        "CiphertextVerification(bytes32[] ctHandles,address userAddress,address contractAddress,uint256 contractChainId,bytes extraData)"
    );

    uint256 private _requestCount;
    mapping(uint256 zkProofId => Request) private _requests;
    mapping(uint256 zkProofId => mapping(address signer => bool)) private _hasVerified;
    mapping(uint256 zkProofId => mapping(address signer => bool)) private _hasRejected;
    mapping(uint256 zkProofId => mapping(bytes32 digest => Votes)) private _verifications;
    mapping(uint256 zkProofId => Votes) private _rejections;
    mapping(uint256 zkProofId => bytes32) private _agreedDigest;
    mapping(uint256 zkProofId => bool) private _isRejected;

    constructor(IGatewayConfig config) EIP712("InputVerification", "1") GatewayGuards(config) {}

    function verifyProofRequest(
        uint256 contractChainId,
        address contractAddress,
        address userAddress,
        bytes calldata ciphertextWithZKProof,
        bytes calldata extraData
    ) external onlyEnabledHostChain(contractChainId) {
        uint256 zkProofId = ++_requestCount;
        _requests[zkProofId] = Request(contractChainId, contractAddress, userAddress, extraData);
        emit VerifyProofRequest(
            zkProofId, contractChainId, contractAddress, userAddress, ciphertextWithZKProof, extraData
        );
    }

    function verifyProofResponse(
        uint256 zkProofId,
        bytes32[] calldata ctHandles,
        bytes calldata signature,
        bytes calldata extraData
    ) external onlyCoprocessorTxSender {
        _requireRequested(zkProofId);
        bytes32 digest = _verificationDigest(_requests[zkProofId], ctHandles);
        address signer = ECDSA.recover(digest, signature);
        _requireOwnSigner(signer, msg.sender);
        _requireFirstAnswer(zkProofId, signer);
        _hasVerified[zkProofId][signer] = true;

        Votes storage votes = _verifications[zkProofId][digest];
        votes.signatures.push(signature);
        votes.txSenders.push(msg.sender);
        emit VerifyProofResponseCall(zkProofId, ctHandles, signature, msg.sender, extraData);
        if (_agreedDigest[zkProofId] == 0 && votes.txSenders.length >= _threshold()) {
            _agreedDigest[zkProofId] = digest;
            emit VerifyProofResponse(zkProofId, ctHandles, votes.signatures);
        }
    }

    /// Votes for handles and rejections are counted apart: below a majority as threshold both may be reached.
    function rejectProofResponse(uint256 zkProofId, bytes calldata extraData) external onlyCoprocessorTxSender {
        _requireRequested(zkProofId);
        address signer = gatewayConfig.getCoprocessor(msg.sender).signerAddress;
        _requireFirstAnswer(zkProofId, signer);
        _hasRejected[zkProofId][signer] = true;

        Votes storage votes = _rejections[zkProofId];
        votes.txSenders.push(msg.sender);
        emit RejectProofResponseCall(zkProofId, extraData);
        if (!_isRejected[zkProofId] && votes.txSenders.length >= _threshold()) {
            _isRejected[zkProofId] = true;
            emit RejectProofResponse(zkProofId);
        }
    }

    function isProofVerified(uint256 zkProofId) external view returns (bool) {
        _requireRequested(zkProofId);
        return _agreedDigest[zkProofId] != 0;
    }

    function isProofRejected(uint256 zkProofId) external view returns (bool) {
        _requireRequested(zkProofId);
        return _isRejected[zkProofId];
    }

    function getVerifyProofConsensusTxSenders(uint256 zkProofId) external view returns (address[] memory) {
        return _verifications[zkProofId][_agreedDigest[zkProofId]].txSenders;
    }

    function getRejectProofConsensusTxSenders(uint256 zkProofId) external view returns (address[] memory none) {
        return _isRejected[zkProofId] ? _rejections[zkProofId].txSenders : none;
    }

    function getVersion() external pure returns (string memory) {
        return "InputVerification v0.6.0";
    }

    function _requireRequested(uint256 zkProofId) private view {
        require(zkProofId != 0 && zkProofId <= _requestCount, VerifyProofNotRequested(zkProofId));
    }

    /// One vote per coprocessor and request, whichever way it goes.
    function _requireFirstAnswer(uint256 zkProofId, address signer) private view {
        require(!_hasVerified[zkProofId][signer], CoprocessorAlreadyVerified(zkProofId, msg.sender, signer));
        require(!_hasRejected[zkProofId][signer], CoprocessorAlreadyRejected(zkProofId, msg.sender, signer));
    }

    /// Over the stored request: an answer cannot bring its own user, contract or extra data.
    function _verificationDigest(
        Request storage request,
        bytes32[] calldata ctHandles
    ) private view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    VERIFICATION_TYPEHASH,
                    keccak256(abi.encodePacked(ctHandles)),
                    request.userAddress,
                    request.contractAddress,
                    request.contractChainId,
                    keccak256(request.extraData)
                )
            )
        );
    }
}

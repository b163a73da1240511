// SPDX-License-Identifier: BSD-3-Clause-Clear
pragma solidity 0.8.28;

/// Emits, with any arguments, every event of the host chain's contracts that a coprocessor reads: so the decoders
/// are held against what the compiler writes. Types of fhevm values and keys are plain numbers here, as in a log.
contract HeadEvents {
    struct KeyDigest {
        uint8 keyType;
        bytes digest;
    }

    // executor
    event FheAdd(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheSub(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheMul(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheDiv(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheRem(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheBitAnd(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheBitOr(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheBitXor(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheShl(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheShr(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheRotl(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheRotr(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheEq(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheNe(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheGe(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheGt(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheLe(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheLt(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheMin(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheMax(address indexed caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result);
    event FheNeg(address indexed caller, bytes32 ct, bytes32 result);
    event FheNot(address indexed caller, bytes32 ct, bytes32 result);
    event VerifyInput(
        address indexed caller,
        bytes32 inputHandle,
        address userAddress,
        bytes inputProof,
        uint8 inputType,
        bytes32 result
    );
    event Cast(address indexed caller, bytes32 ct, uint8 toType, bytes32 result);
    event TrivialEncrypt(address indexed caller, uint256 pt, uint8 toType, bytes32 result);
    event FheIfThenElse(
        address indexed caller,
        bytes32 control,
        bytes32 ifTrue,
        bytes32 ifFalse,
        bytes32 result
    );
    event FheRand(address indexed caller, uint8 randType, bytes16 seed, bytes32 result);
    event FheRandBounded(
        address indexed caller,
        uint256 upperBound,
        uint8 randType,
        bytes16 seed,
        bytes32 result
    );
    event FheSum(address indexed caller, bytes32[] values, bytes32 result);
    event FheIsIn(address indexed caller, bytes32 value, bytes32[] values, bytes32 result);
    event FheMulDiv(
        address indexed caller,
        bytes32 factor1,
        bytes32 factor2,
        bytes32 divisor,
        bytes1 scalarByte,
        bytes32 result
    );

    // access list
    event Allowed(address indexed caller, address indexed account, bytes32 handle);
    event AllowedForDecryption(address indexed caller, bytes32[] handlesList);
    event BlockedAccount(address indexed account);
    event DecryptionSignaturesInvalidated(address indexed account, uint256 beforeTimestamp);
    event DelegatedForUserDecryption(
        address indexed delegator,
        address indexed delegate,
        address contractAddress,
        uint64 delegationCounter,
        uint64 oldExpirationDate,
        uint64 newExpirationDate
    );
    event RevokedDelegationForUserDecryption(
        address indexed delegator,
        address indexed delegate,
        address contractAddress,
        uint64 delegationCounter,
        uint64 oldExpirationDate
    );
    event UnblockedAccount(address indexed account);

    // key contract
    event ActivateCrs(uint256 crsId, string[] kmsNodeStorageUrls, bytes crsDigest);
    event ActivateKey(uint256 keyId, string[] kmsNodeStorageUrls, KeyDigest[] keyDigests);

    // bridge
    event BridgeHandle(address indexed senderDapp, bytes32 srcHandle, uint64 dstChainId, bytes32 guid);
    event HandleBridged(address indexed receiverDapp, bytes32 srcHandle, bytes32 dstHandle, bytes32 guid);
    event FallbackGrantedPlaintext(bytes32 indexed dstHandle, uint256 plaintext);

    function emitFheAdd(
        address caller,
        bytes32 lhs,
        bytes32 rhs,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheAdd(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheSub(
        address caller,
        bytes32 lhs,
        bytes32 rhs,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheSub(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheMul(
        address caller,
        bytes32 lhs,
        bytes32 rhs,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheMul(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheDiv(
        address caller,
        bytes32 lhs,
        bytes32 rhs,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheDiv(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheRem(
        address caller,
        bytes32 lhs,
        bytes32 rhs,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheRem(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheBitAnd(
        address caller,
        bytes32 lhs,
        bytes32 rhs,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheBitAnd(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheBitOr(
        address caller,
        bytes32 lhs,
        bytes32 rhs,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheBitOr(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheBitXor(
        address caller,
        bytes32 lhs,
        bytes32 rhs,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheBitXor(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheShl(
        address caller,
        bytes32 lhs,
        bytes32 rhs,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheShl(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheShr(
        address caller,
        bytes32 lhs,
        bytes32 rhs,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheShr(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheRotl(
        address caller,
        bytes32 lhs,
        bytes32 rhs,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheRotl(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheRotr(
        address caller,
        bytes32 lhs,
        bytes32 rhs,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheRotr(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheEq(address caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result) external {
        emit FheEq(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheNe(address caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result) external {
        emit FheNe(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheGe(address caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result) external {
        emit FheGe(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheGt(address caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result) external {
        emit FheGt(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheLe(address caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result) external {
        emit FheLe(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheLt(address caller, bytes32 lhs, bytes32 rhs, bytes1 scalarByte, bytes32 result) external {
        emit FheLt(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheMin(
        address caller,
        bytes32 lhs,
        bytes32 rhs,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheMin(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheMax(
        address caller,
        bytes32 lhs,
        bytes32 rhs,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheMax(caller, lhs, rhs, scalarByte, result);
    }

    function emitFheNeg(address caller, bytes32 ct, bytes32 result) external {
        emit FheNeg(caller, ct, result);
    }

    function emitFheNot(address caller, bytes32 ct, bytes32 result) external {
        emit FheNot(caller, ct, result);
    }

    function emitVerifyInput(
        address caller,
        bytes32 inputHandle,
        address userAddress,
        bytes calldata inputProof,
        uint8 inputType,
        bytes32 result
    ) external {
        emit VerifyInput(caller, inputHandle, userAddress, inputProof, inputType, result);
    }

    function emitCast(address caller, bytes32 ct, uint8 toType, bytes32 result) external {
        emit Cast(caller, ct, toType, result);
    }

    function emitTrivialEncrypt(address caller, uint256 pt, uint8 toType, bytes32 result) external {
        emit TrivialEncrypt(caller, pt, toType, result);
    }

    function emitFheIfThenElse(
        address caller,
        bytes32 control,
        bytes32 ifTrue,
        bytes32 ifFalse,
        bytes32 result
    ) external {
        emit FheIfThenElse(caller, control, ifTrue, ifFalse, result);
    }

    function emitFheRand(address caller, uint8 randType, bytes16 seed, bytes32 result) external {
        emit FheRand(caller, randType, seed, result);
    }

    function emitFheRandBounded(
        address caller,
        uint256 upperBound,
        uint8 randType,
        bytes16 seed,
        bytes32 result
    ) external {
        emit FheRandBounded(caller, upperBound, randType, seed, result);
    }

    function emitFheSum(address caller, bytes32[] calldata values, bytes32 result) external {
        emit FheSum(caller, values, result);
    }

    function emitFheIsIn(address caller, bytes32 value, bytes32[] calldata values, bytes32 result) external {
        emit FheIsIn(caller, value, values, result);
    }

    function emitFheMulDiv(
        address caller,
        bytes32 factor1,
        bytes32 factor2,
        bytes32 divisor,
        bytes1 scalarByte,
        bytes32 result
    ) external {
        emit FheMulDiv(caller, factor1, factor2, divisor, scalarByte, result);
    }

    function emitAllowed(address caller, address account, bytes32 handle) external {
        emit Allowed(caller, account, handle);
    }

    function emitAllowedForDecryption(address caller, bytes32[] calldata handlesList) external {
        emit AllowedForDecryption(caller, handlesList);
    }

    function emitBlockedAccount(address account) external {
        emit BlockedAccount(account);
    }

    function emitDecryptionSignaturesInvalidated(address account, uint256 beforeTimestamp) external {
        emit DecryptionSignaturesInvalidated(account, beforeTimestamp);
    }

    function emitDelegatedForUserDecryption(
        address delegator,
        address delegate,
        address contractAddress,
        uint64 delegationCounter,
        uint64 oldExpirationDate,
        uint64 newExpirationDate
    ) external {
        emit DelegatedForUserDecryption(delegator, delegate, contractAddress, delegationCounter, oldExpirationDate, newExpirationDate);
    }

    function emitRevokedDelegationForUserDecryption(
        address delegator,
        address delegate,
        address contractAddress,
        uint64 delegationCounter,
        uint64 oldExpirationDate
    ) external {
        emit RevokedDelegationForUserDecryption(delegator, delegate, contractAddress, delegationCounter, oldExpirationDate);
    }

    function emitUnblockedAccount(address account) external {
        emit UnblockedAccount(account);
    }

    function emitActivateCrs(
        uint256 crsId,
        string[] calldata kmsNodeStorageUrls,
        bytes calldata crsDigest
    ) external {
        emit ActivateCrs(crsId, kmsNodeStorageUrls, crsDigest);
    }

    function emitActivateKey(
        uint256 keyId,
        string[] calldata kmsNodeStorageUrls,
        KeyDigest[] calldata keyDigests
    ) external {
        emit ActivateKey(keyId, kmsNodeStorageUrls, keyDigests);
    }

    function emitBridgeHandle(
        address senderDapp,
        bytes32 srcHandle,
        uint64 dstChainId,
        bytes32 guid
    ) external {
        emit BridgeHandle(senderDapp, srcHandle, dstChainId, guid);
    }

    function emitHandleBridged(
        address receiverDapp,
        bytes32 srcHandle,
        bytes32 dstHandle,
        bytes32 guid
    ) external {
        emit HandleBridged(receiverDapp, srcHandle, dstHandle, guid);
    }

    function emitFallbackGrantedPlaintext(bytes32 dstHandle, uint256 plaintext) external {
        emit FallbackGrantedPlaintext(dstHandle, plaintext);
    }
}

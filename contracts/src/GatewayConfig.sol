// SPDX-License-Identifier: BSD-3-Clause-Clear
pragma solidity 0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Coprocessor, HostChain, IGatewayConfig} from "./IGatewayConfig.sol";

/// Who may answer and for which host chains: the development stand-in for the gateway's configuration contract.
contract GatewayConfig is IGatewayConfig, Ownable {
    event UpdateCoprocessors(Coprocessor[] newCoprocessors, uint256 newCoprocessorThreshold);
    event UpdateCoprocessorThreshold(uint256 newCoprocessorThreshold);
    event AddHostChain(HostChain hostChain);
    event DisableHostChain(uint256 indexed chainId);
    event EnableHostChain(uint256 indexed chainId);
    event RemoveHostChain(uint256 indexed chainId);

    error EmptyCoprocessors();
    error InvalidNullCoprocessorThreshold();
    error InvalidHighCoprocessorThreshold(uint256 threshold, uint256 coprocessorCount);
    error CoprocessorTxSenderAlreadyRegistered(address txSender);
    error CoprocessorSignerAlreadyRegistered(address signer);
    error HostChainAlreadyRegistered(uint256 chainId);
    error NullChainId();

    address[] private _txSenders;
    address[] private _signers;
    uint256[] private _chainIds;
    uint256 private _threshold;
    mapping(address txSender => Coprocessor) private _coprocessors;
    mapping(address signer => bool) private _isSigner;
    mapping(uint256 chainId => HostChain) private _hostChains;
    mapping(uint256 chainId => bool) private _isDisabled;

    constructor(address initialOwner) Ownable(initialOwner) {}

    /// Replaces the whole set; a former coprocessor's address can be used again at once.
    function updateCoprocessors(Coprocessor[] calldata newCoprocessors, uint256 newThreshold) external onlyOwner {
        require(newCoprocessors.length > 0, EmptyCoprocessors());
        for (uint256 i = 0; i < _txSenders.length; i++) {
            delete _isSigner[_signers[i]];
            delete _coprocessors[_txSenders[i]];
        }
        delete _txSenders;
        delete _signers;
        for (uint256 i = 0; i < newCoprocessors.length; i++) {
            _register(newCoprocessors[i]);
        }
        _setThreshold(newThreshold);
        emit UpdateCoprocessors(newCoprocessors, newThreshold);
    }

    function updateCoprocessorThreshold(uint256 newThreshold) external onlyOwner {
        _setThreshold(newThreshold);
        emit UpdateCoprocessorThreshold(newThreshold);
    }

    function addHostChain(HostChain calldata hostChain) external onlyOwner {
        uint256 chainId = hostChain.chainId;
        require(chainId != 0, NullChainId());
        require(!isHostChainRegistered(chainId), HostChainAlreadyRegistered(chainId));
        _hostChains[chainId] = hostChain;
        _chainIds.push(chainId);
        emit AddHostChain(hostChain);
    }

    function disableHostChain(uint256 chainId) external onlyOwner {
        require(isHostChainRegistered(chainId), HostChainNotRegistered(chainId));
        _isDisabled[chainId] = true;
        emit DisableHostChain(chainId);
    }

    function enableHostChain(uint256 chainId) external onlyOwner {
        require(isHostChainRegistered(chainId), HostChainNotRegistered(chainId));
        _isDisabled[chainId] = false;
        emit EnableHostChain(chainId);
    }

    function removeHostChain(uint256 chainId) external onlyOwner {
        require(isHostChainRegistered(chainId), HostChainNotRegistered(chainId));
        delete _hostChains[chainId];
        delete _isDisabled[chainId];
        for (uint256 i = 0; i < _chainIds.length; i++) {
            if (_chainIds[i] == chainId) {
                _chainIds[i] = _chainIds[_chainIds.length - 1];
                _chainIds.pop();
                break;
            }
        }
        emit RemoveHostChain(chainId);
    }

    function getCoprocessor(address txSender) external view returns (Coprocessor memory) {
        return _coprocessors[txSender];
    }

    function getCoprocessorTxSenders() external view returns (address[] memory) {
        return _txSenders;
    }

    function getCoprocessorSigners() external view returns (address[] memory) {
        return _signers;
    }

    function getCoprocessorMajorityThreshold() external view returns (uint256) {
        return _threshold;
    }

    function isCoprocessorTxSender(address txSender) external view returns (bool) {
        return _coprocessors[txSender].txSenderAddress != address(0);
    }

    function isCoprocessorSigner(address signer) external view returns (bool) {
        return _isSigner[signer];
    }

    function getHostChains() external view returns (HostChain[] memory chains) {
        chains = new HostChain[](_chainIds.length);
        for (uint256 i = 0; i < _chainIds.length; i++) {
            chains[i] = _hostChains[_chainIds[i]];
        }
    }

    function isHostChainRegistered(uint256 chainId) public view returns (bool) {
        return chainId != 0 && _hostChains[chainId].chainId == chainId;
    }

    function isHostChainDisabled(uint256 chainId) external view returns (bool) {
        return _isDisabled[chainId];
    }

    function getVersion() external pure returns (string memory) {
        return "GatewayConfig v0.8.0";
    }

    function _register(Coprocessor calldata coprocessor) private {
        address txSender = coprocessor.txSenderAddress;
        address signer = coprocessor.signerAddress;
        require(_coprocessors[txSender].txSenderAddress == address(0), CoprocessorTxSenderAlreadyRegistered(txSender));
        require(!_isSigner[signer], CoprocessorSignerAlreadyRegistered(signer));
        _coprocessors[txSender] = coprocessor;
        _isSigner[signer] = true;
        _txSenders.push(txSender);
        _signers.push(signer);
    }

    function _setThreshold(uint256 newThreshold) private {
        require(newThreshold > 0, InvalidNullCoprocessorThreshold());
        uint256 count = _txSenders.length;
        require(newThreshold <= count, InvalidHighCoprocessorThreshold(newThreshold, count));
        _threshold = newThreshold;
    }
}

// SPDX-License-Identifier: BSD-3-Clause-Clear
pragma solidity 0.8.28;

import {CoprocessorConfig} from "@fhevm/solidity/lib/Impl.sol";
import {FHE, euint64, externalEuint64} from "@fhevm/solidity/lib/FHE.sol";
import {ERC7984} from "@openzeppelin/confidential-contracts/token/ERC7984/ERC7984.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

/// The demonstration's confidential token. The protocol's addresses are arguments: any chain can carry it.
contract ConfidentialToken is ERC7984, Ownable {
    constructor(
        string memory name_,
        string memory symbol_,
        CoprocessorConfig memory protocol,
        address initialOwner
    ) ERC7984(name_, symbol_, "") Ownable(initialOwner) {
        FHE.setCoprocessor(protocol);
    }

    /// The amount is public: it enters as a trivial encryption.
    function mint(address to, uint64 amount) external onlyOwner returns (euint64) {
        return _mint(to, FHE.asEuint64(amount));
    }

    function mintEncrypted(
        address to,
        externalEuint64 encryptedAmount,
        bytes calldata inputProof
    ) external onlyOwner returns (euint64) {
        return _mint(to, FHE.fromExternal(encryptedAmount, inputProof));
    }

    function burn(address from, uint64 amount) external onlyOwner returns (euint64) {
        return _burn(from, FHE.asEuint64(amount));
    }
}

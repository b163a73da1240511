"""The public names, and what they say about this machine."""

import cipherstream_kernel as kernel


def test_public_names() -> None:
    assert sorted(name for name in vars(kernel) if name[0] != "_" and name != "cipherstream_kernel") == [
        "BootstrapKey",
        "KeyswitchKey",
        "PackingKey",
        "ReRandomisingKey",
        "SquashingKey",
        "VERSION",
        "WidePackingKey",
        "instruction_set",
        "instruction_sets",
        "keyswitch_bootstrap",
        "modulus_switch",
    ]


def test_the_fastest_instruction_set_comes_first() -> None:
    names = kernel.instruction_sets()
    assert names[0] == kernel.instruction_set()
    assert names == [name for name in ("avx512", "avx2", "scalar") if name in names]
    assert names[-1] == "scalar"

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.oprf import (
    ELEMENT_BYTES,
    MAX_FIELD_BYTES,
    Mode,
    OprfError,
    blind,
    blind_evaluate,
    blind_evaluate_batch,
    derive_key_pair,
    evaluate,
    finalize,
    finalize_verified,
    generate_proof,
    public_key,
    verify_proof,
)

VECTORS = Path(__file__).resolve().parents[2] / ".." / "shared" / "facts" / "oprf_vectors.json"
ORDER = 2**252 + 27742317777372353535851937790883648493
IDENTITY = bytes(32)
# RFC 9496 appendix A.3: encodings that decoding must refuse.
BAD_ENCODINGS = (
    "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0100000000000000000000000000000000000000000000000000000000000000",
)
FEW = settings(max_examples=40, deadline=None)

seeds = st.binary(min_size=32, max_size=32)
inputs = st.binary(max_size=200)
modes = st.sampled_from(Mode)


@pytest.fixture(scope="module")
def vectors():
    if not VECTORS.exists():
        pytest.skip(f"official vectors are not at {VECTORS}")
    return json.loads(VECTORS.read_text())


def h(text):
    return bytes.fromhex(text)


@pytest.mark.parametrize("mode", Mode)
def test_official_vectors(vectors, mode):
    part = vectors[mode.name.lower()]
    assert part["mode"] == mode
    keys = derive_key_pair(h(vectors["seed"]), h(vectors["key_info"]), mode)
    assert keys.secret == h(part["skSm"])
    if "pkSm" in part:
        assert keys.public == h(part["pkSm"])
    assert part["vectors"]
    for vector in part["vectors"]:
        value = h(vector["input"])
        sent = blind(value, mode, scalar=h(vector["blind"]))
        assert sent.element == h(vector["blinded_element"])
        got = blind_evaluate(keys.secret, sent.element)
        assert got == h(vector["evaluation_element"])
        assert finalize(value, sent.blind, got) == h(vector["output"])
        assert evaluate(keys.secret, value, mode) == h(vector["output"])
        if mode is Mode.VOPRF:
            proof = generate_proof(keys, [sent.element], [got], scalar=h(vector["proof_random_scalar"]))
            assert proof == h(vector["proof"])
            verify_proof(keys.public, [sent.element], [got], proof)


def test_official_batch_vector():
    """RFC 9497 appendix A.1.2.3 (batch of two), which the facts file leaves out."""
    keys = derive_key_pair(b"\xa3" * 32, b"test key", Mode.VOPRF)
    values = [b"\x00", b"\x5a" * 17]
    scalars = [
        "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706",
        "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
    ]
    sent = [blind(value, Mode.VOPRF, scalar=h(s)) for value, s in zip(values, scalars, strict=True)]
    elements = [item.element for item in sent]
    assert elements == [
        h("863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945"),
        h("90a0145ea9da29254c3a56be4fe185465ebb3bf2a1801f7124bbbadac751e654"),
    ]
    evaluated = [blind_evaluate(keys.secret, element) for element in elements]
    assert evaluated == [
        h("aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e"),
        h("cc5ac221950a49ceaa73c8db41b82c20372a4c8d63e5dded2db920b7eee36a2a"),
    ]
    nonce = h("419c4f4f5052c53c45f3da494d2b67b220d02118e0857cdbcf037f9ea84bbe0c")
    proof = generate_proof(keys, elements, evaluated, scalar=nonce)
    assert proof == h(
        "cc203910175d786927eeb44ea847328047892ddf8590e723c37205cb74600b0a"
        "5ab5337c8eb4ceae0494c2cf89529dcf94572ed267473d567aeed6ab873dee08"
    )
    assert finalize_verified(values, sent, evaluated, proof, keys.public) == [
        h(
            "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7d"
            "a4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c"
        ),
        h(
            "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60"
            "356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6"
        ),
    ]


@FEW
@given(seeds, inputs, modes)
def test_blind_route_equals_direct_evaluation(seed, value, mode):
    keys = derive_key_pair(seed, b"", mode)
    one, two = blind(value, mode), blind(value, mode)
    assert one.element != two.element  # the server cannot tell that it saw the same input
    direct = evaluate(keys.secret, value, mode)
    for sent in (one, two):
        assert finalize(value, sent.blind, blind_evaluate(keys.secret, sent.element)) == direct


@FEW
@given(seeds, seeds, inputs, inputs)
def test_outputs_differ_by_key_input_and_mode(seed, other_seed, value, other):
    keys = derive_key_pair(seed)
    base = evaluate(keys.secret, value)
    assert evaluate(keys.secret, value, Mode.VOPRF) != base
    if other != value:
        assert evaluate(keys.secret, other) != base
    if other_seed != seed:
        assert evaluate(derive_key_pair(other_seed).secret, value) != base
    assert derive_key_pair(seed, b"another purpose").secret != keys.secret


@FEW
@given(seeds, st.lists(inputs, min_size=1, max_size=6))
def test_a_verified_batch_gives_the_direct_outputs(seed, values):
    keys = derive_key_pair(seed, b"", Mode.VOPRF)
    sent = [blind(value, Mode.VOPRF) for value in values]
    evaluated, proof = blind_evaluate_batch(keys, [item.element for item in sent])
    assert finalize_verified(values, sent, evaluated, proof, keys.public) == [
        evaluate(keys.secret, value, Mode.VOPRF) for value in values
    ]


@FEW
@given(seeds, st.integers(2, 5), st.data())
def test_a_tampered_batch_is_refused(seed, size, data):
    keys = derive_key_pair(seed, b"", Mode.VOPRF)
    elements = [blind(bytes((n,)), Mode.VOPRF).element for n in range(size)]
    evaluated, proof = blind_evaluate_batch(keys, elements)
    at = data.draw(st.integers(0, size - 1))
    stranger = blind(b"stranger").element

    def refused(public, sent, got, claimed):
        with pytest.raises(OprfError) as caught:
            verify_proof(public, sent, got, claimed)
        return caught.value.code

    swapped = [*evaluated[1:], evaluated[0]]
    forged = [stranger if n == at else element for n, element in enumerate(evaluated)]
    replaced = [stranger if n == at else element for n, element in enumerate(elements)]
    assert refused(keys.public, elements, swapped, proof) == "proof_refused"
    assert refused(keys.public, elements, forged, proof) == "proof_refused"
    assert refused(keys.public, replaced, evaluated, proof) == "proof_refused"
    assert refused(keys.public, elements[:-1], evaluated[:-1], proof) == "proof_refused"
    assert refused(public_key((7).to_bytes(32, "little")), elements, evaluated, proof) == "proof_refused"
    bit = data.draw(st.integers(0, 8 * len(proof) - 1))
    flipped = bytearray(proof)
    flipped[bit // 8] ^= 1 << bit % 8
    assert refused(keys.public, elements, evaluated, bytes(flipped)) in {"proof_refused", "proof_invalid"}


@FEW
@given(seeds, seeds)
def test_one_item_under_another_key_spoils_the_proof(seed, other_seed):
    """A server must not mark one person by evaluating them under a key of their own."""
    keys, others = derive_key_pair(seed, b"a", Mode.VOPRF), derive_key_pair(other_seed, b"b", Mode.VOPRF)
    elements = [blind(bytes((n,)), Mode.VOPRF).element for n in range(3)]
    evaluated = [blind_evaluate(keys.secret, element) for element in elements[:2]]
    evaluated.append(blind_evaluate(others.secret, elements[2]))
    with pytest.raises(OprfError, match="proof_refused"):
        verify_proof(keys.public, elements, evaluated, generate_proof(keys, elements, evaluated))


@pytest.mark.parametrize(
    ("element", "code"),
    [
        (IDENTITY, "element_identity"),
        (b"", "element_invalid"),
        (b"\x01" * (ELEMENT_BYTES - 1), "element_invalid"),
        (b"\x02" * (ELEMENT_BYTES + 1), "element_invalid"),
        *((h(text), "element_invalid") for text in BAD_ENCODINGS),
    ],
)
def test_bad_elements_are_refused_at_every_door(element, code):
    keys = derive_key_pair(b"s" * 32, b"", Mode.VOPRF)
    good = blind(b"x", Mode.VOPRF)
    got, proof = blind_evaluate_batch(keys, [good.element])
    calls = [
        lambda: blind_evaluate(keys.secret, element),
        lambda: finalize(b"x", good.blind, element),
        lambda: blind_evaluate_batch(keys, [good.element, element]),
        lambda: generate_proof(keys, [element], got),
        lambda: generate_proof(keys, [good.element], [element]),
        lambda: verify_proof(keys.public, [element], got, proof),
        lambda: verify_proof(keys.public, [good.element], [element], proof),
        lambda: verify_proof(element, [good.element], got, proof),
    ]
    for call in calls:
        with pytest.raises(OprfError) as caught:
            call()
        assert caught.value.code == code


@pytest.mark.parametrize(
    "scalar",
    [bytes(32), ORDER.to_bytes(32, "little"), b"\xff" * 32, b"\x01" * 31, b""],
    ids=["zero", "order", "ones", "short", "empty"],
)
def test_bad_scalars_are_refused(scalar):
    element = blind(b"x").element
    for call, code in [
        (lambda: public_key(scalar), "key_invalid"),
        (lambda: evaluate(scalar, b"x"), "key_invalid"),
        (lambda: blind_evaluate(scalar, element), "key_invalid"),
        (lambda: blind(b"x", scalar=scalar), "scalar_invalid"),
        (lambda: finalize(b"x", scalar, element), "scalar_invalid"),
    ]:
        with pytest.raises(OprfError) as caught:
            call()
        assert caught.value.code == code


def test_bounds():
    keys = derive_key_pair(b"s" * 32)
    longest = bytes(MAX_FIELD_BYTES)
    assert len(evaluate(keys.secret, longest)) == 64
    for call in (
        lambda: evaluate(keys.secret, longest + b"\x00"),
        lambda: blind(longest + b"\x00"),
        lambda: derive_key_pair(b"s" * 32, longest + b"\x00"),
    ):
        with pytest.raises(OprfError, match="input_too_long"):
            call()
    with pytest.raises(OprfError, match="key_invalid"):
        derive_key_pair(b"s" * 31)
    element = blind(b"x").element
    for sent, got in ([], []), ([element], []), ([element], [element] * 2):
        with pytest.raises(OprfError, match="batch_invalid"):
            verify_proof(keys.public, sent, got, bytes(64))
    with pytest.raises(OprfError, match="batch_invalid"):
        blind_evaluate_batch(keys, [])
    for proof in (b"", bytes(63), bytes(65), b"\xff" * 64):
        with pytest.raises(OprfError, match="proof_invalid"):
            verify_proof(keys.public, [element], [element], proof)
    with pytest.raises(OprfError, match="proof_refused"):
        verify_proof(keys.public, [element], [element], bytes(64))


def test_secrets_are_not_in_a_repr():
    keys = derive_key_pair(b"s" * 32)
    sent = blind(b"x")
    assert repr(keys.secret) not in repr(keys)
    assert repr(sent.blind) not in repr(sent)

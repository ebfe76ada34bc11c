"""What is made of a token, and what of it may be seen."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dffmpeg.wire import joining

TOKEN = "join-" + "a" * 43


def test_it_is_hkdf_with_a_name_for_each_use() -> None:
    def expected(info: bytes) -> bytes:
        return HKDF(SHA256(), 32, b"dffmpeg: join tokens, v1", info).derive(TOKEN.encode())

    verifier = joining.verifier_of(TOKEN)
    assert joining.key_of(verifier, "w1") == expected(b"key\0w1")
    assert joining.request_proof(verifier, "w1") == expected(b"request\0w1").hex()
    assert joining.reply_proof(verifier, "w1", "worker") == expected(b"reply\0w1\0worker").hex()


def test_no_two_are_the_same() -> None:
    verifiers = [joining.verifier_of(token) for token in (TOKEN, joining.new_token())]
    made = {
        text
        for verifier in verifiers
        for name in ("w1", "w2")
        for text in (
            joining.key_of(verifier, name).hex(),
            joining.request_proof(verifier, name),
            joining.reply_proof(verifier, name, "worker"),
        )
    }
    assert len(made) == 12


def test_tokens_look_like_tokens() -> None:
    made = {joining.new_token() for _ in range(1000)}
    assert len(made) == 1000
    assert all(joining.is_token(token) for token in made)
    for text in ("", "join-", TOKEN + "a", TOKEN + "\n", "x" + TOKEN[1:], TOKEN[:-1] + "\xe9", "-"):
        assert not joining.is_token(text)

"""Names of entries within one issuance: keyed, and of no use in any other."""

import hashlib
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_KEY_BYTES = 32


class Pseudonyms:
    """Keys and salts of an issuance's entries, under the deployment's secret.

    A key is the entry's id, 16 bytes, enciphered as one block of AES: without the secret it tells nothing, no two
    entries share one, and with the secret it leads back. Ids stand one after the other, and so do keys and salts.
    """

    def __init__(self, secret: bytes, issuance_id: UUID) -> None:
        derived = hashlib.blake2b(issuance_id.bytes, key=secret, person=b"tph entry proofs").digest()
        # Every block is another id and is enciphered by itself: a permutation, which is what ECB is.
        self._names = Cipher(algorithms.AES(derived[:_KEY_BYTES]), modes.ECB())  # noqa: S305
        self._salts = Cipher(algorithms.AES(derived[_KEY_BYTES:]), modes.ECB())  # noqa: S305

    def keys(self, ids: bytes) -> bytes:
        """The keys of entry ids."""
        return self._names.encryptor().update(ids)

    def ids(self, keys: bytes) -> bytes:
        """The entry ids of keys."""
        return self._names.decryptor().update(keys)

    def salts(self, ids: bytes) -> bytes:
        """What hides the entry ids within their leaves."""
        return self._salts.encryptor().update(ids)

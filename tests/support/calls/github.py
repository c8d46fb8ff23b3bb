"""GitHub's side of its secret scanning partner programme, with our own keys."""

import json
from base64 import b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Signer:
    """Plays GitHub: has a key, publishes its public half, and signs reports."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.identifier = "f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d"

    def document(self) -> str:
        pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        old = Signer.pem_of(ec.generate_private_key(ec.SECP256R1()))
        keys = [("0" * 64, old, False), (self.identifier, pem, True)]
        return json.dumps({"public_keys": [{"key_identifier": i, "key": k, "is_current": c} for i, k, c in keys]})

    @staticmethod
    def pem_of(key: Any) -> str:
        return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())

    def headers(self, body: bytes) -> dict[str, str]:
        signature = b64encode(self.key.sign(body, ec.ECDSA(SHA256()))).decode()
        return {"Github-Public-Key-Identifier": self.identifier, "Github-Public-Key-Signature": signature}


# The keys that `without_database`, the shared server whose database is away, takes for GitHub's.
SIGNER = Signer()

"""Passkeys as browsers register them."""

from hashlib import sha256

from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

from accounts.models import User


def add_passkey(person: User) -> Authenticator:
    """A passkey as a browser registers it. Nobody has its private key."""
    key = ES256.from_cryptography_key(generate_private_key(SECP256R1()).public_key())
    attested = AttestedCredentialData.create(bytes(16), b"a passkey's id", key)
    flags = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.AT
    attestation = AttestationObject.create(
        "none", AuthenticatorData.create(sha256(b"testserver").digest(), flags, 0, attested), {}
    )
    client_data = CollectedClientData.create("webauthn.create", b"challenge", "https://testserver")
    response = {"clientDataJSON": websafe_encode(client_data), "attestationObject": websafe_encode(attestation)}
    credential_id = websafe_encode(b"a passkey's id")
    credential = {"id": credential_id, "rawId": credential_id, "type": "public-key", "response": response}
    passkey: Authenticator = Authenticator.objects.create(
        user=person, type=Authenticator.Type.WEBAUTHN, data={"name": "Laptop", "credential": credential}
    )
    return passkey

"""Opens the test vector of docs/reference/session-envelope.md with an implementation of its own.

Called with the path of the document; prints the subject and the data, a line each, or ends with a message.
"""

import hashlib
import re
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

TOKEN = b"0a1bAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
NAMESPACE = b"shop"
MASTER = bytes(range(1, 33))


def derive(salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt or None, info=info).derive(MASTER)


def open_envelope(envelope: bytes, place: bytes) -> bytes:
    if envelope[:4] != bytes([1, 1, 1, 0]):
        raise ValueError("no session of version 1")
    if envelope[4:12] != derive(b"", b"squire key id 1", 8):
        raise ValueError("another key")
    subkey = derive(envelope[12:28], b"squire session 1", 32)
    return AESGCM(subkey).decrypt(envelope[28:40], envelope[104:], envelope[:96] + place)


def main() -> None:
    text = open(sys.argv[1], encoding="utf-8").read()
    envelope = bytes.fromhex(re.search(r"```hex\n(.*?)```", text, re.DOTALL).group(1))
    place = hashlib.sha256(TOKEN).digest() + bytes([len(NAMESPACE)]) + NAMESPACE
    plaintext = open_envelope(envelope, place)
    length = int.from_bytes(plaintext[:4], "big")
    print(plaintext[4 : 4 + length].decode())
    print(plaintext[4 + length :].decode())
    for position in range(len(envelope)):
        forged = bytearray(envelope)
        forged[position] ^= 1
        try:
            open_envelope(bytes(forged), place)
        except (InvalidTag, ValueError):
            continue
        # When the session was used is written anew without a key.
        if not 96 <= position < 104:
            sys.exit(f"a change of byte {position} was not noticed")


if __name__ == "__main__":
    main()

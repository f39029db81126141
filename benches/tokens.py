"""Tokens by the thousand: made here and written into the database of a server that does not run.

Creating one over the API costs an argon2, 25 ms. Here the durable proof is a dummy, and the fast one is made with the
key of the installation, as the server itself would make it: checks never look further.
"""

import base64
import hashlib
import hmac
import itertools
import os
import pathlib
import random
import sqlite3
import string
import time
import zlib

DATABASE = "data/demo/hallpass.db"
SECRET_KEY = "data/demo/secret.key"
DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
PHC = f"$argon2id$v=19$m=19456,t=2,p=1${'A' * 22}${'A' * 43}"
SCOPES = "read:reports read:users"
LIFETIME = 90 * 24 * 3600 * 1_000_000
BATCH = 10_000


def text(length):
    return "".join(random.choices(DIGITS, k=length))


def sealed(covered):
    """With its checksum: CRC-32 as six base-62 digits."""
    crc, digits = zlib.crc32(covered.encode()), ""
    for _ in range(6):
        crc, digit = divmod(crc, len(DIGITS))
        digits = DIGITS[digit] + digits
    return covered + digits


def make():
    return sealed(f"hpat_{text(16)}_{text(43)}")


def guesses(count):
    """Well-formed tokens of different ids. Their secret is one: nobody gets to see it before the id is found."""
    secret = text(43)
    return (sealed(f"hpat_{text(16)}_{secret}") for _ in range(count))


def with_wrong_shape(token):
    return token[:-1] + "!"


def with_wrong_checksum(token):
    return token[:-1] + ("0" if token[-1] != "0" else "1")


def with_wrong_secret(token):
    return sealed(f"{token[:22]}{text(43)}")


class Proofs:
    """The fast proof under the keys derived from secret_key (HKDF-SHA-256, RFC 5869)."""

    def __init__(self, folder):
        secret_key = base64.b64decode((pathlib.Path(folder) / SECRET_KEY).read_text())
        extracted = hmac.digest(bytes(32), secret_key, "sha256")
        expand = lambda info: hmac.digest(extracted, info + b"\x01", "sha256")
        self.key_id = expand(b"hallpass/key-id/v1")[:8].hex()
        self.mac = hmac.new(expand(b"hallpass/token-proof/v1"), digestmod=hashlib.sha256)

    def of(self, token):
        mac = self.mac.copy()
        mac.update(token.encode())
        return mac.digest()


def insert(folder, tokens):
    """Writes tokens of the first user into the database: good ones, checked by the server without argon2."""
    proofs = Proofs(folder)
    write(folder, proofs.key_id, ((token[5:21], proofs.of(token)) for token in tokens))


def insert_strangers(folder, count):
    """Writes rows of tokens that nobody presents; their fast proofs are dummies."""
    write(folder, Proofs(folder).key_id, ((text(16), random.randbytes(32)) for _ in range(count)))


def write(folder, key_id, secrets):
    connection = sqlite3.connect(pathlib.Path(folder) / DATABASE, isolation_level=None)
    # Made for one run and thrown away: nothing of it has to survive a power cut.
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -500000; BEGIN")
    owner = connection.execute("SELECT id FROM users LIMIT 1").fetchone()[0]
    now = time.time_ns() // 1000
    while batch := list(itertools.islice(secrets, BATCH)):
        ids = [random.randbytes(16) for _ in batch]
        connection.executemany(
            "INSERT INTO tokens (id, owner_id, name, description, scopes, allowed_ips, created_at)"
            " VALUES (?, ?, 'bench', '', ?, '[]', ?)",
            ((id, owner, SCOPES, now) for id in ids))
        connection.executemany(
            "INSERT INTO secrets (id, token_id, state, created_at, expires_at, phc, hmac, hmac_key_id)"
            " VALUES (?, ?, 'active', ?, ?, ?, ?, ?)",
            ((name, id, now, now + LIFETIME, PHC, proof, key_id) for id, (name, proof) in zip(ids, batch)))
    connection.execute("COMMIT")
    connection.close()
    # What is still on its way to the disk would slow the first reads down.
    os.sync()

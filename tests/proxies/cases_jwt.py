"""What must hold where the JWT is verified that a proxy got in exchange for a token."""

import base64
import json

from cases import aliases, allow, big_cookies, body, head, hop_by_hop, spoofed
from expect import bearer, check, check_allowed, check_refused
from hallpass import AUDIENCE
from wire import Connection


def issued_jwt(stage, audience=AUDIENCE):
    """The value of `Authorization` that Hallpass has for the API."""
    with Connection(stage.hallpass.port) as connection:
        answer = connection.send("GET", f"/check?audience={audience}", [bearer(stage.token["secret"])])
    check(answer.status == 200, "Hallpass answers", answer.status)
    return answer.header("Authorization")


def no_jwt(stage, proxy, client):
    """Without a JWT, with the token itself, or with something else: 401."""
    for headers in ([], [bearer(stage.token["secret"])], [bearer("nonsense")], [("Authorization", "Basic Og==")]):
        check_refused(client, client.send(headers=headers), 401)
    jwt = issued_jwt(stage).removeprefix("Bearer ")
    check_refused(client, client.send(target=f"/users?access_token={jwt}"), 401)


def changed_jwt(stage, proxy, client):
    """A JWT with other claims, another signature or none."""
    header, claims, signature = issued_jwt(stage).removeprefix("Bearer ").split(".")
    other = encode(decode(claims) | {"scope": "admin:all"})
    unsigned = encode(decode(header) | {"alg": "none"})
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    for parts in ((header, other, signature), (header, claims, flipped), (unsigned, claims, ""), (header, claims, "")):
        check_refused(client, client.send(headers=[bearer(".".join(parts))]), 401)


def other_audience(stage, proxy, client):
    """A JWT for another API is none for this one."""
    answer = client.send(headers=[("Authorization", issued_jwt(stage, "hallpass"))])
    check_refused(client, answer, 403)


def without_hallpass(stage, proxy, client):
    """The keys are there: a JWT is good although Hallpass does not answer just now."""
    good = client.good
    stage.relay.refuse()
    check_allowed(stage, proxy, client, client.send(headers=[good]))


def decode(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def encode(claims):
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


JWT_CASES = (allow, no_jwt, changed_jwt, other_audience, spoofed, aliases, hop_by_hop, body, head, big_cookies,
             without_hallpass)

"""Who asks in the cases, and what may come of it."""

import base64
import json
import time

from hallpass import AUDIENCE
from wire import Connection

#: Another's identity, as a client would forge it.
FORGED = "forged-by-the-client"
FORGERY_ARRIVED = "forged headers reached the API:"


class Client:
    """Sends requests to one proxy from an address of its own, and looks up what arrived at the API."""

    numbers = iter(range(1, 60_000))

    def __init__(self, stage, proxy):
        self.stage, self.proxy = stage, proxy
        self.port = proxy.port
        self.number = next(self.numbers)
        self.address = f"127.{20 + self.number // 250 % 200}.{1 + self.number % 250}.7"
        self.key = f"{proxy.name}-{self.number}"

    def send(self, method="GET", target="/users", headers=(), **more):
        with Connection(self.port, self.address, more.pop("timeout", 5)) as connection:
            return connection.send(method, target, [("X-Case", self.key), *headers], **more)

    @property
    def good(self):
        """A good credential for this proxy."""
        return self.proxy.credential()

    def arrived(self):
        """Requests that reached the API."""
        return self.stage.echo.received[self.key]


def bearer(secret):
    return ("Authorization", f"Bearer {secret}")


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(part) for part in what))


def check_refused(client, answer, status, challenge=None, retry=False):
    check(answer.status == status, f"expected {status}, got", answer.status, answer.headers)
    check(not client.arrived(), f"{status}, but the request reached the API")
    if challenge is not None and client.proxy.relays_challenges:
        check(answer.header("WWW-Authenticate") == challenge, "WWW-Authenticate is", answer.values("WWW-Authenticate"))
    if retry and client.proxy.says_when:
        check(answer.header("Retry-After").isdigit(), "Retry-After is", answer.values("Retry-After"))
    check(not [name for name, _ in answer.headers if name.lower().startswith("x-auth-")], "identity in a refusal")


def check_allowed(stage, proxy, client, answer, token=None):
    """The API saw each identity header once, with the value of the token's owner, and the token nowhere."""
    token = token or stage.token
    check(answer.status == 200, "expected 200, got", answer.status, answer.headers, answer.body[:200])
    check(len(client.arrived()) == 1, "the API got", len(client.arrived()), "requests")
    seen = client.arrived()[0]
    check_no_secret(seen, token["secret"])
    found = {}
    for name, value in seen["headers"]:
        found.setdefault(name.lower(), []).append(value)
    identity = {name for name in found if looks_like_identity(name)}
    check(identity == set(proxy.identity), "identity headers are", sorted(identity))
    check("x-api-key" not in found, "the header for the token reached the API")
    for name, value in expected(stage, proxy, token).items():
        check(found[name] == [value], f"{name} is", found[name], "and not", value)
    if "authorization" in proxy.identity:
        check_jwt(stage, found["authorization"], token)
    return seen


def check_clean(stage, proxy, client, answer):
    """Passed on without what was forged."""
    forged = [name for seen in client.arrived() for name, value in seen["headers"] if FORGED in value]
    check(not forged, FORGERY_ARRIVED, forged)
    check_allowed(stage, proxy, client, answer)


def looks_like_identity(name):
    """Also in other spellings: what is no letter and no digit is one and the same to many frameworks."""
    plain = "".join(char if char.isalnum() else "-" for char in name.lower())
    return plain.startswith("x-auth-") or plain == "authorization"


def expected(stage, proxy, token):
    me, of_token = stage.me, token["token"]
    values = {
        "x-auth-subject": me["id"], "x-auth-user": me["username"], "x-auth-email": me["email"],
        "x-auth-roles": ",".join(me["roles"]), "x-auth-scopes": " ".join(of_token["scopes"]),
        "x-auth-token-id": of_token["id"], "x-auth-method": "pat", "x-auth-expires": of_token["expires_at"],
        "x-auth-truncated": "-",
    }
    return {name: value for name, value in values.items() if name in proxy.identity}


def check_no_secret(seen, secret):
    text = json.dumps(seen)
    check(secret not in text, "the token reached the API")
    basic = [base64.b64encode(pair.encode()).decode() for pair in (f"me:{secret}", f"{secret}:", f":{secret}")]
    check(not any(pair in text for pair in basic), "the token reached the API in base64")


def check_jwt(stage, values, token):
    """One JWT, for the audience of the proxy's configuration. (Its signature is another proxy's case.)"""
    check(len(values) == 1 and values[0].startswith("Bearer ey"), "Authorization is", values)
    head, claims, _ = values[0].removeprefix("Bearer ").split(".")
    head, claims = decode(head), decode(claims)
    check(head["typ"] == "at+jwt", "typ is", head["typ"])
    wanted = {"iss": stage.hallpass.url, "sub": stage.me["id"], "aud": AUDIENCE, "token_id": token["token"]["id"]}
    for name, value in wanted.items():
        check(claims[name] in (value, [value]), f"{name} is", claims[name], "and not", value)
    check(0 < claims["exp"] - time.time() <= 61, "it expires in", claims["exp"] - time.time(), "s")


def decode(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))

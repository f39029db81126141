"""What must hold behind every proxy. Each function is a case; its name and first line say what it is about."""

import base64
import time

from expect import FORGED, Client, bearer, check, check_allowed, check_clean, check_refused
from hallpass import FAILURES_PER_MINUTE, SCOPE
from programs import IDENTITY
from wire import Connection


def allow(stage, proxy, client):
    """A good token: our identity headers, a JWT in place of the token."""
    answer = client.send(headers=[client.good])
    seen = check_allowed(stage, proxy, client, answer)
    check((seen["method"], seen["target"]) == ("GET", "/users"), "the API got", seen["method"], seen["target"])
    check(answer.json() == seen, "the client did not get the API's answer")


def basic(stage, proxy, client):
    """The token as a password."""
    pair = base64.b64encode(f"me:{stage.token['secret']}".encode()).decode()
    check_allowed(stage, proxy, client, client.send(headers=[("authorization", f"basic {pair}")]))


def own_header(stage, proxy, client):
    """The token in the header of check.identity_header."""
    check_allowed(stage, proxy, client, client.send(headers=[("X-API-Key", stage.token["secret"])]))


def no_credential(stage, proxy, client):
    """401 and where to look, for every method; no login page."""
    accept = "*/*" if proxy.browsers else "text/html"
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        answer = client.send(method, headers=[("Accept", accept), ("Cookie", "hallpass=x")])
        check_refused(client, answer, 401, challenge='Bearer realm="hallpass"')
        check(not answer.header("Location"), "a redirect")


def bad_token(stage, proxy, client):
    """Credentials that are none."""
    secret = stage.token["secret"]
    for value in (secret[:-1] + ("0" if secret[-1] != "0" else "1"), "nonsense", f"{secret} {secret}"):
        answer = client.send(headers=[bearer(value)])
        check_refused(client, answer, 401, challenge='Bearer realm="hallpass", error="invalid_token"')
    check(not proxy.relays_problems or answer.json()["status"] == 401, "the problem is not relayed")


def missing_scope(stage, proxy, client):
    """403, and which scope is missing."""
    answer = client.send(headers=[bearer(stage.reports["secret"])])
    challenge = f'Bearer realm="hallpass", error="insufficient_scope", scope="{SCOPE}"'
    check_refused(client, answer, 403, challenge=challenge)


def revoked(stage, proxy, client):
    """A token is refused from the moment its revocation was answered."""
    token = stage.hallpass.portal.create_token(client.key)
    check_allowed(stage, proxy, client, client.send(headers=[bearer(token["secret"])]), token=token)
    client.arrived().clear()
    stage.hallpass.portal.revoke(token)
    check_refused(client, client.send(headers=[bearer(token["secret"])]), 401)


def spoofed(stage, proxy, client):
    """Forged identity headers, in any case and twice, never reach the API."""
    for spelling in (str, str.lower, str.upper):
        client.arrived().clear()
        forged = [(spelling(name), FORGED) for name in IDENTITY[1:]]
        forged = forged + [(spelling("X-Auth-User"), "")] + forged
        answer = client.send(headers=[*forged, client.good])
        check_clean(stage, proxy, client, answer)


def aliases(stage, proxy, client):
    """Nor do they in spellings that a framework takes for the same name."""
    for name in ("X_Auth_User", "X-Auth_User", "X_Auth-User", "x_auth_subject", "X.Auth.User", "X.Auth-Roles",
                 "X-Auth.Scopes", "X!Auth!User", "X~AUTH~USER", "X|Auth|Roles", "X_Auth_Truncated"):
        client.arrived().clear()
        answer = client.send(headers=[(name, FORGED), client.good])
        if not (proxy.refuses_aliases and answer.status == 400 and not client.arrived()):
            check_clean(stage, proxy, client, answer)


def hop_by_hop(stage, proxy, client):
    """A client cannot name our headers in `Connection` and so have them taken out."""
    for names in ("X-Auth-User", "close, x-auth-subject, X-Auth-Roles", "keep-alive, X-Auth-User",
                  "upgrade, X-Auth-User"):
        client.arrived().clear()
        check_allowed(stage, proxy, client, client.send(headers=[("Connection", names), client.good]))
    for names in ("Authorization", "X-Forwarded-For", "X-API-Key"):
        client.arrived().clear()
        answer = client.send(headers=[("Connection", names), client.good])
        # To some it is a bad request, and taking out its own token is the client's loss.
        if answer.status not in (400, 401) or client.arrived():
            check_allowed(stage, proxy, client, answer)


def requirements(stage, proxy, client):
    """A client cannot choose what is required of it."""
    weak = "scope=read:reports&audience=hallpass"
    headers = [("X-Check-Scope", "read:reports"), ("X-Check-Role", "staff"), ("X-Check-Audience", "hallpass"),
               ("X-Original-URI", f"/check?{weak}"), ("X-Original-URL", f"http://a/check?{weak}"),
               ("X-Forwarded-Uri", f"/?{weak}"), ("X-Forwarded-Method", "OPTIONS")]
    for target in (f"/users?{weak}", "/check", "/healthz", f"/check/nginx?{weak}", f"/..;/check?{weak}", "//healthz",
                   f"/../../check?{weak}", "/%2e%2e/%2e%2e/healthz", "/users/..%2f..%2f..%2fhealthz"):
        answer = client.send(target=target, headers=[*headers, bearer(stage.reports["secret"])])
        # Some proxies refuse a strange path by themselves.
        check(answer.status in (400, 403, 404) and not client.arrived(), target, "is answered", answer.status)
        answer = client.send(target=target, headers=headers)
        check(answer.status in (400, 401, 404) and not client.arrived(), target, "without a token:", answer.status)
    answer = client.send(target=f"/users?{weak}", headers=[*headers, client.good])
    seen = check_allowed(stage, proxy, client, answer)
    check(seen["target"] == f"/users?{weak}", "the API got", seen["target"])


def client_address(stage, proxy, client):
    """Hallpass sees the client's own address, whatever the client writes into X-Forwarded-For."""
    networks = [f"{client.address}/32"]
    token = stage.hallpass.portal.create_token(client.key, allowed_ips=networks)
    check_allowed(stage, proxy, client, client.send(headers=[bearer(token["secret"])]), token=token)
    elsewhere = Client(stage, proxy)
    forged = [("X-Forwarded-For", client.address), ("Forwarded", f"for={client.address}"),
              ("X-Real-IP", client.address), ("X-Envoy-External-Address", client.address)]
    answer = elsewhere.send(headers=[*forged, bearer(token["secret"])])
    check_refused(elsewhere, answer, 403, challenge='Bearer realm="hallpass"')


def body(stage, proxy, client):
    """Bodies reach the API whole, with a length or in chunks."""
    for size in (0, 10, 200_000):
        for chunked in (False, True):
            client.arrived().clear()
            sent = (b"0123456789abcdef" * (size // 16 + 1))[:size]
            answer = client.send("POST", headers=[client.good], body=sent, chunked=chunked)
            seen = check_allowed(stage, proxy, client, answer)
            got = base64.b64decode(seen["body"])
            check(seen["method"] == "POST" and got == sent, f"{len(got)} bytes of {size} arrived, chunked: {chunked}")


def refused_body(stage, proxy, client):
    """A refusal does not wait for the body, and the next request on the connection is understood."""
    with Connection(client.port, client.address) as connection:
        bad = [("X-Case", client.key), bearer("nonsense")]
        answer = connection.send("POST", "/users", bad, body=b"x" * 3000)
        check_refused(client, answer, 401)
        if answer.header("Connection").lower() != "close":
            good = [("X-Case", client.key), client.good]
            check_allowed(stage, proxy, client, connection.send("GET", "/users", good))


def head(stage, proxy, client):
    """HEAD and other methods go through as themselves."""
    for method in ("HEAD", "PUT", "DELETE", "OPTIONS"):
        client.arrived().clear()
        seen = check_allowed(stage, proxy, client, client.send(method, headers=[client.good]))
        check(seen["method"] == method, "the API got", seen["method"])


def big_cookies(stage, proxy, client):
    """5,000 bytes of cookies are no reason to fail, and reach the API."""
    cookie = "session=" + "c" * 5000
    seen = check_allowed(stage, proxy, client,
                         client.send(headers=[("Cookie", cookie), client.good]))
    check(["cookie", cookie] in [[name.lower(), value] for name, value in seen["headers"]], "the cookie is not there")


def errors_of_the_api(stage, proxy, client):
    """What the API refuses by itself reaches the client as it is."""
    for status in (401, 403, 429, 500, 503):
        client.arrived().clear()
        answer = client.send(target=f"/status/{status}", headers=[client.good])
        check(answer.status == status, f"{status} of the API became", answer.status)
        check(client.arrived() == [answer.json()], f"{status}: the client did not get the API's answer")


def two_credentials(stage, proxy, client):
    """More than one credential is no credential, however they are sent."""
    good, other = client.good, bearer(stage.reports["secret"])
    pairs = [[good, other], [other, good], [good, good], [("Authorization", f"{good[1]}, {other[1]}")],
             [good, ("authorization", "Basic Og==")]]
    if own_header.__name__ not in proxy.without:
        pairs.append([good, ("X-API-Key", stage.token["secret"])])
    for headers in pairs:
        answer = client.send(headers=headers)
        # Some proxies refuse such a request themselves.
        check(answer.status in (400, 401) and not client.arrived(), [name for name, _ in headers], answer.status)


def selftest(stage, proxy, client):
    """`hallpass selftest`, the last step of each deployment, finds nothing."""
    status, printed = stage.hallpass.selftest(proxy.port, stage.token)
    check(status == 0, "it exits", status, printed)


def failure_limit(stage, proxy, client):
    """Too many refused credentials: 429 for further ones, not for good ones and not for other addresses."""
    bad = [bearer("hpat_0123456789ABCDEF_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ4Nu9rC")]
    statuses = []
    while 429 not in statuses and len(statuses) < 2 * FAILURES_PER_MINUTE:
        statuses.append(client.send(headers=bad).status)
    check(set(statuses) == {401, 429} and len(statuses) > FAILURES_PER_MINUTE, "the answers were", statuses)
    check_refused(client, client.send(headers=bad), 429, retry=True)
    check_refused(client, client.send(), 401, challenge='Bearer realm="hallpass"')
    check_allowed(stage, proxy, client, client.send(headers=[client.good]))
    neighbour = Client(stage, proxy)
    check_refused(neighbour, neighbour.send(headers=bad), 401)


def keepalive(stage, proxy, client):
    """1,000 requests need few connections to Hallpass, refusals included."""
    before = stage.relay.accepted
    with Connection(client.port, client.address) as connection:
        for number in range(1000):
            good = number % 10
            headers = [("X-Case", client.key), *([client.good] if good else [])]
            answer = connection.send("GET", "/users", headers)
            check(answer.status == (200 if good else 401), "request", number, "is answered", answer.status)
            if answer.header("Connection").lower() == "close":
                connection.__exit__()
                connection.__init__(client.port, client.address)
    opened = stage.relay.accepted - before
    check(opened <= proxy.most_connections, opened, "connections for 1,000 requests")


def store_down(stage, proxy, client):
    """Hallpass cannot ask its database: 503 with Retry-After, never 401 for a token that may be good."""
    stage.break_store()
    answer = client.send(headers=[client.good])
    check_refused(client, answer, proxy.unavailable, retry=True)
    check_refused(client, client.send(), 401, challenge='Bearer realm="hallpass"')


def silent(stage, proxy, client):
    """Hallpass takes the connection and says nothing: refused within the stated second."""
    stage.relay.hang()
    started = time.monotonic()
    try:
        answer = client.send(headers=[client.good], timeout=4)
    except TimeoutError:
        check(not proxy.one_second, "no answer after 4 s")
        check(not client.arrived(), "the request reached the API")
        return
    elapsed = time.monotonic() - started
    check_refused(client, answer, proxy.unreachable, retry=True)
    check(0.5 < elapsed < 3, "it took", round(elapsed, 2), "s")


def unreachable(stage, proxy, client):
    """Nobody listens where Hallpass should be: refused."""
    stage.relay.refuse()
    answer = client.send(headers=[client.good])
    check_refused(client, answer, proxy.unreachable, retry=proxy.unreachable == 503)
    check(client.send().status >= 400 and not client.arrived(), "without a credential it passes")


def no_answer(stage, proxy, client):
    """Whatever is asked, nothing passes."""
    for headers in ([client.good], [], [("X-API-Key", stage.token["secret"])]):
        check_refused(client, client.send(headers=headers), 503)


#: Those of all proxies, in this order: the last ones leave nothing to ask.
CASES = (allow, basic, own_header, no_credential, bad_token, missing_scope, revoked, spoofed, aliases, hop_by_hop,
         requirements, client_address, body, refused_body, head, big_cookies, errors_of_the_api, two_credentials,
         selftest, failure_limit, keepalive, store_down, silent, unreachable)

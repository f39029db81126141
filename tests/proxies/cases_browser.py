"""What must also hold where browsers with a login of their own come to the same API."""

from expect import FORGED, bearer, check, check_allowed, check_refused
from login import COOKIE, PERSON


def names_of(seen):
    return {name.lower(): value for name, value in seen["headers"]}


def browser(stage, proxy, client):
    """A browser with a session reaches the API as the login's person, not as one of Hallpass's."""
    before = stage.relay.accepted
    forged = [("X-Auth-User", FORGED), ("X-Auth-Method", "pat"), ("X_Auth_Subject", FORGED),
              ("X-Auth-Request-User", FORGED), ("X-Auth-Request-Groups", FORGED)]
    answer = client.send(headers=[COOKIE, *forged])
    check(answer.status == 200, "expected 200, got", answer.status)
    seen = names_of(client.arrived()[0])
    check(seen["x-auth-request-user"] == PERSON, "the person is", seen["x-auth-request-user"])
    check(FORGED not in seen.values() and "x-auth-method" not in seen, "forged headers arrived:", seen)
    check("authorization" not in seen and stage.relay.accepted == before, "Hallpass was asked")


def stranger(stage, proxy, client):
    """A browser without a session is sent to the login, and nothing arrives."""
    answer = client.send(headers=[("Accept", "text/html,application/xhtml+xml;q=0.9")])
    check(answer.status == 302 and answer.header("Location").startswith("/oauth2/"), answer.status, answer.headers)
    check(not client.arrived(), "the request reached the API")
    check(b"log in" in client.send(target="/oauth2/sign_in").body, "the login page is not there")


def token_and_session(stage, proxy, client):
    """A request with a token is decided by the token alone, good or bad."""
    check_allowed(stage, proxy, client, client.send(headers=[COOKIE, client.good]))
    seen = names_of(client.arrived()[0])
    check("x-auth-request-user" not in seen, "both identities arrived")
    client.arrived().clear()
    for credential in (bearer("nonsense"), ("Authorization", ""), ("X-API-Key", "nonsense")):
        check_refused(client, client.send(headers=[COOKIE, credential]), 401)


BROWSER_CASES = (browser, stranger, token_and_session)

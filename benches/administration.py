"""The panel of administrators among a million tokens and ten million events: each page as its visitor waits for it."""

import json
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import time
import urllib.parse
import urllib.request

import load
import servers
import tokens

OWNERS = 1_000
TOKENS = 1_000_000
EVENTS = 10_000_000
ASKED = 100
# Milliseconds at the server.
PAGE = 100
SEARCH = 50
# Events that were written by the server itself, and seconds in which all of them are verified.
CHAINED = 100_000
VERIFIED = 5
# Microseconds between two tokens: a million of them are made in a year, and three quarters of those have run out.
APART = 35_000_000

TOKENS_SQL = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {tokens})
    INSERT INTO tokens (id, owner_id, name, description, scopes, allowed_ips, created_at, last_used_at, revoked_at)
    SELECT randomblob(16), (SELECT id FROM owners WHERE number = CASE WHEN i % 50 = 0 THEN 8 ELSE i % {owners} END),
        CASE i % 5 WHEN 0 THEN 'nightly-backup-' WHEN 1 THEN 'deploy-' WHEN 2 THEN 'ci-' WHEN 3 THEN 'notebook-' ELSE 'report-' END || i,
        'Number ' || i, CASE WHEN i % 1000 = 0 THEN 'admin:all' ELSE 'read:users' END, '[]', {now} - i * {apart},
        CASE WHEN i % 3 > 0 THEN {now} - (i % 200) * 86400000000 END,
        CASE WHEN i % 20 = 0 THEN {now} - i * {apart} / 10 * 9 END
    FROM n
"""
SECRETS_SQL = """
    INSERT INTO secrets (id, token_id, state, created_at, expires_at, phc, ended_at)
    SELECT substr(lower(hex(t.id)), 1, 16), t.id, CASE WHEN t.revoked_at IS NULL THEN 'active' ELSE 'ended' END,
        t.created_at, t.created_at + 7776000000000, '{phc}', t.revoked_at
    FROM tokens t WHERE t.id NOT IN (SELECT token_id FROM secrets)
"""
OWNERS_SQL = """
    CREATE TEMP TABLE owners AS
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {owners})
    SELECT i AS number, randomblob(16) AS id FROM n;
    CREATE INDEX temp.by_number ON owners (number, id);
    INSERT INTO users (id, issuer, subject, provider, username, email, roles, attributes, created_at, last_login_at, disabled_at)
    SELECT id, 'https://id', 'subject-' || number, 'main', 'person-' || number, 'person-' || number || '@example.org', '["staff"]', '{{}}', {now}, {now},
        CASE WHEN number % 40 = 5 THEN {now} END
    FROM owners
"""
EVENTS_SQL = """
    WITH RECURSIVE n (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
    INSERT INTO audit_events (seq, id, time, action, actor_type, actor_id, object_type, object_id, result, replica,
        version, changes, personal, prev_hash, hash)
    SELECT i, randomblob(16), {now} - ({last} - i) * 100000,
        CASE WHEN i % 1000 = 0 THEN 'token.revoked' WHEN i % 10 = 0 THEN 'token.created' ELSE 'user.logged_in' END,
        'user', 'person-' || (i % {owners}), 'token', 'token-' || CASE WHEN i % 100 = 0 THEN 1 ELSE i % 999983 END,
        CASE WHEN i % 5000 = 0 THEN 'refused' ELSE 'done' END, 'bench', '0', '{{}}', '{{}}', zeroblob(32), zeroblob(32)
    FROM n
"""
VALUES_SQL = "INSERT INTO audit_personal (seq, field, salt, value) SELECT seq, 'actor_name', zeroblob(16), actor_id FROM audit_events WHERE seq >= {first}"
OF_USERS_SQL = """
    INSERT INTO audit_of_users SELECT o.id, e.seq FROM audit_events e JOIN owners o ON o.number = e.seq % {owners}
    WHERE e.seq >= {first}
"""

PAGES = {
    "overview": "/admin",
    "tokens": "/admin/tokens",
    "tokens, by name": "/admin/tokens?sort=name",
    "tokens, longest unused": "/admin/tokens?sort=unused",
    "tokens, active": "/admin/tokens?state=active",
    "tokens, revoked": "/admin/tokens?state=revoked",
    "tokens, suspended": "/admin/tokens?state=suspended",
    "tokens, expired": "/admin/tokens?state=expired",
    "tokens, a rare scope": "/admin/tokens?scope=admin:all",
    "tokens of one user": "/admin/tokens?user=person-7",
    "tokens of somebody with very many": "/admin/tokens?user=person-8",
    "tokens, the second page": "/admin/tokens?cursor={cursor}",
    "what a bulk revocation would end": "/admin/tokens/revoke?q=nightly&state=active",
    "what a bulk revocation would end of thousands": "/admin/tokens/revoke?q=up-65",
    "what a bulk revocation would end of all": "/admin/tokens/revoke?state=active",
    "what a bulk revocation would end of the unused": "/admin/tokens/revoke?unused_since=90d&state=active",
    "what a bulk revocation would end of somebody with very many": "/admin/tokens/revoke?user=person-8",
    "what a bulk revocation would end that is rare": "/admin/tokens/revoke?q=zz",
    "a token": "/admin/tokens/{token}",
    "tokens unused for a year": "/admin/tokens?unused_since=365d",
    "tokens with a word, by name": "/admin/tokens?q=nightly&sort=name",
    "tokens about to expire, longest unused": "/admin/tokens?expires_within=30d&sort=unused",
    "users": "/admin/users",
    "users with a word": "/admin/users?q=son-99",
    "audit log, about a user": "/admin/audit?user={user}",
    "audit log, what never happened to a user": "/admin/audit?user={user}&action=user.erased",
    "audit log, what an actor never did": "/admin/audit?actor=person-42&action=user.erased",
    "a user": "/admin/users/{user}",
    "audit log": "/admin/audit",
    "audit log, an action": "/admin/audit?action=token.revoked",
    "audit log, refused": "/admin/audit?result=refused",
    "audit log, an object": "/admin/audit?object=token-4711",
    "audit log, an object of very many events": "/admin/audit?object=token-1",
    "audit log, what never happened to an object": "/admin/audit?object=token-1&action=user.erased",
    "audit log, an action that was done": "/admin/audit?action=token.revoked&result=done",
    "audit log, an actor": "/admin/audit?actor=person-42",
    "audit log, a day": "/admin/audit?since={day}&until={day}",
    "audit log, far back": "/admin/audit?before=1000000",
    "audit log, an action that is never refused": "/admin/audit?action=user.logged_in&result=refused",
}
SEARCHES = {
    "a word that many have": "nightly",
    "a word that one has": "backup-654320",
    "a part of a word": "ook-99998",
    "an owner": "person-123",
    "nothing": "no such thing",
}


def administration(bench):
    folder = bench.folder / "administration"
    shutil.copytree(bench.database, folder)
    fill(folder)
    with bench.hallpass(folder) as server:
        panel(bench, server, "panel")
    shutil.rmtree(folder)


def audit(bench):
    """A long log of events that were really written: tokens that an administrator revokes, each with all that is noted
    of it. One command looks at them."""
    folder = bench.folder / "audit"
    shutil.copytree(bench.database, folder)
    tokens.insert_strangers(folder, CHAINED - len(bench.good))
    started = time.monotonic()
    print(f"\nrevoking {CHAINED:,} tokens …", end="", flush=True)
    with bench.hallpass(folder) as server:
        opener = servers.log_in(server, "admin")
        while revoke_some(opener, server):
            print(f" {time.monotonic() - started:.0f} s", end="", flush=True)
    verify(bench, folder)
    shutil.rmtree(folder)


def revoke_some(opener, server):
    """As many as one step takes. How many there were."""
    body = json.dumps({"filter": {"state": "active"}, "reason": "policy: measured", "dry_run": False}).encode()
    headers = {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
    url = f"http://localhost:{server.port}/api/v1/admin/tokens/revoke"
    with opener.open(urllib.request.Request(url, body, headers)) as answer:
        return json.load(answer)["revoked"]


def verify(bench, folder):
    """As an operator would, which takes an installation that is no demo."""
    database = folder / tokens.DATABASE
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("UPDATE settings SET value = 'false' WHERE name = 'demo'")
    events = connection.execute("SELECT count(*) FROM audit_events").fetchone()[0]
    connection.close()
    (folder / "hallpass.toml").write_text(f"""
        public_url = "http://localhost:3000"
        secret_key_file = "{tokens.SECRET_KEY}"
        database.url = "sqlite://{tokens.DATABASE}"
        [[oidc]]
        name = "main"
        issuer = "https://id.example.org"
        client_id = "bench"
        [[scopes]]
        name = "read:users"
    """)
    times = []
    for _ in range(bench.rounds):
        started = time.monotonic()
        said = subprocess.run([bench.program, "audit", "verify"], cwd=folder, capture_output=True, text=True)
        times.append(time.monotonic() - started)
        if said.returncode != 0 or f"{events} events" not in said.stdout:
            raise RuntimeError(f"the log does not hold: {said.stdout}{said.stderr}")
    took = statistics.median(times)
    print(f"\naudit verify: {events:,} events in {took:.2f} s, {events / took:,.0f} a second", flush=True)
    # There are some more events than that.
    bench.report.at_most(f"audit verify, {CHAINED:,} events: s", took * CHAINED / events, VERIFIED)


def panel(bench, server, where):
    """Every page, and searches."""
    opener = servers.log_in(server, "admin")
    until_counted(server)
    places = found(opener, server)
    for title, path in PAGES.items():
        report(bench, opener, server, f"{where}, {title}", path.format(**places), PAGE)
    for title, text in SEARCHES.items():
        path = "/api/v1/admin/tokens?q=" + urllib.parse.quote(text)
        report(bench, opener, server, f"{where}, search for {title}", path, SEARCH)


def found(opener, server):
    """A day, and somebody and something in the middle."""
    def ask(path):
        with opener.open(f"http://localhost:{server.port}/api/v1/admin{path}") as answer:
            return json.load(answer)

    return {
        "day": time.strftime("%Y-%m-%d", time.gmtime(time.time() - 5 * 86_400)),
        "cursor": urllib.parse.quote(ask("/tokens")["next_cursor"]),
        "token": ask("/tokens?q=backup-654320")["items"][0]["id"],
        "user": ask("/users?q=person-500")["items"][0]["id"],
    }


def fill(folder):
    """Straight into the database; the chain of such events would not hold, but nobody verifies it here."""
    started = time.monotonic()
    print(f"\nwriting {TOKENS:,} tokens and {EVENTS:,} events …", end="", flush=True)
    connection = sqlite3.connect(pathlib.Path(folder) / tokens.DATABASE, isolation_level=None)
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -800000; PRAGMA temp_store = MEMORY")
    now = time.time_ns() // 1000
    first = connection.execute("SELECT coalesce(max(seq), 0) FROM audit_events").fetchone()[0] + 1
    names = {"owners": OWNERS, "tokens": TOKENS, "now": now, "phc": tokens.PHC, "first": first, "last": EVENTS,
             "apart": APART}
    # Indexes are made when everything is there, and guards are for what people write.
    later = without(connection, "audit_events", "audit_personal", "tokens", "secrets")
    connection.execute("BEGIN")
    for statement in OWNERS_SQL.format(**names).split(";"):
        connection.execute(statement)
    for statement in [TOKENS_SQL, SECRETS_SQL, EVENTS_SQL, VALUES_SQL, OF_USERS_SQL]:
        connection.execute(statement.format(**names))
        print(f" {time.monotonic() - started:.0f} s", end="", flush=True)
    connection.execute("UPDATE tokens SET number = rowid WHERE number IS NULL")
    connection.execute("DELETE FROM token_texts")
    connection.execute("INSERT INTO token_texts (rowid, text, scopes) SELECT number, name || ' ' || description, scopes FROM tokens")
    connection.execute("COMMIT")
    for statement in later:
        connection.execute(statement)
    connection.close()
    os.sync()
    print(f" {time.monotonic() - started:.0f} s", flush=True)


def without(connection, *tables):
    """Takes away triggers and indexes of tables, and gives the statements that make them again."""
    made = []
    marks = ", ".join("?" * len(tables))
    found = connection.execute(
        f"SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql IS NOT NULL AND tbl_name IN ({marks})", tables)
    for kind, name, sql in found.fetchall():
        connection.execute(f"DROP {kind} {name}")
        made.append(sql)
    return sorted(made, key=lambda sql: "TRIGGER" in sql[:20])


def until_counted(server):
    """The first count of everything takes a moment and a processor."""
    deadline = time.monotonic() + 120
    while server.metrics().get('hallpass_tokens{state="active"}', 0) < TOKENS / 10:
        if time.monotonic() > deadline:
            raise RuntimeError("the tokens are not counted")
        time.sleep(0.2)
    time.sleep(5)


def report(bench, opener, server, title, path, target):
    times = []
    for _ in range(ASKED):
        started = time.monotonic()
        with opener.open(f"http://localhost:{server.port}{path}") as answer:
            size = len(answer.read())
        times.append((time.monotonic() - started) * 1000)
    p99 = load.percentile(times, 99)
    print(f"\n{title}: p50 {statistics.median(times):.1f} ms, p99 {p99:.1f} ms, {size:,} bytes", flush=True)
    bench.report.at_most(f"{title}: p99 of {ASKED}, ms", p99, target)

"""Several servers on one PostgreSQL: as fast as one on SQLite, and how long a revocation takes to hold on all of them."""

import contextlib
import http.client
import itertools
import json
import pathlib
import shutil
import signal
import statistics
import subprocess
import time
import urllib.parse

import administration
import load
import relay
import servers
import tokens

COUNT = 3
MOVED = 100_000
REVOKED = 200
PAUSES = 10
LISTED = 200
# A thousand people with about a thousand tokens each, one of them with twenty thousand more, bob with fifty, and millions of
# events. What is written is no change that anybody has to be told of, and the chain of such events would not hold, but nobody
# verifies it here.
CROWD = """
    BEGIN;
    SET LOCAL session_replication_role = replica;
    INSERT INTO users (id, issuer, subject, provider, username, email, roles, attributes, created_at, last_login_at, disabled_at)
        SELECT gen_random_uuid(), 'https://crowd', n, 'demo', 'person-' || n, 'person-' || n || '@example.org', '["staff"]', '{{}}', t, t,
            CASE WHEN n % 40 = 5 THEN t END
        FROM generate_series(0, 999) n, (SELECT (extract(epoch FROM now()) * 1000000)::BIGINT AS t) now;
    INSERT INTO tokens (id, owner_id, name, description, scopes, allowed_ips, created_at, last_used_at, revoked_at)
        SELECT gen_random_uuid(), u.id, (ARRAY['nightly-backup-', 'deploy-', 'ci-', 'notebook-', 'report-'])[i % 5 + 1] || i,
            'Number ' || i, CASE WHEN i % 1000 = 0 THEN 'admin:all' ELSE 'read:users' END, '[]', t - i * {apart}::BIGINT,
            CASE WHEN i % 3 > 0 THEN t - (i % 200) * 86400000000 END, CASE WHEN i % 20 = 0 THEN t - i * {apart}::BIGINT / 10 * 9 END
        FROM generate_series(1, 1000000) i, (SELECT (extract(epoch FROM now()) * 1000000)::BIGINT AS t) now, users u
        WHERE u.username = 'person-' || CASE WHEN i % 50 = 0 THEN 8 ELSE i % 1000 END;
    INSERT INTO tokens (id, owner_id, name, description, scopes, allowed_ips, created_at)
        SELECT gen_random_uuid(), u.id, 'nightly ' || n, '', 'read:users', '[]', n
        FROM users u, generate_series(1, 50) n WHERE username = 'bob';
    INSERT INTO secrets (id, token_id, state, created_at, expires_at, phc, ended_at)
        SELECT substr(md5(t.id::TEXT), 1, 16), t.id, CASE WHEN t.revoked_at IS NULL THEN 'active' ELSE 'ended' END, t.created_at,
            t.created_at + 7776000000000, repeat('x', 97), t.revoked_at
        FROM tokens t WHERE NOT EXISTS (SELECT 1 FROM secrets s WHERE s.token_id = t.id);
    COMMIT;
    -- Indexes are made when everything is there.
    CREATE TEMP TABLE later AS SELECT indexname AS name, indexdef AS made FROM pg_indexes
        WHERE tablename IN ('audit_events', 'audit_personal') AND indexdef NOT LIKE 'CREATE UNIQUE%';
    SELECT 'DROP INDEX ' || name FROM later \\gexec
    BEGIN;
    SET LOCAL session_replication_role = replica;
    CREATE TEMP TABLE scale AS SELECT (SELECT max(seq) FROM audit_events) AS first, (extract(epoch FROM now()) * 1000000)::BIGINT AS t;
    INSERT INTO audit_events (seq, id, time, action, actor_type, actor_id, object_type, object_id, result, replica, version,
            changes, personal, prev_hash, hash)
        SELECT first + i, gen_random_uuid(), t - ({events} - i) * 100000::BIGINT,
            CASE WHEN i % 1000 = 0 THEN 'token.revoked' WHEN i % 10 = 0 THEN 'token.created' ELSE 'user.logged_in' END,
            'user', 'person-' || (i % 1000), 'token', 'token-' || CASE WHEN i % 100 = 0 THEN 1 ELSE i % 999983 END,
            CASE WHEN i % 5000 = 0 THEN 'refused' ELSE 'done' END, 'bench', '0', '{{}}', '{{}}',
            decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex')
        FROM generate_series(1, {events}) i, scale;
    INSERT INTO audit_personal (seq, field, salt, value)
        SELECT seq, 'actor_name', decode(repeat('00', 16), 'hex'), actor_id FROM audit_events, scale WHERE seq > first;
    INSERT INTO audit_of_users (user_id, seq)
        SELECT u.id, first + i FROM generate_series(1, {events}) i, scale, users u WHERE u.username = 'person-' || (i % 1000);
    SELECT made FROM later \\gexec
    COMMIT;
    VACUUM ANALYZE;
    -- Nobody who asks has to write to the disk what was written before.
    CHECKPOINT;
"""
# A lease, in milliseconds.
LEASE = 1_000
SCRIPT = pathlib.Path(__file__).parent.parent / "scripts" / "postgres"


def new_database():
    """An empty one, on a server whose commits wait for the disk."""
    url = subprocess.run([SCRIPT, "--of", "bench", "--durable"], check=True, capture_output=True, text=True).stdout.strip()
    name = f"bench_{tokens.text(12).lower()}"
    psql(f"{url}/postgres", f"CREATE DATABASE {name}")
    return f"{url}/{name}"


def psql(url, statements):
    """Each for itself, unless they say otherwise."""
    program = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/psql"))[-1]
    subprocess.run([program, url, "-q", "-v", "ON_ERROR_STOP=1"], input=statements, text=True, check=True)


def replicas(bench):
    """Moves the installation to PostgreSQL and starts several servers there."""
    folder = bench.folder / "moved"
    shutil.copytree(bench.database, folder)
    tokens.insert_strangers(folder, MOVED - len(bench.good))
    database = new_database()
    move(bench, folder, database)
    env = {"HALLPASS_DATABASE__URL": database}
    way, detour = around(database)
    with contextlib.ExitStack() as stack:
        ways = [env] * (COUNT - 1) + [{"HALLPASS_DATABASE__URL": detour}]
        started = [stack.enter_context(bench.hallpass(folder, env=each)) for each in ways]
        hot(bench, started[0])
        revocations(bench, started)
        last = started[-1].process
        victims = iter(bench.good[-REVOKED - 2 * PAUSES:-REVOKED])
        stop, go_on = [lambda sent=sent: last.send_signal(sent) for sent in (signal.SIGSTOP, signal.SIGCONT)]
        with_one_gone(bench, started, "stopped", victims, stop, go_on)
        with_one_gone(bench, started, "cut off", victims, way.cut, way.mend)
        lists(bench, started[0], database)
    with bench.hallpass(folder, env=env | {"HALLPASS_CHECK__MODE": "strict"}) as server:
        strict(bench, server)
    shutil.rmtree(folder)


def move(bench, folder, database):
    started = time.monotonic()
    source = f"sqlite://{tokens.DATABASE}"
    subprocess.run([bench.program, "migrate-store", "--from", source, "--to", database], cwd=folder, check=True)
    bench.report.at_most(f"moving {MOVED:,} tokens to PostgreSQL: s", time.monotonic() - started, 60)


def hot(bench, replica):
    """Under a lease, beside the same tokens on SQLite."""
    with bench.hallpass() as single:
        for file, count in [(bench.one, "1 token"), (bench.many, "1,000 tokens")]:
            title = f"replica, hot, {count}"
            contenders = {"sqlite": load.Contender(single, file), "replica": load.Contender(replica, file)}
            rounds = bench.alternate(title, contenders, 64)
            bench.report.at_least(f"{title}: requests/s, × SQLite", rounds.ratio("rate", "replica", "sqlite"), 0.9)
            bench.report.count(f"{title}: not 200", rounds.total("refused", "replica") + rounds.total("failed", "replica"))
            bench.report.count(f"{title}: queries per check", rounds.queries_per_check("replica"), 0.01)


def strict(bench, server):
    """Each check is decided by the database."""
    rounds = bench.alternate("strict", {"strict": load.Contender(server, bench.many)}, 64)
    rate = statistics.median(each.rate for each in rounds.of["strict"])
    bench.report.at_least("strict: checks/s", rate, 5_000)
    bench.report.count("strict: not 200", rounds.total("refused", "strict") + rounds.total("failed", "strict"))


def revocations(bench, started):
    """One after the other, at each replica in turn, while all of them hold the tokens."""
    victims = bench.good[-REVOKED:]
    for server in started:
        load.check_each(server, victims)
    times = [revoke(started[index % COUNT], token) for index, token in enumerate(victims)]
    title = f"revocation, {COUNT} replicas"
    print(f"\n{title}: {REVOKED}, p50 {statistics.median(times):.1f} ms, p99 {load.percentile(times, 99):.1f} ms")
    bench.report.note(f"{title}: p50, ms", statistics.median(times))
    bench.report.at_most(f"{title}: p99, ms", load.percentile(times, 99), 50)


def around(database):
    """Another way to a database, and its URL."""
    url = urllib.parse.urlsplit(database)
    way = relay.Relay(url.hostname, url.port)
    login = url.netloc.rpartition("@")[0]
    return way, url._replace(netloc=f"{login}@127.0.0.1:{way.port}").geturl()


def with_one_gone(bench, started, how, victims, go, come_back):
    """The answer has to wait for the lease of a replica that says nothing."""
    times = []
    for token in itertools.islice(victims, PAUSES):
        load.check_each(started[-1], [token])
        go()
        times.append(revoke(started[0], token))
        come_back()
        # It has a lease again.
        time.sleep(1)
    title = f"revocation, one of {COUNT} replicas {how}"
    print(f"\n{title}: {PAUSES}, p50 {statistics.median(times):.0f} ms, longest {max(times):.0f} ms")
    bench.report.at_most(f"{title}: longest, ms", max(times), LEASE + 200)


def lists(bench, server, database):
    """The pages of one owner among many, and those of administrators."""
    opener = servers.log_in(server, "bob")
    psql(database, CROWD.format(events=administration.EVENTS, apart=administration.APART))
    for title, query in [("list", ""), ("search", "?q=nightly")]:
        times = []
        for _ in range(LISTED):
            started = time.monotonic()
            with opener.open(f"http://localhost:{server.port}/api/v1/tokens{query}") as answer:
                count = len(json.load(answer)["items"])
            times.append((time.monotonic() - started) * 1000)
        if not count:
            raise RuntimeError(f"{title}: nothing was found")
        print(f"\n{title} among a million tokens: p50 {statistics.median(times):.1f} ms, p99 {load.percentile(times, 99):.1f} ms")
        bench.report.at_most(f"{title} among a million tokens: p99, ms", load.percentile(times, 99), 50)
    administration.panel(bench, server, "panel on PostgreSQL")


def revoke(server, token):
    """Milliseconds until the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.connect()
    started = time.monotonic()
    connection.request("DELETE", "/api/v1/self", headers={"Authorization": f"Bearer {token}"})
    status = connection.getresponse().status
    elapsed = time.monotonic() - started
    connection.close()
    if status != 204:
        raise RuntimeError(f"a revocation was answered by {status}")
    return elapsed * 1000

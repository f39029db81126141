"""Load on servers: rounds of wrk in alternation, and single checks one after the other."""

import dataclasses
import os
import pathlib
import re
import socket
import statistics
import subprocess
import time
import typing

import servers

LUA = pathlib.Path(__file__).with_name("check.lua")
QUERIES, ARGON2 = "hallpass_store_queries_total", "hallpass_argon2_total"
ERRORS = 'hallpass_http_requests_total{status="5xx"}'
BEGIN_SECONDS = 20


@dataclasses.dataclass(frozen=True)
class Contender:
    """A server, and the file of what is presented to it."""

    server: servers.Server
    tokens: pathlib.Path
    # Writes the file anew before each round, where nothing may be presented twice.
    renew: typing.Callable[[pathlib.Path], object] | None = None


@dataclasses.dataclass(frozen=True)
class Round:
    """What one round of load came to: first as the client saw it (times in milliseconds), then as the server did (CPU time
    in microseconds for each request)."""

    requests: int
    rate: float
    cpu: float
    p50: float
    p99: float
    refused: int
    failed: int
    checks: float
    queries: float
    argon2: float

    HEADER = f"{'requests/s':>11} {'CPU µs/req':>11} {'p50 ms':>8} {'p99 ms':>8} {'refused':>8} {'queries':>8} {'argon2':>7}"

    def __str__(self):
        return (f"{self.rate:11.0f} {self.cpu:11.1f} {self.p50:8.2f} {self.p99:8.2f} {self.refused:8} "
                f"{self.queries:8.0f} {self.argon2:7.0f}")

    @property
    def good(self):
        return self.requests - self.refused


def checks(metrics):
    """Decisions so far, whatever came out."""
    return sum(value for name, value in metrics.items() if name.startswith("hallpass_check_total"))


class Load:
    """One run of wrk, under way from its making until its end is asked for."""

    def __init__(self, contender, connections, seconds):
        if contender.renew:
            contender.renew(contender.tokens)
        self.server = contender.server
        self.cpu, self.metrics = self.server.cpu_seconds(), self.server.metrics()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(LUA),
                   f"http://127.0.0.1:{self.server.port}"]
        env = {**os.environ, "TOKENS": str(contender.tokens)}
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)

    def begin(self):
        """Returns when answers are coming: wrk reads its tokens first."""
        deadline = time.monotonic() + BEGIN_SECONDS
        while checks(self.server.metrics()) == checks(self.metrics):
            if time.monotonic() > deadline:
                raise RuntimeError("wrk does not begin")
            time.sleep(0.01)

    def end(self):
        output = self.process.communicate()[0]
        cpu, metrics = self.server.cpu_seconds() - self.cpu, self.server.metrics()
        found = re.search(r"RESULT (.*)", output)
        if not found:
            raise RuntimeError(f"wrk failed:\n{output}")
        requests, micros, refused, failed, p50, p99 = map(int, found.group(1).split())
        grown = lambda name: metrics.get(name, 0) - self.metrics.get(name, 0)
        return Round(requests, requests / (micros / 1e6), cpu * 1e6 / max(requests, 1), p50 / 1000, p99 / 1000, refused,
                     failed + int(grown(ERRORS)), checks(metrics) - checks(self.metrics), grown(QUERIES), grown(ARGON2))


class Rounds:
    """Rounds of several contenders in alternation: each is compared with what ran beside it."""

    def __init__(self, title, contenders, connections, rounds, seconds):
        print(f"\n{title}: {rounds} rounds of {seconds} s, {connections} connections", flush=True)
        print(f"  round {'':16} {Round.HEADER}")
        self.of = {name: [] for name in contenders}
        # The first requests find nothing in memory, and the processor at rest.
        for contender in contenders.values():
            Load(contender, connections, 1).end()
        for number in range(1, rounds + 1):
            for name, contender in contenders.items():
                result = Load(contender, connections, seconds).end()
                self.of[name].append(result)
                print(f"  {number:5} {name:16} {result}", flush=True)

    def ratio(self, field, name, other):
        """Median over the rounds of one contender's figure as a multiple of another's."""
        pairs = zip(self.of[name], self.of[other])
        return statistics.median(getattr(one, field) / getattr(two, field) for one, two in pairs)

    def total(self, field, name):
        return sum(getattr(each, field) for each in self.of[name])

    def queries_per_check(self, name):
        return self.total("queries", name) / self.total("checks", name)


def connect(server):
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def check_once(connection, token):
    """The head of the answer, as it comes over the wire. The token must pass."""
    request = f"GET /check?scope=read:users HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    connection.sendall(request.encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        part = connection.recv(8192)
        if not part:
            break
        answer += part
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"a good token was answered with {answer[:200]}")
    return answer


def check_each(server, texts):
    """Checks tokens one after the other over one connection; milliseconds of each."""
    times = []
    with connect(server) as connection:
        for token in texts:
            started = time.perf_counter()
            check_once(connection, token)
            times.append((time.perf_counter() - started) * 1000)
    return times


def answer_bytes(server, token):
    with connect(server) as connection:
        return len(check_once(connection, token))


def percentile(values, percent):
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]


def write_tokens(path, texts):
    path.write_text("".join(f"{token}\n" for token in texts))
    return path

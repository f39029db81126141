"""Measures /check against a bare handler, in alternation, and prints every round.

Both are release binaries under the same load from the same machine, so only the ratios mean anything elsewhere.
"""

import html
import http.client
import http.cookiejar
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROUNDS = 7
SECONDS = 3
CONNECTIONS = 32
EXPECTED_RATIO = 0.15
FIRST_CHECK_MS = 5.0
HERE = pathlib.Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A process that listens on loopback."""

    def __init__(self, command, port, folder, env=None):
        self.port = port
        log = open(pathlib.Path(folder) / f"{port}.log", "ab")
        self.process = subprocess.Popen(command, cwd=folder, env={**os.environ, **(env or {})}, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        # Any answer will do: the bare handler has no such page.
        while not self.answers("/healthz"):
            if time.monotonic() > deadline or self.process.poll() is not None:
                sys.exit(f"{command[0]} does not start; see {log.name}")
            time.sleep(0.02)

    def answers(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status > 0
        except OSError:
            return False
        finally:
            connection.close()

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=15) not in (0, -signal.SIGTERM):
            sys.exit("a server did not stop cleanly")


class Portal:
    """A browser that is logged in as a demo user."""

    def __init__(self, base):
        self.base = base
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        with self.opener.open(f"{base}/auth/demo/login") as page:
            url, text = page.url, page.read().decode()
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text)
        form = {name: html.unescape(value) for name, value in hidden} | {"user": "alice"}
        self.opener.open(urllib.parse.urljoin(url, "/authorize"), urllib.parse.urlencode(form).encode()).close()

    def create_token(self, name):
        body = json.dumps({"name": name, "scopes": ["read:users", "read:reports"]}).encode()
        headers = {"content-type": "application/json", "sec-fetch-site": "same-origin"}
        request = urllib.request.Request(f"{self.base}/api/v1/tokens", body, headers)
        with self.opener.open(request) as answer:
            return json.load(answer)["secret"]


def load(server, tokens):
    """One round: requests per second, CPU microseconds per request, p50 and p99 in milliseconds, answers not 200."""
    before = server.cpu_seconds()
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(HERE / "check.lua"),
               f"http://127.0.0.1:{server.port}"]
    output = subprocess.run(command, env={**os.environ, "TOKENS": tokens}, capture_output=True, text=True, check=True).stdout
    requests, micros, status, failed, p50, p99 = map(int, re.search(r"RESULT (.*)", output).group(1).split())
    cpu = (server.cpu_seconds() - before) * 1e6 / max(requests, 1)
    return requests / (micros / 1e6), cpu, p50 / 1000, p99 / 1000, status + failed


def alternate(title, bare, check, tokens):
    print(f"\n{title}: {ROUNDS} rounds of {SECONDS} s, {CONNECTIONS} connections")
    print(f"  {'round':5} {'':6} {'requests/s':>11} {'CPU µs/req':>11} {'p50 ms':>8} {'p99 ms':>8} {'not 200':>8}")
    rates, costs, bad = [], [], 0
    for number in range(1, ROUNDS + 1):
        results = [("bare", load(bare, tokens)), ("check", load(check, tokens))]
        for name, (rate, cpu, p50, p99, failed) in results:
            print(f"  {number:5} {name:6} {rate:11.0f} {cpu:11.1f} {p50:8.2f} {p99:8.2f} {failed:8}", flush=True)
            bad += failed
        rates.append(results[1][1][0] / results[0][1][0])
        costs.append(results[0][1][1] / results[1][1][1])
    print(f"  ratio of requests/s: median {statistics.median(rates):.3f}, {min(rates):.3f} to {max(rates):.3f}")
    print(f"  ratio of CPU per request (bare / check): median {statistics.median(costs):.3f}")
    return statistics.median(rates), bad


def metric(port, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return float(re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE).group(1))


def first_check(port, token):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    started = time.perf_counter()
    connection.request("GET", "/check", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    answer.read()
    elapsed = (time.perf_counter() - started) * 1000
    if answer.status != 200:
        sys.exit(f"the first check answered {answer.status}")
    return elapsed


def main(hallpass, bare_handler):
    ports = dict(bare=18000, check=18001, demo=18002, metrics=18003)
    env = {
        "HALLPASS_LISTEN": f"127.0.0.1:{ports['check']}",
        "HALLPASS_DEMO__LISTEN": f"127.0.0.1:{ports['demo']}",
        "HALLPASS_METRICS_LISTEN": f"127.0.0.1:{ports['metrics']}",
        "HALLPASS_TOKENS__MAX_ACTIVE_PER_USER": "5000",
    }
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        bare = Server([bare_handler, f"127.0.0.1:{ports['bare']}"], ports["bare"], folder)
        serve = lambda: Server([hallpass, "serve", "--demo"], ports["check"], folder, env)
        check = serve()
        portal = Portal(f"http://localhost:{ports['check']}")
        print("making 1,000 tokens …", flush=True)
        tokens = [portal.create_token(f"bench {number}") for number in range(1000)]
        one, many = pathlib.Path(folder) / "one", pathlib.Path(folder) / "many"
        one.write_text(tokens[0] + "\n")
        many.write_text("\n".join(tokens) + "\n")
        hashed = metric(ports["metrics"], "hallpass_argon2_total")
        for title, file in [("one token", one), ("1,000 tokens", many)]:
            ratio, bad = alternate(title, bare, check, str(file))
            if bad:
                failures.append(f"{title}: {bad} answers were not 200")
            if ratio < EXPECTED_RATIO:
                failures.append(f"{title}: the ratio {ratio:.3f} is below {EXPECTED_RATIO}")
        if metric(ports["metrics"], "hallpass_argon2_total") != hashed:
            failures.append("argon2 ran on the steady path")
        print(f"\nargon2 during the load: {metric(ports['metrics'], 'hallpass_argon2_total') - hashed:.0f}")
        print(f"resident memory after it: {check.resident_mib():.0f} MiB")
        check.stop()
        check = serve()
        elapsed = first_check(ports["check"], tokens[500])
        print(f"first check after a restart: {elapsed:.2f} ms")
        if elapsed > FIRST_CHECK_MS:
            failures.append(f"the first check took {elapsed:.2f} ms")
        check.stop()
        bare.stop()
    for failure in failures:
        print(f"✗ {failure}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The two servers under load: starting, watching and stopping them."""

import contextlib
import html
import http.client
import http.cookiejar
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request

START_SECONDS = 60
STOP_SECONDS = 15
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A process that listens on loopback."""

    def __init__(self, command, port, folder, env=None, metrics_port=None):
        self.port = port
        self.metrics_port = metrics_port
        log = pathlib.Path(folder) / f"{port}.log"
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=folder, env={**os.environ, **(env or {})}, stdout=output,
                                            stderr=output)
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.process.kill()
                raise RuntimeError(f"{command[0]} does not start:\n{log.read_text()}")
            time.sleep(0.02)

    def answers(self):
        """Any answer will do: the bare handler has no such page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status > 0
        except OSError:
            return False
        finally:
            connection.close()

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024

    def metrics(self):
        """Every metric by its name with labels; nothing for a server that has none."""
        if self.metrics_port is None:
            return {}
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        samples = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=STOP_SECONDS) not in (0, -signal.SIGTERM):
            raise RuntimeError("a server did not stop cleanly")


@contextlib.contextmanager
def running(server):
    """Stops a server at the end, however that comes."""
    try:
        yield server
        server.stop()
    finally:
        server.process.kill()
        server.process.wait()


def bare_handler(program, folder):
    port = free_ports(1)[0]
    return running(Server([program, f"127.0.0.1:{port}"], port, folder))


def hallpass(program, folder, failure_limit=None, env=None):
    """The demo, on the database in this folder."""
    listen, demo, metrics = free_ports(3)
    env = (env or {}) | {
        "HALLPASS_LISTEN": f"127.0.0.1:{listen}",
        "HALLPASS_DEMO__LISTEN": f"127.0.0.1:{demo}",
        "HALLPASS_METRICS_LISTEN": f"127.0.0.1:{metrics}",
    }
    if failure_limit:
        env["HALLPASS_CHECK__FAILURE_LIMIT"] = failure_limit
    return running(Server([program, "serve", "--demo"], listen, folder, env, metrics))


def free_ports(count):
    """Ports that nobody listens on, all at once so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def log_in(server, user):
    """Logs a demo user in as a browser does: from then on the database knows the user. Gives the browser."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    with opener.open(f"http://localhost:{server.port}/auth/demo/login") as page:
        url, text = page.url, page.read().decode()
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text)
    form = {name: html.unescape(value) for name, value in hidden} | {"user": user}
    opener.open(urllib.parse.urljoin(url, "/authorize"), urllib.parse.urlencode(form).encode()).close()
    return opener

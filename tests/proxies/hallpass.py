"""Hallpass itself, with the people and tokens of its demo."""

import atexit
import html
import http.cookiejar
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.parse
import urllib.request

from wire import free_port

SCOPE = "read:users"
AUDIENCE = "users-api"
FAILURES_PER_MINUTE = 60


class Hallpass:
    """A server that runs, and a browser in which alice is logged in."""

    def __init__(self, binary, folder, name):
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir()
        self.binary = binary
        self.client_secret = "the secret of an API"
        self.grpc_port = free_port()
        self.log = self.folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([binary, "serve", "--demo"], cwd=self.folder, env=self.environment(),
                                            stdout=log, stderr=log)
        # Also when something else cannot start.
        atexit.register(self.stop)
        self.url = self.wait_for(r"Hallpass is ready at (http://\S+)")
        self.port = urllib.parse.urlsplit(self.url).port
        self.portal = Portal(self.url, "alice")

    def environment(self):
        settings = {
            "LISTEN": "127.0.0.1:0",
            "DEMO__LISTEN": "127.0.0.1:0",
            "METRICS_LISTEN": "",
            "GRPC_LISTEN": f"127.0.0.1:{self.grpc_port}",
            # The proxies call from 127.0.0.1; the clients of the tests have other addresses of 127.0.0.0/8.
            "TRUSTED_PROXIES": '["127.0.0.1/32"]',
            "TOKENS__MAX_ACTIVE_PER_USER": "5000",
            "CHECK__IDENTITY_HEADER": "X-API-Key",
            "CHECK__FAILURE_LIMIT": f"{FAILURES_PER_MINUTE}/m",
            "JWT__AUDIENCES": json.dumps([AUDIENCE]),
            "INTROSPECTION_CLIENTS": json.dumps([self.introspection_client()]),
        }
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HALLPASS_")}
        return inherited | {f"HALLPASS_{key}": value for key, value in settings.items()}

    def introspection_client(self):
        command = [self.binary, "hash-secret"]
        printed = subprocess.run(command, input=self.client_secret, capture_output=True, text=True, check=True).stdout
        return {"id": AUDIENCE, "secret_hash": printed.strip(), "audiences": [AUDIENCE]}

    def wait_for(self, pattern):
        deadline = time.monotonic() + 20
        while not (found := re.search(pattern, self.log.read_text())):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"Hallpass does not start:\n{self.log.read_text()}")
            time.sleep(0.02)
        return found.group(1)

    def break_store(self):
        """Overwrites the database with what is none, as a failing disk would: from now on nothing can be looked up."""
        for path in (self.folder / "data/demo").glob("hallpass.db*"):
            with open(path, "r+b") as file:
                size = path.stat().st_size
                file.write(b"\0" * size if path.name.endswith("-shm") else b"no database " * (size // 12 + 1))

    def selftest(self, port, token):
        """`hallpass selftest` against a proxy: its exit status, and what it prints."""
        command = [self.binary, "selftest", "--url", f"http://127.0.0.1:{port}/users"]
        run = subprocess.run(command, input=token["secret"], capture_output=True, text=True, timeout=30, check=False)
        return run.returncode, run.stdout + run.stderr

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=15)


class Portal:
    """What a logged-in browser can do."""

    def __init__(self, url, user):
        self.url = url
        jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        with self.opener.open(f"{url}/auth/demo/login", timeout=10) as page:
            address, text = page.url, page.read().decode()
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text)
        form = {name: html.unescape(value) for name, value in hidden} | {"user": user}
        target = urllib.parse.urljoin(address, "/authorize")
        self.opener.open(target, urllib.parse.urlencode(form).encode(), timeout=10).close()

    def post(self, path, body):
        headers = {"content-type": "application/json", "sec-fetch-site": "same-origin"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with self.opener.open(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def me(self):
        with self.opener.open(f"{self.url}/api/v1/me", timeout=10) as answer:
            return json.load(answer)

    def create_token(self, name, scopes=(SCOPE,), **more):
        return self.post("/api/v1/tokens", {"name": name, "scopes": list(scopes), **more})

    def revoke(self, created):
        self.post(f"/api/v1/tokens/{created['token']['id']}/revoke", {})

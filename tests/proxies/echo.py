"""The API behind the proxy: it answers with what it received, and remembers it. `/status/503` is answered with 503."""

import base64
import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CASE_HEADER = "X-Case"


class Echo(ThreadingHTTPServer):
    """Listens on loopback. Requests are kept under the value of their `X-Case` header."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        self.received = defaultdict(list)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """A proxy that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def answer(self):
        body = self.chunks() if self.headers.get("Transfer-Encoding") else self.plain()
        seen = {"method": self.command, "target": self.path, "headers": [list(pair) for pair in self.headers.items()],
                "body": base64.b64encode(body).decode()}
        self.server.received[self.headers.get(CASE_HEADER)].append(seen)
        text = json.dumps(seen).encode()
        self.send_response(int(self.path[-3:]) if self.path.startswith("/status/") else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer

    def plain(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def chunks(self):
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline() not in (b"\r\n", b"\n", b""):
            pass
        return body

    def log_message(self, *_):
        """Quiet."""

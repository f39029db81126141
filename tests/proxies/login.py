"""As much of oauth2-proxy as a proxy sees of it."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: The cookie of a browser that is logged in, and who it is.
COOKIE = ("Cookie", "_oauth2_proxy=good")
PERSON = "carol"


class Login(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """A proxy that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/oauth2/sign_in"):
            self.answer(200, {"Content-Type": "text/html"}, b"<h1>Please log in</h1>")
        elif COOKIE[1] in self.headers.get("Cookie", ""):
            self.answer(202, {"X-Auth-Request-User": PERSON, "X-Auth-Request-Email": f"{PERSON}@demo.example"})
        else:
            self.answer(401, {})

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""

"""A line between a proxy and Hallpass that counts connections, leads elsewhere, refuses, or goes silent."""

import socket
import threading


class Relay:
    """Passes bytes on to `target`, a port on loopback; with `tls`, it is the TLS in front of it."""

    def __init__(self, target, tls=None):
        self.target = target
        self.tls = tls
        self.silent = False
        self.accepted = 0
        self.open = set()
        self.lock = threading.Lock()
        self.listener = None
        self.port = 0
        self.listen()

    def listen(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128, reuse_port=False)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def lead_to(self, target):
        """From now on to another port; what is open ends."""
        self.target = target
        self.drop()

    def refuse(self):
        """Nobody listens any more."""
        # A thread in accept() keeps the socket listening after close(); shutdown() ends that.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.drop()

    def hang(self):
        """Takes connections and requests, and never answers."""
        self.silent = True
        self.drop()

    def drop(self):
        with self.lock:
            for end in self.open:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.open.clear()

    def accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            with self.lock:
                self.open.add(near)
            if not self.silent:
                threading.Thread(target=self.connect, args=(near,), daemon=True).start()

    def connect(self, near):
        try:
            if self.tls:
                near = self.secure(near)
            far = socket.create_connection(("127.0.0.1", self.target), 5)
            far.settimeout(None)
        except OSError:
            near.close()
            return
        with self.lock:
            self.open.add(far)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self.pump, args=(far, near), daemon=True).start()
        self.pump(near, far)

    def secure(self, near):
        """The same connection with TLS. Its timeout lets one thread read while another writes."""
        near.settimeout(60)
        with self.lock:
            self.open.discard(near)
        near = self.tls.wrap_socket(near, server_side=True)
        with self.lock:
            self.open.add(near)
        return near

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                if self.silent:
                    return
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with self.lock:
                self.open.discard(end)
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

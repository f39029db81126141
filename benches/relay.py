"""A way to a server that can be cut: nothing is carried meanwhile, and nobody says so."""

import socket
import threading


class Relay:
    def __init__(self, host, port):
        self._target = (host, port)
        self._whole = threading.Event()
        self._whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        self._whole.clear()

    def mend(self):
        self._whole.set()

    def _accept(self):
        while True:
            near, _ = self._listener.accept()
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near):
        self._whole.wait()
        far = socket.create_connection(self._target)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._carry, args=(near, far), daemon=True).start()
        self._carry(far, near)

    def _carry(self, there, here):
        try:
            while sent := there.recv(65_536):
                self._whole.wait()
                here.sendall(sent)
        except OSError:
            pass
        for end in (there, here):
            end.close()

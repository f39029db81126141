"""HAProxy with our script."""

import pathlib

from cases import no_answer

from . import Proxy


class HAProxy(Proxy):
    name = "haproxy"
    files = ("haproxy/haproxy.cfg", "haproxy/hallpass.lua")
    binary = pathlib.Path("/usr/sbin/haproxy")

    def adapt(self, text):
        own_socket = f"abns@hallpass-{self.port}"
        return text.replace("/etc/haproxy/", f"{self.folder}/").replace("abns@hallpass", own_socket)

    def command(self):
        return [self.binary, "-db", "-f", self.write_all()[0]]


class HAProxyScriptFails(HAProxy):
    """With an error in the script, which HAProxy itself would take for a yes."""

    name = "haproxy-error"
    cases = (no_answer,)
    forgeable = False

    def adapt(self, text):
        return super().adapt(text).replace("core.httpclient()", "core.no_such_function()")

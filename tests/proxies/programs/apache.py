"""Apache with mod_auth_openidc, which asks by introspection."""

import pathlib

from . import Proxy

MODULES = ("mpm_event authn_core authz_core authz_user auth_openidc headers setenvif rewrite proxy proxy_http "
           "socache_shmcb unixd").split()
FOLDER = pathlib.Path("/usr/lib/apache2/modules")

FRAME = """
ServerRoot {folder}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog /dev/stderr
LogLevel warn
{modules}
OIDCCABundlePath {certificate}
Include {included}
"""


class Apache(Proxy):
    name = "apache"
    files = ("apache/hallpass.conf",)
    binary = pathlib.Path("/usr/sbin/apache2")
    identity = ("x-auth-subject", "x-auth-user", "x-auth-scopes", "x-auth-token-id", "x-auth-method")
    refuses_aliases = True
    # What it knows of a refusal is that the token is not active, also when nobody could be asked.
    unreachable, unavailable, says_when = 401, 401, False
    relays_challenges, relays_problems = False, False
    tls = True
    without = {
        "own_header": "the module knows Authorization only",
        "client_address": "introspection cannot say it: tokens that are bound to networks are refused",
        "failure_limit": "so it has one limit for all clients",
        "keepalive": "a new connection for each question",
    }

    def adapt(self, text):
        text = text.replace("tokens.example.org:443", f"localhost:{self.stage.relay.port}")
        return text.replace("put the client secret here", self.stage.hallpass.client_secret)

    def command(self):
        included = self.write_all()[0]
        modules = "\n".join(f"LoadModule {name}_module {FOLDER}/mod_{name}.so" for name in MODULES if shared(name))
        own = {"folder": self.folder, "modules": modules, "included": included, "certificate": self.stage.certificate}
        frame = self.write("apache2.conf", FRAME.format(**own))
        return [self.binary, "-X", "-f", frame]


def shared(module):
    """Whether it is a file: some builds have it inside."""
    return (FOLDER / f"mod_{module}.so").exists()

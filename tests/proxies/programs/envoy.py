"""Envoy, with the check over HTTP and over gRPC."""

from cases_jwt import JWT_CASES, issued_jwt

from . import Proxy, in_wheel


class EnvoyHttp(Proxy):
    name = "envoy-http"
    files = ("envoy/http.yaml",)

    binary = in_wheel("envoy/_bin/envoy")
    version_arguments = ("--version",)

    def command(self):
        return [self.binary, "-c", self.write_all()[0], "--concurrency", "1", "--disable-hot-restart",
                "--log-level", "warning"]


class EnvoyGrpc(EnvoyHttp):
    name = "envoy-grpc"
    files = ("envoy/grpc.yaml",)
    grpc = True


class EnvoyJwt(EnvoyHttp):
    """Not asking about tokens, but verifying the JWTs that came of asking."""

    name = "envoy-jwt"
    files = ("envoy/jwt.yaml",)
    identity = ("authorization", "x-auth-subject", "x-auth-scopes", "x-auth-token-id")
    cases = JWT_CASES

    def credential(self):
        return ("Authorization", issued_jwt(self.stage))

    def adapt(self, text):
        return text.replace("https://tokens.example.org", self.stage.hallpass.url)

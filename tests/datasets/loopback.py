"""A web server on loopback that does what it is told: well, badly, or not at all."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Answer:
    """What the server says to one request."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    ranges: bool = False
    with_length: bool = True
    stop_after: int | None = None  # breaks off after as many bytes
    stalls: bool = False  # says nothing more after `stop_after`


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]


class _Httpd(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what many tests are about."""


class Server:
    """Gives its answers in turn; the last one again and again."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[Asked] = []
        self.released = threading.Event()
        self.httpd = _Httpd(("127.0.0.1", 0), _handler(self))
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.httpd.socket = context.wrap_socket(self.httpd.socket, server_side=True)
            self.scheme = "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.httpd.server_port}"

    def will(self, *answers: Answer, path: str = "*") -> None:
        self.answers[path] = list(answers)

    def next_answer(self, path: str) -> Answer:
        queue = self.answers.get(path) or self.answers.get("*") or [Answer(status=404)]
        return queue.pop(0) if len(queue) > 1 else queue[0]


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[Server]:
    server = Server(certificate)
    thread = threading.Thread(target=server.httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.httpd.shutdown()
        server.httpd.server_close()
        thread.join()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"server_of_answers": server})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of_answers: Server

    def do_GET(self) -> None:
        self.server_of_answers.asked.append(Asked(self.command, self.path, dict(self.headers)))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.reply(self.server_of_answers.next_answer(self.path))

    def do_POST(self) -> None:
        self.do_GET()

    def reply(self, answer: Answer) -> None:
        start = self.start_of_range(answer)
        body = answer.body[start or 0 :]
        self.send_response(answer.status if start is None else 206)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.etag:
            self.send_header("ETag", answer.etag)
        if start is not None:
            end, total = len(answer.body) - 1, len(answer.body)
            self.send_header("Content-Range", f"bytes {start}-{end}/{total}")
        if answer.with_length:
            self.send_header("Content-Length", str(len(body)))
        self.close_connection = not answer.with_length or answer.stop_after is not None
        self.end_headers()
        self.wfile.write(body[: answer.stop_after])
        self.wfile.flush()
        if answer.stalls:
            self.server_of_answers.released.wait()

    def start_of_range(self, answer: Answer) -> int | None:
        wanted = self.headers.get("Range")
        condition = self.headers.get("If-Range", answer.etag)
        if not (answer.ranges and wanted) or condition != answer.etag:
            return None
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def log_message(self, format: str, *args: object) -> None:
        pass


def make_certificate(folder: Path) -> Path:
    """Write key and certificate of 127.0.0.1, signed by itself, into one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "loopback.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path

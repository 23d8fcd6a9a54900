"""Documents at a URL: within bounds, and never from where nobody expects."""

import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from spacecloud.documents import download as module
from spacecloud.documents.download import download
from spacecloud.documents.read import read
from spacecloud.errors import InvalidSpec

PROJECT = b"type: project\nmeta: {project: lab}\nspec: {}\n"


class Files(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        match self.path:
            case "/lab.yaml":
                self.answer(200, PROJECT)
            case "/endless":
                self.send_response(200)
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(b"# " + b"x" * 65_536)
                except OSError:
                    return
            case "/moved":
                self.answer(302, b"", "/lab.yaml")
            case "/round":
                self.answer(302, b"", "/round")
            case "/file":
                self.answer(302, b"", "file:///etc/hostname")
            case _:
                self.answer(404, b"nothing")

    def answer(self, status: int, body: bytes, location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(10)


@pytest.mark.parametrize("path", ["/lab.yaml", "/moved"])
def test_documents_at_a_url_are_read_like_a_file(url: str, path: str) -> None:
    (document,) = read([url + path])

    assert document.name == "project lab"
    assert document.source == url + path


def test_no_more_is_read_than_a_file_may_have(url: str) -> None:
    assert len(download(f"{url}/endless", 1000)) == 1001
    with pytest.raises(InvalidSpec, match="larger than 5 MiB"):
        read([f"{url}/endless"])


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/nothing", "the server answers 404"),
        ("/round", "the server answers 302"),
        ("/file", "cannot read"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_reason(url: str, path: str, words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        read([url + path])


def test_a_url_where_nothing_answers_is_told() -> None:
    with pytest.raises(InvalidSpec, match="refused"):
        read(["http://127.0.0.1:1/a.yaml"])


def test_a_download_that_never_ends_is_given_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_SECONDS", 0.0)

    with pytest.raises(InvalidSpec, match="takes longer"):
        download(f"{url}/endless", 1 << 30)

"""Downloads against a local server that drops, lies, forgets and refuses."""

import contextlib
import hashlib
import http.server
import io
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from prunescope.data import fetch as module
from prunescope.data.fetch import digests, fetch, members, progress, record, record_all
from prunescope.errors import PrunescopeError

BODY = bytes(range(256)) * 2000  # 512,000 bytes
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()


class Server:
    """One way to answer per request, the last one again and again; remembers what was asked for."""

    def __init__(self, *answers: str):
        self.answers, self.asked, self.url = list(answers), [], ""

    def respond(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        if answer.isdigit():
            handler.send_response(int(answer))
            handler.send_header("Retry-After", "0")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        body = BODY[::-1] if answer == "wrong" else BODY + b"!" if answer == "long" else BODY
        start = 0
        if wanted and answer != "ignore range":
            start = int(wanted.removeprefix("bytes=").rstrip("-")) + (1 if answer == "shifted" else 0)
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            handler.send_response(200)
        handler.send_header("Content-Length", str(len(body) - start))
        handler.end_headers()
        # "drop" promises everything and hangs up after a third
        stop = start + len(body) // 3 if answer == "drop" else start if answer == "nothing" else len(body)
        handler.wfile.write(body[start:stop])


@contextlib.contextmanager
def serving(*answers: str) -> Iterator[Server]:
    served = Server(*answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.respond(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}/file.bin"
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def get(server: Server, path: Path, **changes) -> Path:
    return fetch(server.url, path, **({"size": len(BODY), "md5": MD5, "wait": 0.001, "hint": "Put it there."} | changes))


def test_a_file_comes_whole_and_is_not_fetched_twice(tmp_path):
    path = tmp_path / "cache" / "file.bin"
    with serving("ok") as server:
        assert get(server, path) == path == get(server, path)
        assert server.asked == [None]
    assert path.read_bytes() == BODY and [file.name for file in path.parent.iterdir()] == ["file.bin"]


def test_a_dropped_connection_is_resumed(tmp_path):
    with serving("drop", "drop", "ok") as server:
        get(server, tmp_path / "file.bin", attempts=2)  # fewer than the drops, but each brought something new
    # A third is 170,666 bytes, of which two packets of 65,536 are kept each time.
    assert server.asked == [None, "bytes=131072-", "bytes=262144-"]
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_killed_download_is_resumed_by_the_next_run(tmp_path):
    (tmp_path / "file.bin.part").write_bytes(BODY[:1000])
    with serving("ok") as server:
        get(server, tmp_path / "file.bin")
        assert server.asked == ["bytes=1000-"]
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize(
    ("answer", "asked"),
    [("ignore range", ["bytes=1000-"]), ("shifted", ["bytes=1000-", None]), ("416", ["bytes=1000-", None])],
)
def test_a_server_that_sends_another_range_starts_anew(tmp_path, answer, asked):
    (tmp_path / "file.bin.part").write_bytes(BODY[:1000])
    with serving(answer, "ok") as server:
        get(server, tmp_path / "file.bin")
        assert server.asked == asked
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(BODY), b"x" * (len(BODY) + 9)], ids=["part", "all", "more"])
def test_a_wrong_part_of_an_earlier_run_is_thrown_away(tmp_path, left):
    (tmp_path / "file.bin.part").write_bytes(left)
    with serving("ok") as server:
        get(server, tmp_path / "file.bin")
        assert server.asked[-1] is None
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_wrong_file_in_the_cache_is_replaced(tmp_path):
    (tmp_path / "file.bin").write_bytes(b"something else")
    with serving("ok") as server:
        get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("status", ["429", "500", "503", "408"])
def test_a_passing_trouble_is_asked_again(tmp_path, status):
    (tmp_path / "file.bin.part").write_bytes(BODY[:10])
    with serving(status, status, "ok") as server:
        get(server, tmp_path / "file.bin")
        assert len(server.asked) == 3
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize(("status", "times"), [("404", 1), ("403", 1), ("503", 3)])
def test_a_lasting_refusal_ends_with_what_to_do(tmp_path, status, times):
    with serving(status) as server:
        with pytest.raises(PrunescopeError, match=rf"could not download .*{status}.*Put it there\.$"):
            get(server, tmp_path / "file.bin", attempts=3)
        assert len(server.asked) == times
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("answer", ["wrong", "long"])
def test_wrong_bytes_are_not_kept(tmp_path, answer):
    with serving(answer) as server:
        with pytest.raises(PrunescopeError, match=rf"wanted 512,000 bytes with md5 {MD5}. Nothing was kept"):
            get(server, tmp_path / "file.bin")
        assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_never_gets_further_is_given_up(tmp_path):
    with serving("drop", "nothing") as server:
        with pytest.raises(PrunescopeError, match=r"What arrived is kept for the next run"):
            get(server, tmp_path / "file.bin", attempts=3)
        assert len(server.asked) == 3
    assert (tmp_path / "file.bin.part").read_bytes() == BODY[: 2 * module.PACKET]


def test_without_a_network_it_says_what_to_put_where(tmp_path):
    with serving("ok") as server:
        pass  # from here on nobody listens
    with pytest.raises(PrunescopeError, match=r"could not download http.*ConnectionError.*Put it there\.$"):
        get(server, tmp_path / "file.bin", attempts=2)


def test_a_full_disk_is_said_before_the_download(tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1 << 20})())
    with serving("ok") as server:
        with pytest.raises(PrunescopeError, match=r"download of file.bin needs 2,000 MB .* found 1 MB"):
            get(server, tmp_path / "file.bin", size=2_000_000_000)
        assert server.asked == []


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_is_a_bar_on_a_terminal_and_ten_lines_elsewhere(monkeypatch, terminal):
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with progress("cats", 1000, "images") as advance:
        for _ in range(1000):
            advance(1)
    lines = screen.getvalue().splitlines()
    if terminal:
        assert "cats: 100%" in screen.getvalue() and "\r" in screen.getvalue()
    else:
        assert len(lines) == 10 and lines[-1] == "cats: 1,000 of 1,000 images (100 %)"


def test_digests_and_records(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    # RFC 1321 and FIPS 180-2
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digests(tmp_path / "abc") == (3, "900150983cd24fb0d6963f7d28e17f72", sha256)
    about = {"name": "abc", "bytes": 3, "sha256": sha256}
    assert record(tmp_path / "abc") == about | {"official": False}
    assert record(tmp_path / "abc", md5="900150983cd24fb0d6963f7d28e17f72") == about | {"official": True}
    several = record_all("two", {"b": lambda: b"", "a": lambda: b"abc"})
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    listed = hashlib.sha256(f"{sha256}  a\n{empty}  b\n".encode()).hexdigest()
    assert several == {"name": "two", "files": 2, "bytes": 3, "sha256": listed, "official": False}


def test_members_of_a_folder_and_of_a_zip_read_alike(tmp_path):
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "a.txt").write_bytes(b"1")
    (tmp_path / "tree" / "sub" / "b.txt").write_bytes(b"2")
    with zipfile.ZipFile(tmp_path / "tree.zip", "w") as archive:
        archive.mkdir("sub")
        archive.writestr("a.txt", b"1")
        archive.writestr("sub/b.txt", b"2")
    with contextlib.ExitStack() as stack:
        for path in (tmp_path / "tree", tmp_path / "tree.zip"):
            found = {name: content() for name, content in members(path, stack).items()}
            assert found == {"a.txt": b"1", "sub/b.txt": b"2"}
        (tmp_path / "no.zip").write_bytes(b"PK but not really")
        with pytest.raises(PrunescopeError, match=r"no\.zip is not a whole zip archive"):
            members(tmp_path / "no.zip", stack)

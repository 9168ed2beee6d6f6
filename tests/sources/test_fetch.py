"""Downloads against a local server that drops, lies, forgets and refuses."""

import threading
from pathlib import Path

import pytest
from server_fakes import BODY, MD5, Server, serving

from prunescope.errors import PrunescopeError
from prunescope.sources import fetch as module
from prunescope.sources.checksums import Official
from prunescope.sources.fetch import fetch_all


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def get(server: Server, path: Path, size: int = len(BODY), **changes) -> Path:
    wanted = {path.name: Official(server.url, size, MD5)}
    return fetch_all(wanted, path.parent, **({"wait": 0.001, "hint": "Put it there."} | changes))[0]


def kept(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name != ".lock"]


def test_a_file_comes_whole_and_is_not_fetched_twice(tmp_path):
    path = tmp_path / "cache" / "file.bin"
    with serving("ok") as server:
        assert get(server, path) == path == get(server, path)
        assert server.asked == [None]
    assert path.read_bytes() == BODY and kept(path.parent) == ["file.bin"]


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
    assert kept(tmp_path) == []


def test_wrong_bytes_are_not_kept(tmp_path):
    with serving("wrong") as server:
        with pytest.raises(PrunescopeError, match=rf"wanted 512,000 bytes with md5 {MD5}. Nothing was kept"):
            get(server, tmp_path / "file.bin")
        assert len(server.asked) == 1
    assert kept(tmp_path) == []


@pytest.mark.parametrize(("answer", "offered"), [("long", "512,001"), ("short", "511,999"), ("portal", "19")])
def test_something_of_another_size_is_refused_and_overwrites_nothing(tmp_path, answer, offered):
    (tmp_path / "file.bin.part").write_bytes(BODY[:1000] if answer == "portal" else b"")
    with serving(answer) as server, pytest.raises(PrunescopeError, match=rf"offers {offered} bytes .* wanted 512,000"):
        get(server, tmp_path / "file.bin", attempts=2)
    assert (tmp_path / "file.bin.part").read_bytes() == (BODY[:1000] if answer == "portal" else b"")
    with serving("ok") as server:
        get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("answers", [("no length",), ("redirect", "ok"), ("stall", "ok"), ("redirect", "drop", "redirect", "ok")])
def test_unusual_ways_to_the_same_file(tmp_path, monkeypatch, answers):
    monkeypatch.setattr(module, "TIMEOUT", (1, 0.2))
    with serving(*answers) as server:
        get(server, tmp_path / "file.bin")
        assert len(server.asked) == len(answers)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_second_process_waits_and_finds_the_file(tmp_path, capsys):
    with serving("ok") as server:
        with module.FileLock(tmp_path / ".lock", thread_local=False) as lock:
            other = threading.Thread(target=get, args=(server, tmp_path / "file.bin"))
            other.start()
            while "waiting" not in capsys.readouterr().err:
                other.join(0.01)
            assert server.asked == []
            get_first = {"file.bin": Official(server.url, len(BODY), MD5)}
            lock.release(force=True)
        fetch_all(get_first, tmp_path)
        other.join()
        assert len(server.asked) == 1
    assert kept(tmp_path) == ["file.bin"]


def test_a_disk_that_takes_one_of_two_files_is_said_first(tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 100 << 20})())
    with serving("ok") as server:
        both = {name: Official(server.url, 60_000_000, MD5) for name in ("a.zip", "b.zip")}
        with pytest.raises(PrunescopeError, match=r"download of a\.zip, b\.zip needs 120 MB in .*, found 105 MB free"):
            fetch_all(both, tmp_path)
        assert server.asked == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError(13, "Permission denied")])
def test_a_disk_that_cannot_be_written_is_named(tmp_path, monkeypatch, error):
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(module.Path, "replace", refuse)
    with serving("ok") as server, pytest.raises(PrunescopeError, match=rf"could not download into .*: .*{error.strerror}"):
        get(server, tmp_path / "file.bin")


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

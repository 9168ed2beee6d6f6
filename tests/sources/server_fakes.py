"""A local server that answers downloads in unusual ways."""

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Iterator

BODY = bytes(range(256)) * 2000  # 512,000 bytes
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()


class Server:
    """One way to answer per request, the last one again and again; remembers what was asked for."""

    def __init__(self, *answers: str):
        self.answers, self.asked, self.url, self.ended = list(answers), [], "", threading.Event()

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
        if answer == "stall":
            handler.send_response(200)
            handler.end_headers()
            self.ended.wait(5)
            return
        if answer == "redirect":
            handler.send_response(302)
            handler.send_header("Location", "/elsewhere.bin")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        other = {"wrong": BODY[::-1], "long": BODY + b"!", "short": BODY[:-1], "portal": b"<html>Please log in"}
        body = other.get(answer, BODY)
        start = 0
        if wanted and answer not in ("ignore range", "portal"):
            start = int(wanted.removeprefix("bytes=").rstrip("-")) + (1 if answer == "shifted" else 0)
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            handler.send_response(200)
        if answer != "no length":
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
            served.ended.set()
            server.shutdown()
            thread.join()

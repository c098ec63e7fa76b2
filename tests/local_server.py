"""A web server on 127.0.0.1 that behaves as badly as it is told to, for the tests of `npmoji download`.

Every request for a path takes the next behaviour of that path's list; the last one stays. A behaviour is a function of
the handler and the file's content.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ETAG = '"one"'


class Server:
    """Serves ``files`` (path -> bytes); ``behaviours`` (path -> list of functions) say how; ``requests`` are all that
    came.

    Attributes:
        requests: (path, headers) of each.
        halted: set while some request is being kept waiting.
    """

    def __init__(self):
        self.files, self.behaviours, self.requests = {}, {}, []
        self.halted, self.closing = threading.Event(), threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.requests.append((self.path, self.headers))
                steps = outer.behaviours.get(self.path, [whole])
                behave = steps.pop(0) if len(steps) > 1 else steps[0]
                behave(self, outer.files.get(self.path))
                self.close_connection = True

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.outer, self._server.daemon_threads = self, False
        self._server.handle_error = lambda *_: None  # clients that go away in the middle are what is being tested
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def asked(self, path):
        """The headers of each request for that path."""
        return [headers for name, headers in self.requests if name == path]


def head(handler, code, length=None, **headers):
    """Status and headers; underscores in their names are hyphens."""
    handler.send_response(code)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def requested(handler, content):
    """(start, code) of the range that is asked for on a condition that holds, else of everything."""
    asked = handler.headers.get("Range", "")
    if asked and handler.headers.get("If-Range") == ETAG:
        return int(asked.removeprefix("bytes=").partition("-")[0]), 206
    return 0, 200


def begin(handler, content):
    """Send what goes before the body, and give the body: the whole or the range asked for."""
    if content is None:
        handler.send_error(404)
        return b""
    start, code = requested(handler, content)
    if start and start >= len(content):
        head(handler, 416, 0, Content_Range=f"bytes */{len(content)}")
        return b""
    ranged = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if code == 206 else {}
    head(handler, code, len(content) - start, ETag=ETAG, **ranged)
    return content[start:]


def whole(handler, content):
    """As it should be."""
    handler.wfile.write(begin(handler, content))


def cut(size):
    """Send some bytes of those announced and hang up."""
    return lambda handler, content: handler.wfile.write(begin(handler, content)[:size])


def stall(size):
    """Send some bytes of those announced, then nothing."""

    def behave(handler, content):
        handler.wfile.write(begin(handler, content)[:size])
        handler.wfile.flush()
        handler.server.outer.halted.set()
        handler.server.outer.closing.wait(60)

    return behave


def silent(handler, content):
    """No answer at all."""
    handler.server.outer.halted.set()
    handler.server.outer.closing.wait(60)


def hang_up(handler, content):
    """Close the connection without a word."""


def unranged(size=None):
    """No notion of ranges: all from the start, or some bytes of it; with an ETag all the same."""

    def behave(handler, content):
        head(handler, 200, len(content), ETag=ETAG)
        handler.wfile.write(content[:size])

    return behave


def unmarked(size=None):
    """Neither ETag nor date."""

    def behave(handler, content):
        head(handler, 200, len(content))
        handler.wfile.write(content[:size])

    return behave


def chunked(size=None):
    """No length: chunks of 1000 bytes, and the last one missing if some bytes only are to be sent."""

    def behave(handler, content):
        head(handler, 200, Transfer_Encoding="chunked")
        for start in range(0, len(content[:size]), 1000):
            chunk = content[start : start + 1000]
            handler.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n" if size is None else b"")

    return behave


def dated(size=None):
    """A date and an ETag that does not promise equal bytes; ranges on the condition of either."""

    def behave(handler, content):
        date = "Tue, 01 Aug 2017 12:00:00 GMT"
        asked = handler.headers.get("Range") if handler.headers.get("If-Range") in ('W/"one"', date) else None
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        ranged = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if asked else {}
        head(handler, 206 if asked else 200, len(content) - start, ETag='W/"one"', Last_Modified=date, **ranged)
        handler.wfile.write(content[start:][:size])

    return behave


def until_close(handler, content):
    """No length at all: the end is where the connection ends."""
    head(handler, 200)
    handler.wfile.write(content)


def answer(code, body=b"", length=None, **headers):
    """Just that."""

    def behave(handler, content):
        head(handler, code, len(body) if length is None else length, **headers)
        handler.wfile.write(body)

    return behave


def redirect(location, code=302):
    """To there."""
    return answer(code, Location=location)

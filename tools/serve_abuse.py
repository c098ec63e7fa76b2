"""Bad requests of all kinds for `npmoji serve`, as `bench_serve.py --abuse N` sends them: what a confused or hostile
client could do, made from a seed. Good requests between them must be answered all the time.
"""

from __future__ import annotations

import collections
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from serve_clients import request

if TYPE_CHECKING:
    from bench_serve import Server

#: of the server: short times, so that slow clients are met with them
OPTIONS = ("--read-timeout", "2", "--keep-alive", "2", "--max-body", "65536", "--timeout", "10")
TIMEOUT = 20  # seconds that any answer may take
GOOD = b'{"texts": ["I love mom\'s cooking"]}'
THREADS = 8
Send = Callable[[socket.socket, int, random.Random], None]


def raw(make: Callable[[int, random.Random], bytes]) -> Send:
    """A kind that only sends something."""
    return lambda connection, port, rng: connection.sendall(make(port, rng))


def body(make: Callable[[random.Random], bytes], path: str = "") -> Send:
    """A kind whose body is bad."""
    paths = [path] if path else ["/score", "/encode", "/explain"]
    return raw(lambda port, rng: request(make(rng), port, rng.choice(paths)))


def head(*lines: str) -> Send:
    """A kind whose head is bad; {port} stands for the port."""
    text = "\r\n".join([*lines, "", ""])
    return raw(lambda port, rng: text.replace("{port}", str(port)).encode())


def line(method: str, path: str) -> bytes:
    """A request without a body."""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def texts(*found: str, **more: Any) -> bytes:
    """A body of texts."""
    return json.dumps({"texts": found, **more}).encode()


def broken(rng: random.Random) -> bytes:
    """JSON with some bytes missing, doubled or changed."""
    found = bytearray(GOOD)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(found))
        found[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
    return bytes(found)


def odd(rng: random.Random) -> bytes:
    """JSON of wrong types."""
    values: list[Any] = [
        None,
        True,
        5,
        -1,
        1e308,
        10**400,
        "text",
        [],
        {},
        [None],
        [[]],
        [["a"]],
        [5],
        ["a", None],
        "\ud800",
    ]
    names = ["texts", "top", "target", "", "text", "__proto__"]
    return json.dumps({rng.choice(names): rng.choice(values) for _ in range(rng.randint(0, 3))}).encode()


def slow(connection: socket.socket, port: int, rng: random.Random) -> None:
    """One byte after the other, until the server has enough of it."""
    data = request(GOOD, port)
    for at in range(min(len(data) - 1, rng.randint(10, 100))):
        connection.sendall(data[at : at + 1])
        time.sleep(0.05)


def gone(connection: socket.socket, port: int, rng: random.Random) -> None:
    """A good request, and a reset before the answer."""
    connection.sendall(request(GOOD, port, rng.choice(["/score", "/explain"])))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def half_closed(connection: socket.socket, port: int, rng: random.Random) -> None:
    """A part of a request, or all of it, and then the end."""
    data = request(GOOD, port)
    connection.sendall(data[: rng.randint(0, len(data))])
    connection.shutdown(socket.SHUT_WR)


def unread(connection: socket.socket, port: int, rng: random.Random) -> None:
    """A large answer that is not taken."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(request(texts(*["so"] * 200), port, "/encode"))
    time.sleep(rng.random())


POST = "POST /score HTTP/1.1"
HOST, JSON = "Host: 127.0.0.1:{port}", "Content-Type: application/json"
#: what is sent, by name
KINDS: dict[str, Send] = {
    "broken JSON": body(broken),
    "wrong types": body(odd),
    "random bytes in a body": body(lambda rng: rng.randbytes(rng.randint(0, 2000))),
    "deep nesting": body(lambda rng: b'{"texts": ' + b"[" * rng.choice([500, 5_000, 50_000]) + b"}"),
    "a name twice": body(lambda rng: b'{"texts": ["a"], "texts": ["b"]}'),
    "not UTF-8": body(lambda rng: '{"texts": ["é"]}'.encode(rng.choice(["latin-1", "utf-16", "utf-8-sig"]))),
    "too many texts": body(lambda rng: texts(*["a"] * 5_000)),
    "a text too long": body(lambda rng: texts("a " * 20_000)),
    "odd characters": body(lambda rng: texts("\ud800\x00\u202e" + chr(rng.randrange(0x10FFFF)))),
    "bad top": body(lambda rng: b'{"texts": ["a"], "top": %d}' % rng.choice([0, -1, -(10**300)]), "/score"),
    "bad target": body(lambda rng: texts("a", target=rng.choice(["?", 64, "x" * 9999])), "/explain"),
    "too large": body(lambda rng: b" " * rng.choice([70_000, 1_000_000])),
    "random bytes": raw(lambda port, rng: rng.randbytes(rng.randint(1, 3000))),
    "a huge header": raw(lambda port, rng: b"GET / HTTP/1.1\r\nX: " + b"a" * rng.choice([10_000, 200_000])),
    "no end": raw(lambda port, rng: request(GOOD, port)[: rng.randint(0, 150)]),
    "bad Host": head("GET /info HTTP/1.1", "Host: evil.example:{port}"),
    "no Host": head("GET /info HTTP/1.1"),
    "two Hosts": head("GET /info HTTP/1.1", HOST, "Host: evil.example"),
    "another page": head(POST, HOST, JSON, "Origin: http://evil.example", "Content-Length: 0"),
    "no type": head(POST, HOST, "Content-Length: 2", "", "{}"),
    "no length": head(POST, HOST, JSON),
    "two lengths": head(POST, HOST, JSON, "Content-Length: 2", "Content-Length: 3", "", "{}"),
    "a false length": head(POST, HOST, JSON, "Content-Length: -5"),
    "length and chunks": head(POST, HOST, JSON, "Content-Length: 2", "Transfer-Encoding: chunked", "", "{}"),
    "bad chunks": head(POST, HOST, JSON, "Transfer-Encoding: chunked", "", "zz", "{}"),
    "endless chunks": head(POST, HOST, JSON, "Transfer-Encoding: chunked", "", *["400", "a" * 1024] * 100),
    "compressed": head(POST, HOST, JSON, "Content-Encoding: gzip", "Content-Length: 2", "", "{}"),
    "upgrade": head("GET / HTTP/1.1", HOST, "Connection: Upgrade", "Upgrade: websocket"),
    "odd methods": raw(lambda port, rng: line(rng.choice(["BREW", "PUT", "TRACE", "OPTIONS"]), "/score")),
    "odd paths": raw(lambda port, rng: line("GET", rng.choice(["/../a", "//", "/%00", "/score/", "*", "http://a/"]))),
    "pipelined": raw(lambda port, rng: request(GOOD, port) * rng.randint(2, 20)),
    "pipelined nonsense": raw(lambda port, rng: request(GOOD, port) + rng.randbytes(100)),
    "half-closed": half_closed,
    "gone": gone,
    "slow": slow,
    "unread": unread,
}  # fmt: skip
RARE = ("slow", "unread", "no end", "no length")  # those that take the server's patience


def once(kind: str, port: int, rng: random.Random) -> str:
    """Send one of that kind; the status that came back, or what came instead."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
            KINDS[kind](connection, port, rng)
            if connection.fileno() < 0:
                return "-"
            answer = connection.recv(65536)
    except TimeoutError:
        return "NO ANSWER"
    except OSError:
        return "closed"
    return answer.split(b" ", 2)[1].decode() if answer.startswith(b"HTTP/1.1 ") else "nothing" if not answer else "?"


def good(port: int) -> bytes:
    """The answer to a good request."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        connection.sendall(request(GOOD, port).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer.partition(b"\r\n\r\n")[2]


def send(port: int, count: int, seed: int, found: collections.Counter[tuple[str, str]], wrong: list[bytes]) -> None:
    """So many bad requests, and a good one after every twenty."""
    rng, expected = random.Random(seed), good(port)
    for number in range(count):
        kind = rng.choice(list(KINDS))
        if kind in RARE and rng.random() < 0.8:
            kind = "broken JSON"
        found[kind, once(kind, port, rng)] += 1
        if number % 20 == 0 and (answer := good(port)) != expected:
            wrong.append(answer)


def report(running: Server, count: int) -> int:
    """Send them all, from several threads, and print what came of it; 1 if the server did something it must not."""
    found: collections.Counter[tuple[str, str]] = collections.Counter()
    wrong: list[bytes] = []
    memory = []
    start = time.perf_counter()
    for part in range(10):
        size = max(1, count // 10 // THREADS)
        arguments = [(running.port, size, part * THREADS + number, found, wrong) for number in range(THREADS)]
        threads = [threading.Thread(target=send, args=some) for some in arguments]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        memory.append(running.memory())
    seconds = time.perf_counter() - start
    for kind in KINDS:
        codes = {code: number for (name, code), number in sorted(found.items()) if name == kind}
        print(f"{kind:24}", ", ".join(f"{code} x {number:,}" for code, number in codes.items()))
    written = running.log.read_text(errors="replace").splitlines()[1:]
    alive = running.process.poll() is None and not wrong
    silent = sum(number for (_, code), number in found.items() if code in ("NO ANSWER", "500"))
    print(f"\n{sum(found.values()):,} bad requests in {seconds:.0f} s; memory after each tenth, MiB: {memory}")
    print(f"good requests answered wrongly: {len(wrong)}; lines on standard error: {len(written)}")
    for line in written[:10]:
        print(f"  {line}")
    traced = any("Traceback" in line for line in written)
    print("the server still runs" if alive else "the server failed", "with tracebacks" if traced else "")
    return int(not alive or traced or silent > 0)

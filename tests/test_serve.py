"""`npmoji serve` over the network: a server on a loopback port, in a thread of this process or in one of its own."""

import concurrent.futures
import contextlib
import http.client
import json
import re
import shlex
import signal
import socket
import sys
import threading
import time

import numpy as np
import pytest
from conftest import ROOT
from serving import served
from test_cli import run
from test_docs import blocks

import npmoji
from npmoji import initialisers
from npmoji.classes import shortest
from npmoji.formats import Contents
from npmoji.graph import Graph
from npmoji.serve.guards import HEADERS
from npmoji.serve.hosts import Hosts
from npmoji.serve.limits import Limits
from npmoji.serve.openapi import ERRORS

for _module in ("starlette", "uvicorn"):
    pytest.importorskip(_module, reason="needs the server: pip install '.[serve]'")

from npmoji.serve.server import Server, bound

TEXTS = [
    "I love mom's cooking",
    "this is the worst day ever !",
    "lol",
    "",
    'a "b" \\ \u2028 \x00',
    "naïve 😋 ⅻ",
    "so " * 40,
]
SECRET = "zorblax"
JSON = {"Content-Type": "application/json"}


class Running:
    """A server in a thread.

    Attributes:
        allowed: computing waits while it is not set.
        begun: released for each batch that begins.
        batches: the rows of each.
    """

    def __init__(self, model, limits=None, log=False):
        self.server = Server(model, Hosts("127.0.0.1"), limits or Limits(), log)
        self.allowed, self.begun, self.batches = threading.Event(), threading.Semaphore(0), []
        self.allowed.set()
        self.failing = None
        batcher = self.server.service.batcher
        self._compute, batcher._compute = batcher._compute, self._gated
        self.listener = bound("127.0.0.1", 0)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))
        self.thread.start()
        until(lambda: self.server.started)

    def _gated(self, tokens, what):
        self.batches.append(len(tokens))
        self.begun.release()
        assert self.allowed.wait(30)
        if self.failing:
            raise self.failing
        return self._compute(tokens, what)

    def ask(self, method, path, body=None, headers=None):
        """Status, headers and body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def post(self, path, value, **headers):
        """The same for JSON."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask("POST", path, body, JSON | headers)

    def send(self, data):
        """A connection on which this has been sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(data)
        return connection

    def figures(self):
        """What /info says of the queue."""
        return json.loads(self.ask("GET", "/info")[2])["queue"]

    def stop(self):
        """As a signal does."""
        self.allowed.set()
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()


def until(reached):
    """Wait until something is so."""
    for _ in range(3000):
        if reached():
            return
        time.sleep(0.01)
    raise AssertionError("did not happen within half a minute")


def raw(path, body, port, *lines):
    """The bytes of a POST."""
    head = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json", *lines]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


def received(connection):
    """All that comes until the server closes."""
    with connection:
        data = b""
        while piece := connection.recv(65536):
            data += piece
        return data


@pytest.fixture(scope="module")
def model():
    return npmoji.load(engine="numba")


@pytest.fixture(scope="module")
def server(model):
    running = Running(model, Limits(max_body=50_000, max_texts=40, read_timeout=20))
    yield running
    running.stop()


@pytest.fixture()
def start(model):
    """Starts a server with other limits."""
    started = []

    def make(log=False, model=model, **limits):
        started.append(Running(model, Limits(**limits), log))
        return started[-1]

    yield make
    for running in started:
        running.stop()


# Answers -------------------------------------------------------------------------------------------------------------


def test_scores_are_the_lines_of_the_command(server, capfd, tmp_path):
    texts = [text for text in TEXTS if text and "\x00" not in text]
    assert run("score", "--engine", "numba", "--format", "jsonl", "--top", 3, *texts) == 0
    lines = capfd.readouterr().out.split("\n")[:-1]
    status, headers, body = server.post("/score", {"texts": texts, "top": 3})
    assert (status, headers["content-type"]) == (200, "application/json")
    assert body.decode() == f'{{"results": [{", ".join(lines)}]}}\n'


def test_features_are_those_of_encode(server, model):
    _, _, body = server.post("/encode", {"texts": TEXTS})
    found = json.loads(body)["features"]
    assert np.array_equal(np.float32(found), model.encode(TEXTS))
    assert found[0][0] == shortest(model.encode(TEXTS)[0, 0])


@pytest.mark.parametrize("target", [None, "joy", 3, "😂"])
def test_explanations_are_those_of_the_model(server, model, target):
    _, _, body = server.post("/explain", {"texts": TEXTS, "target": target, "top": 2})
    expected = [explanation.as_dict(2) for explanation in model.explain(TEXTS, target)]
    assert json.loads(body) == {"results": expected}


def test_no_texts_and_more_classes_than_there_are(server):
    for path, name in (("/score", "results"), ("/encode", "features"), ("/explain", "results")):
        assert json.loads(server.post(path, {"texts": []})[2]) == {name: []}
    (result,) = json.loads(server.post("/score", {"texts": ["a"], "top": 1000})[2])["results"]
    assert len(result["emojis"]) == 64


def test_a_text_that_is_no_unicode_is_answered_in_valid_json(server):
    body = server.post("/score", b'{"texts": ["\\ud83d lol"]}')[2]
    assert json.loads(body.decode("utf-8"))["results"][0]["text"] == "\ud83d lol"
    assert b'"\\ud83d lol"' in body


def test_64_clients_at_once_get_the_same_bytes_as_one_after_the_other(start):
    server = start(max_batch=16)
    texts = [f"{text} {number}" for number in range(16) for text in TEXTS[:4]]
    asked = []
    for number, text in enumerate(texts):
        path = ("/score", "/encode", "/explain")[number % 3]
        value = {"texts": [text, *texts[: number % 5]]}
        asked.append((path, value if path != "/explain" else {**value, "target": number % 64}))
    alone = [server.post(path, value) for path, value in asked]
    server.batches.clear()
    ready = threading.Barrier(len(asked))

    def client(path, value):
        ready.wait(30)
        return [server.post(path, value)[::2] for _ in range(2)]

    with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
        together = list(pool.map(lambda some: client(*some), asked))
    assert together == [[some[::2]] * 2 for some in alone]
    assert {status for status, _, _ in alone} == {200}
    rows = [1 + number % 5 for number, (path, _) in enumerate(asked) if path != "/explain"]
    assert max(server.batches) == 16 and len(server.batches) < 2 * sum(rows)


def test_with_the_reference_engine_each_request_is_computed_alone(start):
    model = npmoji.load(engine="numpy")
    server = start(model=model, max_batch=2)
    server.allowed.clear()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(server.post, "/encode", {"texts": TEXTS}) for _ in range(4)]
        until(lambda: server.figures()["waiting_requests"] == 3)
        server.allowed.set()
        found = {answer.result()[2] for answer in answers}
    assert len(found) == 1 and server.batches == [len(TEXTS)] * 4
    assert np.array_equal(np.float32(json.loads(found.pop())["features"]), model.encode(TEXTS))


def test_a_network_without_attention_or_emojis_answers_what_it_can(start):
    rng = np.random.default_rng(0)
    words = npmoji.Embedding(npmoji.Input(vocabulary_size=60), *initialisers.embedding(rng, 60, 8), mask_zero=True)
    last = npmoji.Dense(npmoji.MaskedMean(words), *initialisers.dense(rng, 8, 2), activation="softmax")
    tokenizer = npmoji.Tokenizer({"CUSTOM_MASK": 0, "CUSTOM_UNKNOWN": 1, "good": 10, "bad": 11}, maxlen=5)
    file = Contents("C:/private/mine.h5", {}, classes=["for", "against"])
    model = npmoji.Model(Graph([words.previous[0], words, last.previous[0], last], [last]), tokenizer, file=file)
    model.engine = "numba"
    server = start(model=model)
    (result,) = json.loads(server.post("/score", {"texts": ["good"], "top": 1})[2])["results"]
    assert result["emojis"][0].keys() == {"id", "emoji", "label", "p"}
    (result,) = json.loads(server.post("/explain", {"texts": ["good bad"], "target": "against"})[2])["results"]
    assert result == model.explain(["good bad"], "against")[0].as_dict()
    assert [word["attention"] for word in result["words"]] == [None, None]
    status, _, body = server.post("/encode", {"texts": ["good"]})
    assert status == 422 and "no layer AttentionWeightedAverage" in json.loads(body)["error"]
    assert b"private" not in body + server.ask("GET", "/info")[2]


# What is only looked at ----------------------------------------------------------------------------------------------


def test_health_and_info(server, model):
    assert json.loads(server.ask("GET", "/health")[2]) == {"status": "ok"}
    info = json.loads(server.ask("GET", "/info")[2])
    assert (info["model"], info["engine"], info["features"]) == ("deepmoji_small.hdf5", "numba", model.features)
    assert info["class_names"] == model.class_names and info["limits"]["max_body"] == 50_000
    assert info["version"] == npmoji.__version__ and info["queue"]["waiting_rows"] == 0


@pytest.mark.parametrize(
    "path, kind",
    [
        ("/", "text/html"),
        ("/page.js", "text/javascript"),
        ("/style.css", "text/css"),
        ("/favicon.svg", "image/svg+xml"),
    ],
)
def test_files_are_sent_once(server, path, kind):
    status, headers, body = server.ask("GET", path)
    assert status == 200 and headers["content-type"].startswith(kind) and headers["cache-control"] == "no-cache"
    again, _, nothing = server.ask("GET", path, headers={"If-None-Match": headers["etag"]})
    assert (again, nothing) == (304, b"")
    assert server.ask("HEAD", path)[::2] == (200, b"") and len(body) == int(headers["content-length"])


def test_all_that_the_pages_load_is_there(server):
    for page in ("/", "/docs"):
        text = server.ask("GET", page)[2].decode()
        links = re.findall(r'(?:href|src)="([^"]*)"', text)
        assert len(links) > 3 and "<style" not in text and not re.search(r"<script>| on\w+=| style=", text)
        for link in links:
            assert ":" not in link and not link.startswith("//"), link
            assert server.ask("GET", f"/{link}".replace("/./", "/"))[0] == 200, link


def test_the_description_says_what_is_there(server):
    api = json.loads(server.ask("GET", "/openapi.json")[2])
    assert api["openapi"] == "3.1.0"
    for path, methods in api["paths"].items():
        for method, call in methods.items():
            example = call["requestBody"]["content"]["application/json"]["example"] if method == "post" else None
            status, _, body = server.ask(method.upper(), path, example and json.dumps(example), JSON if example else {})
            assert status == 200
            schema = call["responses"]["200"]["content"]["application/json"]["schema"]
            check(json.loads(body), schema, api["components"]["schemas"])
            if method == "post":
                wanted = call["requestBody"]["content"]["application/json"]["schema"]
                assert wanted["properties"]["texts"]["maxItems"] == 40


def check(value, schema, known):
    """Raise an AssertionError unless a value fits a schema."""
    if "$ref" in schema:
        return check(value, known[schema["$ref"].rpartition("/")[2]], known)
    for part in schema.get("allOf", ()):
        check(value, part, known)
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert any(value is None if name == "null" else isinstance(value, kinds[name]) for name in names), schema
    for name in schema.get("required", ()):
        assert name in value
    for name, part in schema.get("properties", {}).items():
        if name in value:
            check(value[name], part, known)
    for item in value if "items" in schema else ():
        check(item, schema["items"], known)


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method, path, body, headers, status",
    [
        ("POST", "/score", b"{", JSON, 400),
        ("POST", "/score", b'{"texts": [5]}', JSON, 400),
        ("POST", "/score", b"{}", JSON | {"Content-Type": "text/plain"}, 415),
        ("POST", "/score", b"{}", {}, 415),
        ("POST", "/score", b"{}", JSON | {"Content-Encoding": "gzip"}, 415),
        ("POST", "/score", b" " * 50_001, JSON, 413),
        ("POST", "/score", iter([b" " * 40_000, b" " * 40_000]), JSON, 413),
        ("POST", "/score", json.dumps({"texts": ["a"] * 41}), JSON, 422),
        ("POST", "/score", json.dumps({"texts": ["a" * 10_001]}), JSON, 422),
        ("POST", "/explain", b'{"texts": ["a"], "target": "no such class"}', JSON, 422),
        ("POST", "/explain", b'{"texts": [], "target": 64}', JSON, 422),
        ("GET", "/score", None, {}, 405),
        ("DELETE", "/", None, {}, 405),
        ("OPTIONS", "/score", None, {"Origin": "http://evil.example"}, 403),
        ("GET", "/nothing", None, {}, 404),
        ("GET", "/score/", None, {}, 404),
        ("GET", "/../setup.cfg", None, {}, 404),
        ("GET", "/page.py", None, {}, 404),
        ("GET", "/", None, {"Host": "evil.example"}, 400),
        ("POST", "/score", b'{"texts": []}', JSON | {"Origin": "http://evil.example"}, 403),
        ("POST", "/score", b'{"texts": []}', JSON | {"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_bad_request_is_refused_in_one_line(server, method, path, body, headers, status):
    found, answer, content = server.ask(method, path, body, headers)
    assert found == status and status in ERRORS
    assert answer["content-type"] == "application/json"
    error = json.loads(content)
    assert list(error) == ["error"] and error["error"] and "\n" not in error["error"]
    assert not any(name.lower().startswith("access-control") for name in answer)


def test_what_is_no_http_is_refused_too(server):
    for data in (
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 99_999,
    ):
        head, _, body = received(server.send(data)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ") and json.loads(body) == {"error": "the request is not valid HTTP"}


def test_every_answer_has_the_headers(server):
    asked = [server.ask("GET", path)[1] for path in ("/", "/health", "/nothing", "/page.js")]
    asked += [server.post("/score", {"texts": []})[1], server.ask("GET", "/", headers={"Host": "a"})[1]]
    asked.append(dict(line.split(": ", 1) for line in received(server.send(b"x\r\n\r\n")).decode().split("\r\n")[1:-2]))
    for headers in asked:
        headers = {name.lower(): value for name, value in headers.items()}
        assert {name: headers.get(name) for name in HEADERS} == HEADERS
        assert "cache-control" in headers and "server" not in headers


def test_a_full_queue_and_a_late_answer(start):
    server = start(queue=20, timeout=1)
    server.allowed.clear()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(server.post, "/score", {"texts": ["a"]})
        assert server.begun.acquire(timeout=10)
        second = pool.submit(server.post, "/score", {"texts": ["a"] * 15})
        until(lambda: server.figures()["waiting_rows"] == 15)
        status, headers, body = server.post("/score", {"texts": ["a"] * 6})
        assert status == 429 and int(headers["retry-after"]) >= 1 and "waiting" in json.loads(body)["error"]
        for late in (first, second):
            status, headers, body = late.result()
            assert status == 503 and "retry-after" in headers and "more than 1 s" in json.loads(body)["error"]
    assert server.figures()["waiting_rows"] == 0  # nobody waits for them
    server.allowed.set()
    assert server.post("/score", {"texts": ["a"]})[0] == 200
    status, _, body = server.post("/explain", {"texts": ["a b c"] * 6})
    assert status == 422 and "24 rows" in json.loads(body)["error"]


def test_few_large_bodies_are_held_at_a_time(start, monkeypatch):
    monkeypatch.setattr("npmoji.serve.app.HELD", 2)
    server = start(max_body=1000)
    server.allowed.clear()
    body = json.dumps({"texts": ["a" * 900]}).encode()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = [pool.submit(server.post, "/score", body) for _ in range(2)]
        until(lambda: server.server.service._held == 2 * len(body))
        status, headers, answer = server.post("/score", body)
        assert status == 429 and "retry-after" in headers and "large" in json.loads(answer)["error"]
        server.allowed.set()
        assert {answer.result()[0] for answer in first} == {200}
    assert server.server.service._held == 0
    assert server.post("/score", body)[0] == 200


def test_a_client_that_left_is_not_computed(start):
    server = start()
    server.allowed.clear()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.post, "/score", {"texts": ["a"]})
        assert server.begun.acquire(timeout=10)
        gone = server.send(raw("/score", b'{"texts": ["a", "b", "c"]}', server.port))
        until(lambda: server.figures()["waiting_rows"] == 3)
        gone.close()
        until(lambda: server.figures()["waiting_rows"] == 0)
        server.allowed.set()
        assert first.result()[0] == 200
    assert server.post("/score", {"texts": ["a"] * 7})[0] == 200
    assert server.batches == [1, 7]


def test_a_failure_is_one_line_without_any_text(start, capfd):
    server = start()
    server.failing = ValueError(f"cannot compute {SECRET}")
    status, _, body = server.post("/score", {"texts": [SECRET]})
    assert status == 500 and SECRET not in body.decode() and list(json.loads(body)) == ["error"]
    server.failing = None
    assert server.post("/score", {"texts": [SECRET]})[0] == 200
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[0].startswith("npmoji: serving on http://127.0.0.1:")
    assert re.fullmatch(r"npmoji: error: POST /score: ValueError in test_serve.py, line \d+", lines[1])


def test_the_log_says_nothing_of_a_text(start, capfd):
    server = start(log=True)
    server.post(f"/score?text={SECRET}", {"texts": [SECRET, "b"]}, Referer=SECRET)
    server.post("/score", {SECRET: SECRET})
    server.ask("GET", f"/{SECRET}")
    server.ask(SECRET.upper(), "/")
    lines = capfd.readouterr().err.splitlines()[1:]
    expected = ["POST /score 200 T ms 2 texts", "POST /score 400 T ms", "GET - 404 T ms", "- - 405 T ms"]
    assert [re.sub(r"\d+\.\d", "T", line) for line in lines] == [f"npmoji: {line}" for line in expected]


# Connections ---------------------------------------------------------------------------------------------------------


def test_slow_clients_are_ended(start):
    server = start(read_timeout=1, keep_alive=1)
    head = f"POST /score HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n".encode()
    for sent in (head, head + b"Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"):
        answer = received(server.send(sent))
        assert answer.startswith(b"HTTP/1.1 408 ") and b'{"error": "the request took more than 1 s' in answer
    assert received(server.send(b"")) == b""  # one that says nothing at all
    whole = raw("/score", b'{"texts": []}', server.port)
    answer = received(server.send(whole + whole[:30]))  # one that has its answer, and begins another request
    assert answer.count(b"HTTP/1.1 200 ") == 1
    answer = received(server.send(whole + raw("/score", b'{"texts": ["a"]}', server.port)[:-1]))
    assert answer.count(b"HTTP/1.1 200 ") == 1 and answer.count(b"HTTP/1.1 408 ") == 1


def test_an_answer_that_is_not_taken_is_given_up(start):
    server = start(read_timeout=1)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", server.port))
    body = json.dumps({"texts": ["a"] * 256}).encode()
    with connection:
        connection.sendall(raw("/encode", body, server.port) * 3)
        until(lambda: server.server.server_state.connections)
        until(lambda: not server.server.server_state.connections)
    assert server.post("/score", {"texts": []})[0] == 200


def test_pipelined_requests_are_answered_in_turn(server):
    bodies = [json.dumps({"texts": [text]}).encode() for text in TEXTS[:3]]
    *data, last = (raw("/score", body, server.port) for body in bodies)
    last = last.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    answer = received(server.send(b"".join([*data, last])))
    expected = [server.post("/score", body)[2] for body in bodies]
    assert re.findall(rb"\r\n\r\n(\{.*\}\n)", answer) == expected


def test_connections_beyond_the_limit_are_told(start):
    server = start(connections=2)
    with server.send(b""), server.send(b""):
        until(lambda: len(server.server.server_state.connections) == 2)
        status, headers, body = server.ask("GET", "/health")
        assert status == 503 and headers["connection"] == "close" and "retry-after" in headers
        assert json.loads(body) == {"error": "too many connections"}
    until(lambda: not server.server.server_state.connections)
    assert server.ask("GET", "/health")[0] == 200


def test_a_refused_body_does_not_cut_off_its_answer(server):
    """A client that sends all before it reads must not find a closed connection."""
    last = raw("/score", b" " * 5_000_000, server.port, "Connection: close")
    assert received(server.send(last)).startswith(b"HTTP/1.1 413 ")
    connection = server.send(raw("/score", b" " * 5_000_000, server.port))
    with connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
        connection.sendall(raw("/score", b'{"texts": []}', server.port))
        assert b'{"results": []}' in connection.recv(65536)


# Its end -------------------------------------------------------------------------------------------------------------


def test_what_is_queued_is_answered_before_the_end(start):
    server = start()
    server.allowed.clear()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(server.post, "/score", {"texts": ["a"]})]
        assert server.begun.acquire(timeout=10)
        answers += [pool.submit(server.post, "/score", {"texts": [text]}) for text in "bc"]
        until(lambda: server.figures()["waiting_requests"] == 2)
        server.server.should_exit = True
        until(lambda: not listening(server.port))
        assert not any(answer.done() for answer in answers)
        server.allowed.set()
        assert {answer.result()[0] for answer in answers} == {200}
    server.stop()


def test_what_takes_too_long_for_the_end_is_refused(start):
    server = start(drain=1)
    server.allowed.clear()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        pool.submit(server.post, "/score", {"texts": ["a"]})
        assert server.begun.acquire(timeout=10)
        second = pool.submit(server.post, "/score", {"texts": ["b"]})
        until(lambda: server.figures()["waiting_requests"] == 1)
        server.server.should_exit = True
        until(lambda: server.server.service.batcher._closed)
        server.allowed.set()
        status, _, body = second.result()
    assert status == 503 and json.loads(body) == {"error": "the server is shutting down"}


def listening(port):
    """Whether a connection is taken."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_success(number):
    with served() as server:
        process = server.process
        with socket.create_connection(("127.0.0.1", server.port)) as idle:
            idle.sendall(raw("/score", b'{"texts": ["a"]}', server.port))
            assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
            process.send_signal(number)
            assert process.wait(30) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("", "")


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="needs the checkout's docs")
def test_the_examples_of_the_page(server):
    page = ROOT / "docs" / "serving.md"
    shown = re.findall(r"^\$ curl (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks(page, "console")), flags=re.MULTILINE)
    assert len(shown) > 2
    for command, answer in shown:
        url, *options = shlex.split(command)
        options = dict(zip(options[::2], options[1::2]))
        body = server.ask("POST", url.partition(":8000")[2], options["-d"], dict([options["-H"].split(": ")]))[2]
        assert body.decode() == answer.strip().replace("\n", " ") + "\n"


# The command ---------------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_told_in_one_line(server, capfd):
    assert run("serve", "--port", server.port) == 2
    error = capfd.readouterr().err
    assert re.fullmatch(rf"npmoji: error: cannot listen on 127\.0\.0\.1:{server.port}: .*--port 0 .*\n", error)


@pytest.mark.parametrize(
    "options, words",
    [
        (["--host", "192.0.2.1"], "cannot listen on 192.0.2.1:8000"),
        (["--allow-host", "a b"], "'a b' is not the name of a host"),
        (["--port", "70000"], "is not a port"),
        (["--queue", "0"], "is not an integer"),
        (["--weights", "no such file"], "no such file"),
    ],
)
def test_bad_options_are_told_in_one_line(capfd, options, words):
    port = [] if "8000" in words or "--port" in options else ["--port", "0"]
    assert run("serve", *port, *options) == 2
    error = capfd.readouterr().err
    assert error.startswith("npmoji: error: ") and words in error and error.count("\n") == 1


@pytest.mark.parametrize("module", ["starlette", "uvicorn"])
def test_a_missing_package_is_told_in_one_line(monkeypatch, capfd, module):
    monkeypatch.setitem(sys.modules, module, None)
    assert run("serve", "--port", "0") == 2
    assert capfd.readouterr().err == f"npmoji: error: npmoji serve needs {module}: pip install 'npmoji[serve]'\n"

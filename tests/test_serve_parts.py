"""The parts of `npmoji serve` that need no network: the queue, the bodies of requests, whom a request is for."""

import json
import threading

import numpy as np
import pytest
from test_package import modules_after

import npmoji
from npmoji.cli import parser
from npmoji.serve.batching import Batcher, Closed, Full, Job
from npmoji.serve.hosts import Hosts
from npmoji.serve.limits import Limits
from npmoji.serve.refusals import Refusal
from npmoji.serve.requests import check_type, wanted

LIMITS = Limits(max_texts=3, max_length=5)


class Network:
    """Stands for one: the result of a row is the sum of its ids. Computes a batch as soon as it is let."""

    def __init__(self, **settings):
        self.batches, self.finished = [], []
        self.let, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        defaults = {"max_batch": 4, "max_wait": 0, "queue": 100}
        self.batcher = Batcher(self.compute, self.finish, **(defaults | settings))

    def compute(self, tokens, what):
        self.batches.append((tokens[:, 0].tolist(), tuple(what)))
        self.begun.release()
        assert self.let.acquire(timeout=10)
        if 99 in tokens:
            raise ArithmeticError
        return {name: tokens.sum(axis=1, keepdims=True) for name in what}

    def finish(self, jobs):
        self.finished += jobs
        for _ in jobs:
            self.done.release()

    def ask(self, *ids, what=("sum",)):
        job = Job(np.array(ids)[:, None], what)
        self.batcher.submit(job)
        return job

    def batch(self, jobs):
        """Let one batch be computed, which finishes so many jobs."""
        self.let.release()
        for _ in range(jobs):
            assert self.done.acquire(timeout=10)

    def begin(self):
        """Wait for the next batch to begin."""
        assert self.begun.acquire(timeout=10)


@pytest.fixture()
def network():
    made = []

    def make(**settings):
        made.append(Network(**settings))
        return made[-1]

    yield make
    for one in made:
        one.let.release(100)
        one.batcher.close()


# The queue -----------------------------------------------------------------------------------------------------------


def test_what_waits_is_computed_together_and_each_gets_its_own(network):
    net = network()
    net.batcher.start()
    first = net.ask(1)
    net.begin()
    others = [net.ask(2), net.ask(3, 4, what=("sum", "more")), net.ask(5)]
    net.batch(1)
    net.batch(3)
    assert net.batches == [([1], ("sum",)), ([2, 3, 5, 4], ("more", "sum"))]  # a share of each, then the rest
    assert [job.results["sum"].tolist() for job in [first, *others]] == [[[1]], [[2]], [[3], [4]], [[5]]]
    assert set(others[0].results) == {"sum"} and set(others[1].results) == {"sum", "more"}
    assert all(job.error is None for job in net.finished)


def test_a_large_request_is_computed_in_parts_and_does_not_hold_up_a_small_one(network):
    net = network()
    large = net.ask(*range(10))
    small = net.ask(50)
    net.batcher.start()
    net.batch(1)
    assert net.finished == [small] and net.batches[0][0] == [0, 1, 50, 2]
    net.batch(0)
    net.batch(1)
    assert [len(ids) for ids, _ in net.batches] == [4, 4, 3]
    assert large.results["sum"][:, 0].tolist() == list(range(10))


def test_an_engine_whose_bits_depend_on_the_batch_computes_each_request_alone_and_whole(network):
    net = network(alone=True)
    net.ask(*range(10))
    net.ask(50)
    net.batcher.start()
    net.batch(1)
    net.batch(1)
    assert [ids for ids, _ in net.batches] == [list(range(10)), [50]]


def test_after_a_batch_of_several_the_first_waits_for_others(network):
    net = network(max_wait=30)
    for number in range(2):
        net.ask(number)
    net.batcher.start()
    net.batch(2)  # the first ever does not wait
    net.begin()
    for number in range(4):  # as many as a batch takes: there is nothing to wait for any more
        net.ask(number)
    net.batch(4)
    assert net.batches[1][0] == [0, 1, 2, 3]


def test_a_client_that_is_alone_does_not_wait(network):
    net = network(max_wait=30)
    net.batcher.start()
    for number in range(3):
        net.ask(number)
        net.batch(1)
    assert len(net.batches) == 3


def test_a_full_queue_takes_no_more_and_says_when_it_may(network):
    net = network(queue=3)
    net.ask(1, 2)
    with pytest.raises(Full) as error:
        net.ask(3, 4)
    assert error.value.seconds >= 1
    net.ask(3)
    figures = net.batcher.figures()
    assert (figures.waiting_requests, figures.waiting_rows, figures.batches) == (2, 3, 0)


def test_what_is_dropped_is_not_computed_and_makes_room(network):
    net = network(queue=4)
    job = net.ask(1, 2, 3)
    net.batcher.drop(job)
    net.batcher.drop(job)
    net.ask(4, 5, 6, 7)
    net.batcher.start()
    net.batch(1)
    assert net.batches == [([4, 5, 6, 7], ("sum",))] and net.batcher.figures().waiting_rows == 0


def test_a_failure_is_told_to_those_of_the_batch_and_the_next_is_computed(network):
    net = network()
    jobs = [net.ask(1), net.ask(99, 2, 3, 4, 5)]
    net.batcher.start()
    net.batch(2)
    assert all(isinstance(job.error, ArithmeticError) for job in jobs)
    after = net.ask(7)
    net.batch(1)
    assert after.error is None and after.results["sum"].tolist() == [[7]]
    assert net.batcher.figures().waiting_rows == 0  # nothing is left of what failed


def test_what_waits_when_it_is_closed_is_told(network):
    net = network()
    net.batcher.start()
    first = net.ask(1)
    net.begin()
    second = net.ask(2)
    net.batcher.close(wait=0)
    net.batch(2)
    assert first.error is None and isinstance(second.error, Closed)
    with pytest.raises(Closed):
        net.ask(3)


# Bodies --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body, status, words",
    [
        (b"", 400, "the body is empty"),
        (b"[1", 400, "not JSON"),
        (b"[]", 400, "the body is a list"),
        (b"null", 400, "the body is null"),
        (b"{}", 400, "there is no 'texts'"),
        (b'\xef\xbb\xbf{"texts": []}', 400, "byte order mark"),
        ('{"texts": ["é"]}'.encode("latin-1"), 400, "not UTF-8: byte 12 is 0xe9"),
        (b'{"texts": [], "texts": ["a"]}', 400, "'texts' is there twice"),
        (b'{"texts": [NaN]}', 400, "NaN"),
        (b'{"texts": [-Infinity]}', 400, "-Infinity"),
        (b'{"texts": ' + b"[" * 100_000, 400, "nested too deeply"),
        (b'{"texts": [' + b"1" * 5000 + b"]}", 400, "too many digits"),
        (b'{"texts": "a"}', 400, "'texts' is a string"),
        (b'{"texts": ["a", 5]}', 400, "text 1 is a number"),
        (b'{"texts": [null]}', 400, "text 0 is null"),
        (b'{"texts": [["a"]]}', 400, "text 0 is a list"),
        (b'{"text": ["a"]}', 400, "unknown field 'text'"),
        (b'{"texts": [], "": 1}', 400, "unknown field ''"),
        (b'{"texts": ["a", "a", "a", "a"]}', 422, "4 texts, expected at most 3"),
        (b'{"texts": ["a", "aaaaaa"]}', 422, "text 1 has 6 characters, expected at most 5"),
        (b'{"texts": [], "top": 0}', 422, "'top' is 0"),
        (b'{"texts": [], "top": true}', 422, "'top' is true"),
        (b'{"texts": [], "top": 2.0}', 422, "'top' is a number"),
        (b'{"texts": [], "top": null}', 422, "'top' is null"),
        (b'{"texts": [], "target": 1.5}', 422, "'target' is a number"),
        (b'{"texts": [], "target": [1]}', 422, "'target' is a list"),
        (b'{"texts": [], "target": false}', 422, "'target' is false"),
    ],
)
def test_a_bad_body_is_refused(body, status, words):
    with pytest.raises(Refusal, match=words) as error:
        wanted(body, "/explain", LIMITS)
    assert error.value.status == status
    found = json.loads(error.value.body)
    assert list(found) == ["error"] and "\n" not in found["error"]


def test_each_path_has_its_own_fields():
    for path, field in (("/score", "target"), ("/encode", "top"), ("/encode", "target")):
        with pytest.raises(Refusal, match=f"unknown field '{field}'"):
            wanted(json.dumps({"texts": [], field: 1}).encode(), path, LIMITS)


def test_a_good_body_says_what_is_wanted():
    assert wanted(b'{"texts": ["a", ""], "top": 2}', "/score", LIMITS) == (["a", ""], 2, None)
    assert wanted(b' {"target": "joy", "texts": ["\\ud83d"]} ', "/explain", LIMITS) == (["\ud83d"], 5, "joy")
    assert wanted(b'{"texts": [], "target": null}', "/explain", LIMITS).target is None


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON ; Charset=UTF-8", 'application/json;charset="utf8"']
)
def test_types_that_are_taken(kind):
    check_type(kind, "")


@pytest.mark.parametrize(
    "kind, encoding",
    [("", ""), ("text/plain", ""), ("application/json; charset=latin-1", ""), ("application/json", "gzip")],
)
def test_types_that_are_not(kind, encoding):
    with pytest.raises(Refusal) as error:
        check_type(kind, encoding)
    assert error.value.status == 415


# Whom a request is for -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host, allowed",
    [
        ("localhost:8000", True),
        ("LOCALHOST", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("10.1.2.3:8000", True),  # the address that this request came in by
        ("example.org", True),
        ("example.org:8000", True),
        ("other.org:9000", True),
        ("other.org", False),
        ("example.org:80", False),
        ("localhost:80", False),
        ("evil.example:8000", False),
        ("localhost.evil.example", False),
        ("10.1.2.4:8000", False),
        ("", False),
        ("localhost:", False),
        ("localhost:8000, evil.example", False),
        ("localhost@evil.example", False),
    ],
)
def test_only_the_servers_own_names_are_answered(host, allowed):
    hosts = Hosts("0.0.0.0", ["Example.org", "other.org:9000"])
    assert hosts.allows(host, ("10.1.2.3", 8000)) is allowed


@pytest.mark.parametrize(
    "headers, same",
    [
        ({}, True),
        ({"origin": "http://localhost:8000"}, True),
        ({"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"origin": "https://example.org"}, True),  # a proxy may change Host, but not Origin
        ({"origin": "https://example.org:443"}, True),
        ({"origin": "http://localhost:3000"}, False),
        ({"origin": "http://localhost"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "http://localhost:8000", "sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
    ],
)
def test_pages_of_other_servers_may_not_ask(headers, same):
    assert Hosts("127.0.0.1", ["example.org"]).same_origin(headers, "localhost:8000") is same


@pytest.mark.parametrize("name", ["", "a b", "http://a", "a:b", "*"])
def test_a_name_that_is_none_is_told(name):
    with pytest.raises(npmoji.InputError, match="is not the name of a host"):
        Hosts("127.0.0.1", [name])


# The command ---------------------------------------------------------------------------------------------------------


def test_all_limits_are_options():
    found = vars(parser("serve").parse_args(["serve", "--max-wait-ms", "0"]))
    assert {name: found[name] for name in Limits._fields} == Limits(max_wait_ms=0)._asdict()


def test_declaring_the_command_imports_no_server():
    names = modules_after("from npmoji import cli; cli.parser('serve')")
    assert "npmoji.cli.serve" in names
    assert not names & {"starlette", "uvicorn", "asyncio", "numpy", "npmoji.serve.app"}

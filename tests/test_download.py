"""`npmoji download`, from a server of this computer that does everything wrong that servers and networks do."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types

import local_server as bad
import numpy as np
import pytest
from conftest import DATA, ROOT, SHARED, needs_shared
from test_cli import run

import npmoji
from npmoji import sources
from npmoji.download import fetch, originals, web
from npmoji.errors import InputError, VocabularyError, WeightsError

WEIGHTS, WORDS = "/weights.hdf5", "/vocabulary.json"
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A cache directory of its own, no proxies, and no waiting."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NPMOJI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(fetch, "PAUSE", 0)
    return tmp_path / "home" / "original"


@pytest.fixture(scope="module")
def content(small, toy_vocabulary):
    """What the server has: path -> bytes."""
    return {WEIGHTS: small[0].read_bytes(), WORDS: json.dumps(toy_vocabulary).encode()}


@pytest.fixture
def server(content, monkeypatch):
    """The server; its addresses take the place of the published ones."""
    with bad.Server() as server:
        server.files = dict(content)
        found = {name: sources.Source(server.address + WEIGHTS, entry.file) for name, entry in sources.SOURCES.items()}
        monkeypatch.setattr(sources, "SOURCES", found)
        monkeypatch.setattr(sources, "VOCABULARY", sources.Source(server.address + WORDS, "vocabulary.json"))
        monkeypatch.setattr(sources, "VOCABULARY_SHA256", hashlib.sha256(content[WORDS]).hexdigest())
        yield server


@pytest.fixture
def weights(place):
    """Where the weights have their place."""
    return place / "deepmoji_weights.hdf5"


@pytest.fixture
def part(weights):
    """Where a part of the weights is kept."""
    return weights.with_name(weights.name + ".part")


def left(folder):
    """Names of the files in a folder; it is not to be left empty."""
    names = sorted(path.name for path in folder.iterdir())
    assert names
    return names


GOOD = ["deepmoji_weights.hdf5", "vocabulary.json"]


# What the web does, and all is well in the end ------------------------------------------------------------------------

RECOVERED = {
    "as it should be": ([bad.whole], 1),
    "cut off, then the rest": ([bad.cut(70_000), bad.whole], 2),
    "cut off again and again": ([bad.cut(9_000)] * 3 + [bad.whole], 4),
    "cut off, but each time more than a little": ([bad.cut(70_000), bad.cut(70_000), bad.cut(70_000)], 3),
    "cut off at nothing": ([bad.cut(0), bad.whole], 2),
    "no notion of ranges": ([bad.unranged(70_000), bad.unranged()], 2),
    "cut off without an ETag": ([bad.unmarked(70_000), bad.unmarked()], 2),
    "a rest that begins elsewhere": (
        [bad.cut(70_000), bad.answer(206, b"x" * 5, Content_Range="bytes 5-9/142184"), bad.whole],
        3,
    ),
    "a rest of nothing known": ([bad.cut(70_000), bad.answer(206, b"x" * 5), bad.whole], 3),
    "a rest that was not asked for": ([bad.answer(206, b"x" * 5, Content_Range="bytes 5-9/10"), bad.whole], 2),
    "a rest of another file": (
        [
            bad.cut(70_000),
            bad.answer(206, b"x" * 72184, ETag='"two"', Content_Range="bytes 70000-142183/142184"),
            bad.whole,
        ],
        3,
    ),
    "a date and a weak ETag": ([bad.dated(70_000), bad.dated()], 2),
    "nothing left to send, says the server": (
        [bad.cut(70_000), bad.answer(416, Content_Range="bytes */69999"), bad.whole],
        3,
    ),
    "errors first": ([bad.answer(500), bad.answer(503), bad.answer(429), bad.whole], 4),
    "hanging up": ([bad.hang_up, bad.whole], 2),
    "not HTTP": ([lambda handler, content: handler.wfile.write(b"what?\r\n\r\n"), bad.whole], 2),
    "redirected": ([bad.redirect("/elsewhere"), bad.whole], 1),
    "redirected for good": ([bad.redirect("/elsewhere", 308), bad.whole], 1),
    "in chunks": ([bad.chunked()], 1),
    "in chunks, cut off": ([bad.chunked(70_000), bad.chunked()], 2),
    "no length": ([bad.until_close], 1),
}


@pytest.mark.parametrize("behaviours, requests", RECOVERED.values(), ids=RECOVERED.keys())
def test_the_file_arrives_whole(server, content, place, weights, behaviours, requests):
    server.files["/elsewhere"] = content[WEIGHTS]
    server.behaviours[WEIGHTS] = list(behaviours)
    assert originals.download() == str(weights) == originals.downloaded("original")
    assert weights.read_bytes() == content[WEIGHTS]
    assert left(place) == GOOD
    assert len(server.asked(WEIGHTS)) == requests


def test_only_what_is_missing_is_asked_for(server):
    server.behaviours[WEIGHTS] = [bad.cut(70_000), bad.whole]
    originals.download()
    first, second = server.asked(WEIGHTS)
    assert first["Range"] is None and first["If-Range"] is None
    assert second["Range"] == "bytes=70000-" and second["If-Range"] == bad.ETAG
    assert first["User-Agent"].startswith("npmoji/") and first["Authorization"] is None and first["Cookie"] is None


def test_a_date_is_relied_on_where_the_etag_is_weak(server):
    server.behaviours[WEIGHTS] = [bad.dated(70_000), bad.dated()]
    originals.download()
    assert [headers["If-Range"] for headers in server.asked(WEIGHTS)] == [None, "Tue, 01 Aug 2017 12:00:00 GMT"]


@pytest.mark.parametrize("fault", [bad.stall(70_000), bad.silent], ids=["amid the file", "before the answer"])
def test_a_server_that_falls_silent_is_asked_again(server, content, weights, monkeypatch, fault):
    monkeypatch.setattr(web, "TIMEOUT", 0.3)
    monkeypatch.setattr(fetch, "RETRIES", 20)  # a busy machine may be silent too
    server.behaviours[WEIGHTS] = [fault, bad.whole]
    originals.download()
    assert weights.read_bytes() == content[WEIGHTS] and len(server.asked(WEIGHTS)) >= 2


def test_a_later_call_resumes(server, content, place, part):
    server.behaviours[WEIGHTS] = [bad.cut(70_000), bad.answer(404)]
    with pytest.raises(WeightsError, match="HTTP 404"):
        originals.download()
    assert part.read_bytes() == content[WEIGHTS][:70_000]
    server.behaviours[WEIGHTS] = [bad.whole]
    originals.download()
    assert server.asked(WEIGHTS)[-1]["Range"] == "bytes=70000-" and len(server.asked(WORDS)) == 1
    assert left(place) == GOOD


def test_a_whole_part_is_not_fetched_again(server, content, weights, part):
    server.behaviours[WEIGHTS] = [bad.cut(70_000), bad.answer(404)]
    with pytest.raises(WeightsError):
        originals.download()
    part.write_bytes(content[WEIGHTS])  # interrupted after the last byte
    server.behaviours[WEIGHTS] = [bad.whole]
    originals.download()
    assert weights.read_bytes() == content[WEIGHTS] and len(server.asked(WEIGHTS)) == 3


@pytest.mark.parametrize("change", ["another address", "another file", "a damaged note", "no note"])
def test_a_part_of_something_else_is_not_used(server, content, weights, part, change):
    server.behaviours[WEIGHTS] = [bad.cut(70_000), bad.answer(404)]
    with pytest.raises(WeightsError):
        originals.download()
    part.write_bytes(b"x" * 70_000)
    note = part.with_name(part.name + ".json")
    url = None
    if change == "another address":
        url = server.address + "/mirror"
        server.files["/mirror"] = content[WEIGHTS]
    elif change == "another file":
        note.write_text(note.read_text().replace("one", "two"))
    elif change == "a damaged note":
        note.write_text("[" * 5)
    else:
        note.unlink()
    server.behaviours[WEIGHTS] = [bad.whole]
    originals.download(url=url)
    assert weights.read_bytes() == content[WEIGHTS]


def test_a_page_in_place_of_the_rest_does_not_cost_what_is_there(server, part):
    """What a hotel's network sends until one has logged in."""
    server.behaviours[WEIGHTS] = [bad.cut(70_000), bad.answer(200, b"\n<!DOCTYPE html><p>Welcome!")]
    with pytest.raises(WeightsError, match="a web page came in place of the file"):
        originals.download()
    assert part.stat().st_size == 70_000


# What cannot be made good ---------------------------------------------------------------------------------------------

REFUSED = {
    "not there": ([bad.answer(404)], "HTTP 404"),
    "not for us": ([bad.answer(403)], "HTTP 403"),
    "asks for a password": ([bad.answer(401, WWW_Authenticate='Basic realm="x"')], "HTTP 401"),
    "out of order": ([bad.answer(500)], "HTTP 500"),
    "nothing in it": ([bad.answer(204)], "HTTP 204"),
    "a web page": ([bad.answer(200, b"<html>Sign in</html>", Content_Type="text/html")], "a web page"),
    "a web page, spaced": ([bad.answer(200, b"\xef\xbb\xbf \n<!doctype HTML>")], "a web page"),
    "redirected in circles": ([bad.redirect(WEIGHTS)], "redirection that cannot be followed"),
    "redirected to a file": ([bad.redirect("file:///etc/hostname")], "refused|not allowed"),
    "redirected to ftp": ([bad.redirect("ftp://127.0.0.1/weights")], "refused"),
    "redirected with a password": ([bad.redirect("http://me:secret@127.0.0.1:1/")], "refused"),
    "redirected to nowhere": ([bad.answer(302)], "redirection that cannot be followed"),
    "compressed": ([bad.answer(200, b"abc", Content_Encoding="gzip")], "compressed"),
    "absurdly large": ([bad.answer(200, b"abc", length=(1 << 30) + 1)], "1073741825 bytes, expected at most"),
    "absurdly large rest": (
        [bad.cut(70_000), bad.answer(206, b"abc", Content_Range="bytes 70000-70002/99999999999")],
        "99999999999 bytes, expected at most",
    ),
    "cut off at the same place for ever": ([bad.unranged(70_000)], "ended after 70000 of 142184 bytes"),
    "gone": ([bad.hang_up], "closed connection|closed"),
}


@pytest.mark.parametrize("behaviours, message", REFUSED.values(), ids=REFUSED.keys())
def test_one_clear_error_and_no_file(server, place, weights, behaviours, message):
    server.behaviours[WEIGHTS] = list(behaviours)
    with pytest.raises(WeightsError, match=message) as caught:
        originals.download()
    said = str(caught.value)
    assert said.startswith(server.address + WEIGHTS) and said.count("\n") == 0 and "secret" not in said
    for step in ("--url", f"save {sources.SOURCES['original'].url} as {weights}", str(place / "vocabulary.json")):
        assert step in said
    assert not weights.exists() and (place / "vocabulary.json").exists()
    with pytest.raises(WeightsError, match="run `npmoji download original`"):
        npmoji.load("original")


def flipped(content, at):
    """The same bytes but for one."""
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def with_nan(good):
    """One row of the embedding is not finite any more."""
    file = npmoji.load(DATA / "models" / "keras205_small" / "weights.hdf5")
    row = file["embedding"].embeddings[7].tobytes()
    assert good.count(row) == 1
    return good.replace(row, b"\xff" * len(row))


CORRUPT = {
    "no weights at all": lambda good: b"\x00" * 5000,
    "empty": lambda good: b"",
    "truncated": lambda good: good[:100_000],
    "a flipped byte in the header": lambda good: flipped(good, 3),
    "not a number": with_nan,
}


@pytest.mark.parametrize("damage", CORRUPT.values(), ids=CORRUPT.keys())
def test_what_came_corrupt_is_removed_and_fetched_anew(server, content, place, weights, damage, monkeypatch):
    monkeypatch.setattr("npmoji.deepmoji.LARGE", 0)  # so that only the download looks through the embedding
    server.files[WEIGHTS] = damage(content[WEIGHTS])
    with pytest.raises(WeightsError, match="not what it should be") as caught:
        originals.download()
    assert ".part" not in str(caught.value)
    assert left(place) == ["vocabulary.json"]
    server.files[WEIGHTS] = content[WEIGHTS]
    originals.download()
    assert server.asked(WEIGHTS)[-1]["Range"] is None and weights.read_bytes() == content[WEIGHTS]


def test_a_file_without_end_is_refused(server, place, monkeypatch):
    monkeypatch.setattr(originals, "MOST_WEIGHTS", 100_000)
    server.behaviours[WEIGHTS] = [bad.chunked()]
    with pytest.raises(WeightsError, match="more came than 100000 bytes"):
        originals.download()
    assert left(place) == ["vocabulary.json"]


def test_the_vocabulary_is_the_published_one(server, content, place):
    server.files[WORDS] = content[WORDS] + b" "
    with pytest.raises(VocabularyError, match="sha256 [0-9a-f]{64}, expected"):
        originals.download()
    with pytest.raises(VocabularyError, match="sha256"):
        originals.download(vocabulary_url=server.address + WORDS)
    assert not place.exists() and not server.asked(WEIGHTS)
    server.behaviours[WORDS] = [bad.answer(404)]
    with pytest.raises(VocabularyError, match="HTTP 404.*--vocabulary-url"):
        originals.download()


def test_the_vocabulary_fits_the_weights(server, toy_vocabulary, place, monkeypatch):
    large = json.dumps(toy_vocabulary | {"beyond": 4000}).encode()
    server.files[WORDS] = large
    monkeypatch.setattr(sources, "VOCABULARY_SHA256", hashlib.sha256(large).hexdigest())
    with pytest.raises(VocabularyError, match="does not fit"):
        originals.download()
    assert left(place) == ["vocabulary.json"]


def test_no_way_out_of_https():
    asked = web.urllib.request.Request("https://example.invalid/a")
    with pytest.raises(web.FetchError, match="redirects to http://example.invalid, which is refused"):
        web.Redirects().redirect_request(asked, io.BytesIO(), 302, "Found", {}, "http://example.invalid/b")
    further = web.Redirects().redirect_request(asked, io.BytesIO(), 302, "Found", {}, "https://example.invalid/b")
    assert further.full_url == "https://example.invalid/b"


def test_nobody_there(server, weights):
    """Offline: a port that was just closed stands for it."""
    with bad.Server() as other:
        url = other.address + WEIGHTS
    for address in (url, "http://name.invalid:nonsense/", "http://127.0.0.1:1:2/", "http://[::1/x"):
        with pytest.raises((WeightsError, InputError)) as caught:
            originals.download(url=address)
        assert address in str(caught.value)
    with pytest.raises(WeightsError, match=f"refused.*by hand: save .* as {weights}"):
        originals.download(url=url)


# What is there already ------------------------------------------------------------------------------------------------


def test_what_is_there_is_kept(server, capsys, weights):
    originals.download()
    asked = len(server.requests)
    assert originals.download() == str(weights) and len(server.requests) == asked
    assert f"{weights} is there already" in capsys.readouterr().err
    originals.download(url=server.address + WEIGHTS)
    assert len(server.requests) == asked + 1


def test_only_the_missing_one_is_fetched(server, place, weights):
    originals.download()
    (place / "vocabulary.json").unlink()
    originals.download()
    assert len(server.asked(WORDS)) == 2 and len(server.asked(WEIGHTS)) == 1
    weights.unlink()
    originals.download()
    assert len(server.asked(WORDS)) == 2 and len(server.asked(WEIGHTS)) == 2


def test_what_is_damaged_is_replaced(server, content, place, weights):
    originals.download()
    weights.write_bytes(content[WEIGHTS][:1000])
    (place / "vocabulary.json").write_bytes(b"{}")
    originals.download()
    assert weights.read_bytes() == content[WEIGHTS] and (place / "vocabulary.json").read_bytes() == content[WORDS]


def test_a_bad_mirror_does_no_harm(server, content, place, weights):
    originals.download()
    server.files["/bad"] = b"{}"
    with pytest.raises(WeightsError):
        originals.download(url=server.address + "/bad")
    with pytest.raises(VocabularyError):
        originals.download(vocabulary_url=server.address + "/bad")
    assert weights.read_bytes() == content[WEIGHTS] and left(place) == GOOD


# Files of this computer -----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(content, tmp_path):
    """Copies of both files, in a folder whose name wants quoting."""
    folder = tmp_path / "at hand, 100 %"
    folder.mkdir()
    for name, good in content.items():
        (folder / name[1:]).write_bytes(good)
    return folder


@pytest.mark.parametrize("form", [str, lambda path: path.as_uri()], ids=["path", "file://"])
def test_a_local_copy_brings_its_vocabulary_along(server, content, folder, place, weights, form):
    originals.download(url=form(folder / WEIGHTS[1:]))
    assert weights.read_bytes() == content[WEIGHTS] and left(place) == GOOD and not server.requests
    assert npmoji.load("original").tokenizer is not None


def test_a_local_copy_without_a_vocabulary(server, folder, place, tmp_path):
    (folder / WORDS[1:]).rename(tmp_path / "words.json")
    originals.download(url=str(folder / WEIGHTS[1:]))
    assert left(place) == GOOD and len(server.requests) == 1
    (place / "vocabulary.json").unlink()
    originals.download(url=str(folder / WEIGHTS[1:]), vocabulary_url=str(tmp_path / "words.json"))
    assert left(place) == GOOD and len(server.requests) == 1


def test_bad_local_copies(server, content, folder, place, monkeypatch):
    file = folder / "bad.hdf5"
    for text, message in ((b"", "empty"), (b"<html>saved from the web", "a web page")):
        file.write_bytes(text)
        with pytest.raises(WeightsError, match=message):
            originals.download(url=str(file))
    for path in (folder / "none", folder, os.devnull):
        with pytest.raises(WeightsError, match="no such file"):
            originals.download(url=str(path))
    monkeypatch.setattr(originals, "MOST_WEIGHTS", 100)
    with pytest.raises(WeightsError, match=f"{len(content[WEIGHTS])} bytes, expected at most 100"):
        originals.download(url=str(folder / WEIGHTS[1:]))
    (folder / WORDS[1:]).write_bytes(b"{}")
    (place / "vocabulary.json").unlink()
    with pytest.raises(VocabularyError, match="sha256"):
        originals.download(url=str(folder / WEIGHTS[1:]))
    assert not place.exists()


@pytest.mark.parametrize("which", ["deepmoji_weights.hdf5", "deepmoji_weights.hdf5.part"])
def test_the_place_itself_as_the_copy(server, content, folder, place, weights, which):
    originals.download()
    (place / which).write_bytes(content[WEIGHTS])
    originals.download(url=str(place / which))
    assert weights.read_bytes() == content[WEIGHTS] and left(place) == GOOD


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "file://other/y", "http://", "http://me:secret@x/y", "https://secret@x/y"]
)
def test_addresses_that_are_not_taken(server, place, url):
    with pytest.raises(InputError) as caught:
        originals.download(url=url)
    assert "secret" not in str(caught.value) and not place.exists()


# Where it goes --------------------------------------------------------------------------------------------------------


def test_the_cache_directory(monkeypatch, tmp_path):
    assert originals.home() == str(tmp_path / "home")
    monkeypatch.setenv("NPMOJI_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for platform, variable, below in (
        ("linux", "XDG_CACHE_HOME", ".cache"),
        ("win32", "LOCALAPPDATA", os.path.join("AppData", "Local")),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.delenv(variable, raising=False)
        assert originals.home() == str(tmp_path / below / "npmoji")
        monkeypatch.setenv(variable, str(tmp_path / "other"))
        assert originals.home() == str(tmp_path / "other" / "npmoji")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert originals.home() == str(tmp_path / "Library" / "Caches" / "npmoji")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert originals.home() == str(tmp_path / ".cache" / "npmoji")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(InputError, match="set NPMOJI_HOME"):
        originals.home()


def test_names():
    for call in (originals.download, originals.downloaded):
        with pytest.raises(InputError, match="there are: original, torchmoji"):
            call("other")


def test_a_place_that_cannot_be_written(server, tmp_path, weights):
    weights.mkdir(parents=True)  # a folder where the file belongs
    with pytest.raises(WeightsError, match="cannot be written"):
        originals.download()
    (tmp_path / "file").write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(WeightsError, match="file.*cannot be written"):
        patch.setenv("NPMOJI_HOME", str(tmp_path / "file"))
        originals.download()


def test_a_failed_download_leaves_no_folder_and_no_lock(server, place):
    server.behaviours[WORDS] = [bad.answer(404)] * 2
    left_of_home = []
    for _ in range(2):
        with pytest.raises(VocabularyError, match="404"):
            originals.download()
        assert not place.exists()
        left_of_home.append(place.parent.exists())
        place.parent.mkdir(exist_ok=True)
    assert left_of_home == [False, True]  # the second time it was there before


def test_the_lock_of_a_killed_process_is_taken_over(server, place):
    place.mkdir(parents=True)
    (place / "download.lock").touch()
    originals.download()
    assert left(place) == GOOD


def test_who_waits_goes_on_when_the_folder_has_gone(server, place, capsys):
    """The one before it fails, and takes lock and folder away."""
    with originals.locked(str(place / "download.lock")):
        thread = threading.Thread(target=originals.download)
        thread.start()
        while "waiting for it" not in capsys.readouterr().err:
            time.sleep(0.01)
    thread.join()
    assert left(place) == GOOD


def test_only_one_is_in_the_lock(place):
    """Also while others make and remove its file and folder all the time."""
    inside, most = [], []

    def visit():
        for _ in range(20):
            with originals.locked(str(place / "download.lock")):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=visit) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 60 and set(most) == {1} and not place.exists()


def test_a_download_is_used_by_name(server, small):
    originals.download()
    loaded = npmoji.load("original")
    np.testing.assert_array_equal(loaded.predict(["i love this"]), npmoji.load("original").predict(["i love this"]))
    assert loaded.path == originals.downloaded("original")
    tokens = small[1]["tokens"]
    np.testing.assert_allclose(loaded.predict(tokens), small[1]["probs"], atol=2e-6)


def test_reading_by_name_loads_no_network_code(server):
    originals.download()
    code = "import sys, npmoji; npmoji.load('original'); print(*sys.modules)"
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    names = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, check=True
    )
    assert not {"npmoji.download.fetch", "npmoji.download.web", "http.client", "ssl"} & set(
        names.stdout.decode().split()
    )


@needs_shared
@pytest.mark.parametrize("name", ["plain_legacy.bin", "plain_zip.bin"])
def test_torchmoji(server, name):
    pytest.importorskip("npmoji.formats.torch_state")
    case = SHARED / "goldens" / "models" / "torchmoji_state"
    server.files[WEIGHTS] = (case / name).read_bytes()
    path = originals.download("torchmoji")
    assert path == os.path.join(originals.home(), "torchmoji", "pytorch_model.bin")
    assert npmoji.load("torchmoji").path == path


# Several at once, and interruptions -----------------------------------------------------------------------------------


def test_two_at_once(server, content, weights):
    server.behaviours[WEIGHTS] = [bad.cut(70_000), bad.cut(50_000), bad.whole]
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(originals.download())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [str(weights)] * 3 and weights.read_bytes() == content[WEIGHTS]
    assert len(server.asked(WEIGHTS)) == 3 and len(server.asked(WORDS)) == 1


def test_the_waiting_one_says_so(server, place, capsys):
    place.mkdir(parents=True)
    with originals.locked(str(place / "download.lock")):
        thread = threading.Thread(target=originals.download)
        thread.start()
        while "waiting for it" not in capsys.readouterr().err:
            time.sleep(0.01)
        assert not server.requests
    thread.join()
    assert left(place) == GOOD


PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background
from npmoji import cli
from npmoji import sources
sources.VOCABULARY_SHA256 = sys.argv.pop()
sys.exit(cli.main(sys.argv[1:]))
"""


@posix
@pytest.mark.parametrize("number, code", [("SIGINT", 130), ("SIGTERM", 143), ("SIGKILL", -9)])
def test_interrupted_then_resumed(server, content, place, weights, part, number, code):
    server.behaviours[WEIGHTS] = [bad.stall(70_000), bad.whole]
    addresses = ["--url", server.address + WEIGHTS, "--vocabulary-url", server.address + WORDS]
    command = [sys.executable, "-c", PROGRAM, "download", "original", *addresses, sources.VOCABULARY_SHA256]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, stderr=subprocess.PIPE) as process:
        while process.poll() is None and fetch.size_of(part) < 70_000:
            time.sleep(0.01)
        process.send_signal(getattr(signal, number))
        error = process.stderr.read().decode()
    assert process.returncode == code and "Traceback" not in error
    assert not weights.exists() and part.read_bytes() == content[WEIGHTS][:70_000]
    originals.download()
    assert server.asked(WEIGHTS)[-1]["Range"] == "bytes=70000-"
    assert weights.read_bytes() == content[WEIGHTS] and left(place) == GOOD


# The command ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def verdict(monkeypatch):
    """What `verify` says, to be set; and the model it was given."""
    said = types.SimpleNamespace(passed=True, lines=["said by verify"], models=[])
    module = types.ModuleType("npmoji.checks.verify")
    module.verify = lambda checked: said.models.append(checked) or said
    monkeypatch.setitem(sys.modules, "npmoji.checks.verify", module)
    return said


def test_the_command_fetches_and_verifies(server, verdict, weights, capfd):
    assert run("download") == 0
    out, err = capfd.readouterr()
    assert out == "said by verify\n" and verdict.models[0].path == str(weights)
    assert f"fetching {server.address}" in err and "\r" not in err  # no bar where there is no terminal
    verdict.passed = False
    assert run("download", "original", "--url", server.address + WEIGHTS) == 1
    assert f"remove {weights}" in capfd.readouterr().err and weights.exists()


def test_weights_that_nothing_is_known_of(server, capfd):
    """The genuine `verify` has nothing to check the small model against."""
    assert run("download") == 1
    assert capfd.readouterr().out


def test_the_command_when_it_fails(server, verdict, weights, capfd):
    server.behaviours[WEIGHTS] = [bad.answer(404)]
    for arguments in ([], ["original", "--url", "/no/such/file"], ["original", "--url", "ftp://x/y"]):
        assert run("download", *arguments) == 2
        out, err = capfd.readouterr()
        assert out == "" and err.splitlines()[-1].startswith("npmoji: error: ") and "Traceback" not in err
    assert not verdict.models and not weights.exists()
    assert run("download", "other") == 2
    assert run("score", "--weights", "original", "hello") == 2
    assert "run `npmoji download original`" in capfd.readouterr().err


def test_the_bar(server, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    clock = iter(range(10_000))
    monkeypatch.setattr(fetch.time, "monotonic", lambda: next(clock))
    server.behaviours[WEIGHTS] = [bad.cut(71_092), bad.whole]
    originals.download()
    err = capsys.readouterr().err
    assert f"\r[{'#' * 15}{' ' * 15}]  50 %  0.1 MB" in err and f"\r[{'#' * 30}] 100 %  0.1 MB" in err
    assert err.count("\r ") == 3  # wiped away after each


def test_shipped_addresses():
    """As published; not asked for here."""
    assert sources.source("original").url.startswith("https://www.dropbox.com/s/xqarafsl6a8f9ny/deepmoji_weights.hdf5")
    assert all(entry.url.startswith("https://") for entry in (*sources.SOURCES.values(), sources.VOCABULARY))
    assert sources.VOCABULARY_SHA256.startswith("951e74fe4661b23e") and len(sources.VOCABULARY_SHA256) == 64

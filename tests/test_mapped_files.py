"""Weights files while a model uses them: overwritten, cut short, replaced, removed; and models that are closed."""

import contextlib
import gc
import os
import shutil
import struct
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest
from conftest import DATA, ROOT
from test_torch_state import WRITERS, plain, torch_arrays

import npmoji
from npmoji import InputError, NpmojiError, WeightsError
from npmoji.export.convert import convert
from npmoji.formats import keras_hdf5

CONTAINERS = ["hdf5", "safetensors", "int8", "legacy", "zip", "keras"]


@pytest.fixture(params=CONTAINERS)
def path(request, small, tmp_path):
    """A weights file of each container."""
    return written(request.param, small[0], tmp_path)


def written(container, source, folder):
    if container in WRITERS:
        path = folder / "weights.bin"
        path.write_bytes(WRITERS[container](*plain(torch_arrays(keras_hdf5.read(source).layers))))
    elif container in ("safetensors", "int8"):
        path = folder / "weights.safetensors"
        convert(str(source), str(path), precision="int8" if container == "int8" else None)
    elif container == "keras":
        path = folder / "weights.keras"
        aligned(DATA / "keras" / "keras3_operators" / "model.keras", path)
    else:
        path = folder / "weights.hdf5"
        shutil.copy(source, path)
    return path


def aligned(source, target):
    """The same zip file with members that begin at multiples of 8 bytes, so that arrays can be used where they are."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            member = zipfile.ZipInfo(name)
            padding = -(new.fp.tell() + 30 + len(name) + 4) % 8
            member.extra = b"FB" + struct.pack("<H", padding) + bytes(padding)
            new.writestr(member, old.read(name))


def inputs(model):
    """Something that the model takes."""
    sizes = {layer.name: [3 if n is None else n for n in layer.shape or (4,)] for layer in model.graph.inputs}
    return {name: np.ones((2, *size), np.int64) for name, size in sizes.items()}


def later(path):
    """Let the file's time be another one, whatever the clock's steps are."""
    found = os.stat(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000))


def overwrite(path):
    """Change the last number, in place."""
    with open(path, "r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(bytes(4))
    later(path)


def truncate(path):
    os.truncate(path, 4096)


def every_call(model, x):
    """All ways in which the model may be used."""
    yield lambda: model.predict(x)
    yield lambda: model[model.layers[-1].name](x)
    yield lambda: model.layers[-1](x)
    yield lambda: model.predict({name: ids[:0] for name, ids in x.items()})
    if model.features:
        yield lambda: model.encode(x)
        yield lambda: model.attention(next(iter(x.values())))
        yield lambda: model.top(x)


# Written to while in use ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "harm, words", [(overwrite, "was written to"), (truncate, "was truncated .it has 4,096 bytes and had")]
)
def test_a_file_that_is_written_to_is_noticed(path, harm, words):
    model = npmoji.load(path, engine="numpy")
    x = inputs(model)
    assert model.files
    for call in every_call(model, x):
        call()
    harm(path)
    for call in every_call(model, x):
        with pytest.raises(WeightsError, match=words) as error:
            call()
        assert str(path) in str(error.value) and "mmap=False" in str(error.value)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not cut a mapped file short")
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_a_file_cut_short_does_not_end_the_process(small, tmp_path, engine):
    """An embedding far beyond what is left of the file: reading it would end the process with SIGBUS."""
    code = """
        import os, sys, npmoji
        from npmoji import formats, init
        from npmoji.formats import Contents, npmoji_file
        contents = Contents("", init.deepmoji(0, vocabulary=6000, embedding=64, units=8))
        with open("w.safetensors", "wb") as file:
            npmoji_file.write(file, contents, None)
        model = npmoji.load("w.safetensors", engine=sys.argv[1])
        os.truncate("w.safetensors", 8192)
        try:
            model.predict([[5999, 3000]])
        except npmoji.WeightsError as error:
            print(error)
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", textwrap.dedent(code), engine]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "was truncated" in done.stdout


def test_a_change_between_two_batches_is_noticed(small, tmp_path):
    path = written("hdf5", small[0], tmp_path)
    model = npmoji.load(path, engine="numpy")
    rows = np.ones((400, 30), np.int64)  # of many batches
    seen = []
    compute = model.graph.outputs[0].compute

    def counted(*arguments):
        seen.append(1)
        if len(seen) == 2:
            overwrite(path)
        return compute(*arguments)

    model.graph.outputs[0].compute = counted
    with pytest.raises(WeightsError, match="was written to"):
        model.predict(rows)
    assert len(seen) == 2


def test_what_is_in_memory_is_not_touched_by_the_file(path):
    mapped, model = npmoji.load(path, engine="numpy"), npmoji.load(path, engine="numpy", mmap=False)
    x = inputs(model)
    wanted = mapped.predict(x)
    assert not model.files
    truncate(path)
    os.unlink(path)
    np.testing.assert_array_equal(model.predict(x), wanted)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not replace a mapped file")
@pytest.mark.parametrize("how", ["replaced", "deleted", "renamed", "linked"])
def test_a_file_that_is_replaced_stays_what_it_was(path, tmp_path, how):
    model = npmoji.load(path, engine="numpy")
    x = inputs(model)
    wanted = model.predict(x)
    if how == "replaced":
        (tmp_path / "new").write_bytes(b"something else")
        os.replace(tmp_path / "new", path)
    elif how == "deleted":
        os.unlink(path)
    elif how == "renamed":
        os.rename(path, tmp_path / "elsewhere")
    else:
        os.link(path, tmp_path / "another name")
    np.testing.assert_array_equal(model.predict(x), wanted)
    if how in ("renamed", "linked"):  # the file itself is looked at, whatever it is called
        overwrite(tmp_path / ("elsewhere" if how == "renamed" else "another name"))
        with pytest.raises(WeightsError, match="was written to"):
            model.predict(x)


def test_reading_a_file_changes_nothing(path):
    model = npmoji.load(path, engine="numpy")
    path.read_bytes()
    os.utime(path, ns=(1, os.stat(path).st_mtime_ns))  # read long ago
    os.chmod(path, 0o600)
    model.predict(inputs(model))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not replace a mapped file")
@pytest.mark.parametrize("suffix", [".safetensors", ".hdf5"])
def test_what_npmoji_writes_replaces(small, tmp_path, suffix):
    """A model goes on with the file it has mapped when another one is written by that name."""
    from npmoji.checks.golden import write

    old, new = tmp_path / f"w{suffix}", tmp_path / "new.hdf5"
    convert(str(small[0]), str(old))
    model = npmoji.load(old, engine="numpy")
    wanted = model.predict([[1, 2, 3]])
    shutil.copy(DATA / "models" / "keras205_padmax" / "weights.hdf5", new)
    convert(str(new), str(old))
    np.testing.assert_array_equal(model.predict([[1, 2, 3]]), wanted)
    ids = npmoji.Input(4)
    npmoji.save_layers(old, npmoji.Embedding(ids, np.ones((4, 2), np.float32)))
    np.testing.assert_array_equal(model.predict([[1, 2, 3]]), wanted)
    for rows in (1, 2):
        with open(tmp_path / "golden.npz", "rb") if rows > 1 else contextlib.nullcontext() as opened:
            write(npmoji.load(small[0]), np.ones((rows, 3), np.int64), tmp_path / "golden.npz", npz=True)
            assert opened is None or np.load(opened)["tokens"].shape == (1, 3)


# Closing --------------------------------------------------------------------------------------------------------------


def descriptors(path):
    """How many of this process' descriptors are of the file."""
    folder = "/proc/self/fd"
    return sum(os.path.realpath(os.path.join(folder, name)) == str(path) for name in os.listdir(folder))


def maps(path):
    with open("/proc/self/maps") as lines:
        return sum(str(path) in line for line in lines)


needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs /proc")


@needs_proc
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_closing_lets_go_of_the_file(path, engine):
    path = path.resolve()
    gc.collect()
    gc.disable()  # at once, not when the collector comes by
    try:
        with npmoji.load(path, engine=engine) as model:
            model.predict(inputs(model))
            assert maps(path) == 1 and descriptors(path)
        assert maps(path) == 0 and descriptors(path) == 0
    finally:
        gc.enable()


@needs_proc
def test_a_model_that_is_dropped_lets_go_of_the_file(path):
    path = path.resolve()
    model = npmoji.load(path, engine="numpy")
    del model
    gc.collect()
    assert maps(path) == 0 and descriptors(path) == 0


@needs_proc
def test_an_array_that_was_handed_out_keeps_the_file_mapped(small, tmp_path):
    path = written("hdf5", small[0], tmp_path).resolve()
    model = npmoji.load(path, engine="numpy")
    kernel = model["softmax"].weights()["kernel"]
    copy = kernel.copy()
    model.close()
    assert maps(path) == 1
    np.testing.assert_array_equal(kernel, copy)
    del kernel
    assert maps(path) == 0


def test_a_closed_model_says_so(path):
    model = npmoji.load(path, engine="numpy")
    x, layer, last, calls = inputs(model), model.layers[0], model.layers, list(every_call(model, inputs(model)))
    model.close()
    model.close()
    for call in [
        *calls,
        lambda: layer(x),
        lambda: last[-1](x),
        lambda: model.layers,
        lambda: model["x"],
        lambda: list(model),
    ]:
        with pytest.raises(InputError, match="this model is closed") as error:
            call()
        assert str(path) in str(error.value)
    with pytest.raises(InputError, match="closed"), model:
        pass
    assert str(path) in repr(model)
    with pytest.raises(AttributeError):
        model.no_such_attribute  # noqa: B018


def test_with_closes_after_an_error_too(small):
    with pytest.raises(ZeroDivisionError), npmoji.load(small[0]) as model:
        1 / 0  # noqa: B018
    with pytest.raises(InputError, match="closed"):
        model.predict([[1]])


def test_closing_one_model_leaves_the_other(small):
    one, two = npmoji.load(small[0]), npmoji.load(small[0])
    wanted = two.predict([[1, 2]])
    one.close()
    np.testing.assert_array_equal(two.predict([[1, 2]]), wanted)


def test_an_ensemble_closes_its_models(small):
    with npmoji.Ensemble([small[0], small[0]]) as ensemble:
        ensemble.predict([[1]])
    with pytest.raises(NpmojiError, match="closed"):
        ensemble.predict([[1]])

"""engine="auto": which engine a model computes with depends on this model's own work and on nothing else."""

import numpy as np
import pytest

import npmoji
from npmoji import network
from npmoji.compiling import compile_ahead

AUTO = {"engine": "auto", "threads": 1}


@pytest.fixture()
def tokens():
    return np.random.default_rng(3).integers(1, 90, (7, 20))


def same_bits(a, b):
    return a.shape == b.shape and (a.view(np.uint32) == b.view(np.uint32)).all()


def test_other_models_have_no_say_in_it(small, tokens):
    """Another model that uses numba, which is imported from then on, changes no bit of this one's results."""
    reference = npmoji.load(small[0], engine="numpy").predict(tokens)
    other = npmoji.load(small[0], engine="numba").predict(tokens)
    assert not same_bits(reference, other)  # else this test would show nothing
    model = npmoji.load(small[0], **AUTO)
    assert same_bits(model.predict(tokens), reference)
    assert same_bits(model[model.layers[-1].name](tokens), reference)


def test_a_model_switches_after_its_own_work(small, tokens, monkeypatch):
    model, idle = npmoji.load(small[0], **AUTO), npmoji.load(small[0], **AUTO)
    compile_ahead(model)  # else NumPy would go on until that is done
    monkeypatch.setattr(network, "AUTO_WORK", 2.5 * tokens.size * model.work)
    by_numpy, by_numba = (npmoji.load(small[0], engine=engine).predict(tokens) for engine in ("numpy", "numba"))
    found = [model.predict(tokens) for _ in range(4)]
    for i, wanted in enumerate([by_numpy, by_numpy, by_numba, by_numba]):
        assert same_bits(found[i], wanted), i
    assert same_bits(idle.predict(tokens), by_numpy)

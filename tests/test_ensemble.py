"""Several models as one, and the table of a file's layers."""

import shutil

import h5py
import numpy as np
import pytest
from conftest import DATA

import npmoji
from npmoji import cli, describe
from npmoji.errors import InputError, WeightsError

STATE = DATA / "models" / "seed003_tfk_state_masked"


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(STATE / "golden.npz"))


def test_an_ensemble_averages(small, tmp_path):
    tokens, other = small[1]["tokens"], tmp_path / "other.hdf5"
    shutil.copy(small[0], other)
    with h5py.File(other, "r+") as file:
        file["softmax/softmax/bias"][5] += 3
    both = npmoji.Ensemble([small[0], other])
    one, two = (npmoji.load(path).predict(tokens) for path in (small[0], other))
    assert np.abs(one - two).max() > 0.1
    np.testing.assert_allclose(both.predict(tokens), (one + two) / 2, atol=1e-6)
    assert len(both) == 2 and both.models[1].path == str(other)
    best = both.top(tokens[:2], k=3)
    assert [len(row) for row in best] == [3, 3]
    assert best[0][0].probability == both.predict(tokens[:2])[0].max()


def test_an_ensemble_of_networks_with_several_inputs(golden):
    ensemble = npmoji.Ensemble([STATE / "model.h5"] * 3)
    x = {"input_1": golden["tokens"], "input_2": golden["meta"]}
    np.testing.assert_allclose(ensemble.predict(x), ensemble.models[0].predict(x), atol=1e-7)


@pytest.mark.parametrize("paths", [[], "model.h5", b"model.h5"])
def test_an_ensemble_needs_paths(paths):
    with pytest.raises(InputError, match="list of one path"):
        npmoji.Ensemble(paths)


def test_models_that_do_not_go_together(small):
    with pytest.raises(InputError, match="classes"):
        npmoji.Ensemble([small[0], STATE / "model.h5"])


# npmoji inspect -------------------------------------------------------------------------------------------------------


def test_the_table_of_a_files_layers():
    rows = {row.name: row for row in describe.rows(STATE / "model.h5")}
    assert rows["spatial_dropout1d"].class_name == "SpatialDropout1D"
    assert rows["bidirectional_1"].shape == [(None, 10, 16), (None, 8), (None, 8)]
    assert rows["dense"].weights == {"kernel": (51, 16), "bias": (16,)} and rows["dense"].parameters == 51 * 16 + 16
    assert rows["concatenate"].previous == [
        "global_average_pooling1d",
        "bidirectional_1",
        "global_max_pooling1d",
        "input_2",
    ]
    assert sum(row.parameters for row in rows.values()) == 5841  # as Keras counts them


def test_inspect_on_the_command_line(small, capsys, tmp_path):
    assert cli.main(["inspect", str(small[0])]) == 0
    out = capsys.readouterr().out
    assert "bi_lstm_0" in out and "(N, T, 40)" in out and out.endswith("28,384 parameters\n")
    bad = tmp_path / "bad.h5"
    bad.write_bytes(b"nothing")
    assert cli.main(["inspect", str(bad)]) == 2
    assert str(bad) in capsys.readouterr().err
    with pytest.raises(WeightsError, match=r"bad\.h5"):
        describe.rows(bad)

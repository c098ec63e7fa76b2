"""What is computed for each text of a table, whatever kind of table it is."""

import numpy as np
import pytest
from conftest import DATA

import npmoji
from npmoji import InputError, VocabularyError
from npmoji.corpora.results import WHAT, Lists, Results

TEXTS = ["so happy today", None, "", "this is the worst day ever " * 8, "so happy today", None, "I love mom's cooking"]
GIVEN = [text for text in TEXTS if text is not None]


@pytest.fixture(scope="module")
def model():
    return npmoji.load(engine="numba")


def rows(column):
    return [None if row is None else list(row) for row in column]


def spread(values):
    """What a column holds, given the values of the texts that are there."""
    values = iter(values)
    return [None if text is None else next(values) for text in TEXTS]


def test_the_columns_are_the_models_results(model):
    columns = Results(model, list(WHAT), top=3).compute(TEXTS)
    assert list(columns) == [name for name, _ in Results(model, list(WHAT), top=3).fields]
    assert rows(columns["probabilities"]) == spread(map(list, model.predict(GIVEN)))
    assert rows(columns["features"]) == spread(map(list, model.encode(GIVEN)))
    for i, (_, label) in enumerate((f"emoji_{k}", f"p_{k}") for k in (1, 2, 3)):
        best = [predictions[i] for predictions in model.top(GIVEN, 3)]
        assert columns[f"emoji_{i + 1}"].tolist() == spread(p.emoji for p in best)
        found = [None if text is None else p for text, p in zip(TEXTS, columns[label].tolist())]
        assert found == spread(p.probability for p in best)
    words = [model.tokenizer.words(text)[:30] for text in GIVEN]
    assert rows(columns["tokens"]) == spread(words)
    weights = [list(row[: len(some)]) for row, some in zip(model.attention(GIVEN), words)]
    assert rows(columns["attention"]) == spread(weights)
    assert [n for n, text in zip(columns["n_tokens"], TEXTS) if text is not None] == [3, 0, 48, 3, 4]
    assert columns["n_tokens"].dtype == np.int32 and columns["p_1"].dtype == np.float32
    assert columns["cut"].tolist() == [text is not None and len(text) > 100 for text in TEXTS]


@pytest.mark.parametrize("what", [*WHAT, ["tokens", "top"], ["features", "attention"]])
def test_each_alone_is_the_same(model, what):
    together = Results(model, list(WHAT)).compute(TEXTS)
    alone = Results(model, what)
    for name, column in alone.compute(TEXTS).items():
        same = rows(column) == rows(together[name]) if isinstance(column, Lists) else None
        assert same or np.array_equal(column, together[name], equal_nan=column.dtype.kind == "f")
    for empty in ([], [None, None]):
        assert all(len(column) == len(empty) for column in alone.compute(empty).values())


def test_blocks_do_not_matter(model):
    results = Results(model, ["top", "features"])
    texts = [f"so {word} today {i}" for i, word in enumerate(["happy", "sad", "tired", "fine"] * 9)]
    whole = results.compute(texts)
    parts = [results.compute(texts[start : start + 7]) for start in range(0, len(texts), 7)]
    assert rows(whole["features"]) == [row for part in parts for row in rows(part["features"])]
    assert whole["p_1"].tolist() == [p for part in parts for p in part["p_1"].tolist()]


def test_equal_texts_are_computed_once(model, monkeypatch):
    seen = []
    tokenizer = type(model.tokenizer)
    monkeypatch.setattr(tokenizer, "__call__", lambda self, x, call=tokenizer.__call__: seen.append(x) or call(self, x))
    Results(model).compute(["a", "b", "a", None, "a"])
    assert seen[-1] == ["a", "b"]


def test_kinds(model):
    fields = dict(Results(model, list(WHAT), top=100).fields)
    assert fields["emoji_64"] == "string" and "emoji_65" not in fields
    assert [fields[name] for name in ("p_1", "tokens", "attention", "n_tokens", "cut")] == [
        "float32",
        "list<string>",
        "list<float32>",
        "int32",
        "bool",
    ]


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"what": "emojis"}, "what 'emojis': expected one of top, probabilities, features, attention, tokens"),
        ({"what": ["top", "top"]}, "'top' is there twice"),
        ({"what": []}, "expected one of top"),
        ({"what": None}, "expected one of top"),
        ({"what": [["top"]]}, r"what \['top'\]: expected one of"),
        ({"top": 0}, "top 0: expected an integer"),
        ({"top": True}, "top True: expected an integer"),
    ],
)
def test_what_cannot_be_asked_for(model, settings, words):
    with pytest.raises(InputError, match=words):
        Results(model, **settings)


def test_a_row_that_is_no_text(model):
    with pytest.raises(InputError, match="row 2 is int, expected a string"):
        Results(model).compute(["a", None, 3])


def test_models_that_cannot_give_it(small, toy_vocabulary):
    with pytest.raises(VocabularyError, match="no vocabulary"):
        Results(npmoji.load(small[0], engine="numpy"))
    network = npmoji.load(DATA / "models" / "keras205_small" / "weights.hdf5", toy_vocabulary, engine="numpy")
    network.feature_only, network.graph.outputs = True, [network["attlayer"]]
    assert Results(network, "features").fields
    with pytest.raises(InputError, match="no classes"):
        Results(network, "top")


def test_classes_of_ones_own(model):
    from npmoji.learn.heads import with_head

    chance = np.random.default_rng(0)
    kernel = chance.normal(size=(model.features, 3)).astype(np.float32)
    own = with_head(model, kernel, np.zeros(3, np.float32), classes=["good", "bad", "so so"])
    columns = Results(own).compute(TEXTS)
    assert list(columns) == ["emoji_1", "emoji_2", "emoji_3", "p_1", "p_2", "p_3"]
    assert columns["emoji_1"].tolist() == spread(best[0].label for best in own.top(GIVEN, 1))
    one = with_head(model, kernel[:, :1], np.zeros(1, np.float32), classes=["no", "yes"])
    columns = Results(one, ["top", "probabilities"]).compute(TEXTS)
    assert columns["emoji_2"].tolist() == spread(best[1].label for best in one.top(GIVEN))
    assert rows(columns["probabilities"]) == spread(map(list, one.predict(GIVEN)))

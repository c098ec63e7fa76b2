"""Losses of the caller's own and weight decay, which training the bundled model needs; and that tool's pieces."""

import random
import sys

import numpy as np
import pytest
from conftest import ROOT

import npmoji
from npmoji import InputError
from npmoji.learn import Trainer
from npmoji.learn.loop import epochs

torch = pytest.importorskip("torch")
sys.path.insert(0, str(ROOT / "tools"))

IDS = np.array([[12, 47, 1947], [12, 810, 0]])


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def bundled():
    return npmoji.load(engine="numpy")


def cross_entropy(logits, wanted):
    return -(wanted * torch.log_softmax(logits, -1)).sum(-1).mean()


def test_a_loss_of_the_callers_own(bundled):
    wanted = np.eye(64)[[4, 36]]
    own, usual = Trainer(bundled, loss=cross_entropy, dropout=False), Trainer(bundled, dropout=False)
    loss, found = own.gradients(IDS, wanted)
    expected, gradients = usual.gradients(IDS, [4, 36])
    assert abs(loss - expected) < 1e-5
    for name, array in gradients.items():
        np.testing.assert_allclose(found[name], array, atol=1e-6)
    soft = own.step(IDS, wanted * 0.5 + 0.5 / 64)  # labels that are no class numbers
    assert soft != loss
    with pytest.raises(InputError, match="1 labels for 2 rows"):
        own.step(IDS, wanted[:1])
    with pytest.raises(InputError, match="loss 'mse': expected one of auto, bce_logits_sum, or a function"):
        Trainer(bundled, loss="mse")


def test_weight_decay_is_that_of_adamw(bundled):
    trainer = Trainer(bundled, method="last", optimiser="torch", weight_decay=0.3, l2=0, dropout=False)
    features = torch.tensor(bundled.encode(IDS))
    kernel, bias = (
        torch.tensor(trainer.weights()[f"softmax/{name}"], requires_grad=True) for name in ("kernel", "bias")
    )
    theirs = torch.optim.AdamW([kernel, bias], lr=0.01, weight_decay=0.3)
    for _ in range(4):
        theirs.zero_grad()
        torch.nn.functional.cross_entropy(features @ kernel + bias, torch.tensor([4, 36])).backward()
        torch.nn.utils.clip_grad_norm_([kernel, bias], 1.0)
        theirs.step()
        trainer.step(IDS, [4, 36], rate=0.01)
    np.testing.assert_allclose(trainer.weights()["softmax/kernel"], kernel.detach().numpy(), atol=2e-5)
    np.testing.assert_allclose(trainer.weights()["softmax/bias"], bias.detach().numpy(), atol=2e-5)


def test_the_tool_that_trains_the_bundled_model(tmp_path):
    import train_bundled as tool
    from bundled_network import first_weights, network, write_model
    from corpus_augment import epoch
    from corpus_reader import CLASSES, read_lines, read_slots

    lines, slots, words = read_lines()[:150], read_slots(), npmoji.Tokenizer(tool.SPECIALS).words
    vocabulary = tool.build_vocabulary(lines, slots, words, 1)
    model = network(first_weights(len(vocabulary), 8, 6, CLASSES, 1), 0.1)
    trainer = Trainer(model, loss=tool.loss_of(1.0), l2=0, optimiser="torch", weight_decay=0.02, seed=1)
    batches, chance = tool.Batches(words, vocabulary, 32, 0.06, 1), random.Random(1)
    average = tool.Average(trainer, 0.9)
    drawn = [batches(epoch(lines, slots, chance), chance)] * 4
    assert all(ids.shape[0] == wanted.shape[0] and wanted.shape[1] == CLASSES + 1 for ids, wanted in drawn[0])
    np.testing.assert_allclose(drawn[0][0][1][:, :-1].sum(1), 1, atol=1e-6)
    losses = [
        result.loss
        for result in epochs(trainer, drawn.__getitem__, 4, rate=lambda *at: 0.01, after_step=average.update)
    ]
    assert losses[-1] < losses[0] - 0.3
    assert not np.array_equal(average.values["softmax/kernel"], trainer.weights()["softmax/kernel"])
    path = tmp_path / "small.hdf5"
    write_model(path, average.values, vocabulary)
    written = npmoji.load(path, vocabulary, engine="numpy")
    assert written.classes == CLASSES and written.references["texts"]
    np.testing.assert_array_equal(written["softmax"].kernel, average.values["softmax/kernel"])

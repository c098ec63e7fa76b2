"""The DeepMoji graph as a PyTorch module for training, at small sizes, and its export in Keras 2's weights layout.

B texts, T time steps, E embedding width, H hidden units per direction, F = 4H + E features, C classes, D directions.
Padding (id 0) is trailing only.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn

NEVER = -1e9  # a logit for padded steps: their attention weight becomes exactly 0


class _Scan(torch.autograd.Function):
    """The recurrence of D independent Keras 2 LSTMs; its gradient is by hand, to spare autograd's many small steps."""

    @staticmethod
    def forward(ctx, projected: Tensor, recurrent: Tensor) -> Tensor:
        """`projected` (T, D, B, 4H), the inputs' share of z, and `recurrent` (D, H, 4H) to outputs h (T, D, B, H)."""
        steps, directions, batch, width = projected.shape
        units = width // 4
        h = c = projected.new_zeros(directions, batch, units)
        gates, cells, outputs = torch.empty_like(projected), [c], [h]
        for t in range(steps):
            z = torch.baddbmm(projected[t], h, recurrent)
            gate = torch.clamp(z * 0.2 + 0.5, 0, 1, out=gates[t])  # Keras 2's hard sigmoid
            torch.tanh(z[..., 2 * units : 3 * units], out=gate[..., 2 * units : 3 * units])
            i, f, g, o = gate.split(units, -1)
            c = f * c + i * g
            h = o * torch.tanh(c)
            cells.append(c)
            outputs.append(h)
        cells, outputs = torch.stack(cells), torch.stack(outputs)
        ctx.save_for_backward(recurrent, gates, cells, outputs)
        return outputs[1:].clone()

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        recurrent, gates, cells, outputs = ctx.saved_tensors
        steps, directions, batch, width = gates.shape
        units, back = width // 4, recurrent.transpose(1, 2)
        slope = ((gates > 0) & (gates < 1)).to(grad.dtype) * 0.2  # d hard sigmoid / dz
        slope[..., 2 * units : 3 * units] = 1 - gates[..., 2 * units : 3 * units] ** 2
        squashed = torch.tanh(cells[1:])
        dz, dc, dh = torch.empty_like(gates), torch.zeros_like(cells[0]), torch.zeros_like(cells[0])
        for t in reversed(range(steps)):
            i, f, g, o = gates[t].split(units, -1)
            dh = dh + grad[t]
            dc = dc + dh * o * (1 - squashed[t] ** 2)
            torch.cat([dc * g, dc * cells[t], dc * i, dh * squashed[t]], -1, out=dz[t]).mul_(slope[t])
            dh, dc = torch.bmm(dz[t], back), dc * f
        before = outputs[:-1].permute(1, 3, 0, 2).reshape(directions, units, steps * batch)
        drecurrent = torch.bmm(before, dz.permute(1, 0, 2, 3).reshape(directions, steps * batch, width))
        return dz, drecurrent


class BiLSTM(nn.Module):
    """Both directions of a Keras 2 LSTM (gates i, f, c, o; hard sigmoid), stacked so that one product serves both."""

    def __init__(self, inputs: int, units: int):
        super().__init__()
        self.kernel = nn.Parameter(torch.stack([nn.init.xavier_uniform_(torch.empty(inputs, 4 * units)) for _ in "fb"]))
        self.recurrent_kernel = nn.Parameter(
            torch.stack([nn.init.orthogonal_(torch.empty(units, 4 * units)) for _ in "fb"])
        )
        bias = torch.zeros(2, 4 * units)
        bias[:, units : 2 * units] = 1  # an open forget gate, as Keras starts it
        self.bias = nn.Parameter(bias)

    def forward(self, x: Tensor, turned: Tensor) -> Tensor:
        """`x` (B, T, I) and each row's step order reversed within its length, (B, T), to (B, T, 2H)."""
        batch, steps, inputs = x.shape
        both = torch.stack([x, _reorder(x, turned)]).view(2, batch * steps, inputs)
        projected = torch.baddbmm(self.bias[:, None], both, self.kernel).view(2, batch, steps, -1)
        ahead, behind = _Scan.apply(projected.permute(2, 0, 1, 3).contiguous(), self.recurrent_kernel).permute(
            1, 2, 0, 3
        )
        return torch.cat([ahead, _reorder(behind, turned)], -1)


def _reorder(x: Tensor, order: Tensor) -> Tensor:
    return torch.gather(x, 1, order[..., None].expand_as(x))


class Network(nn.Module):
    """Token ids (B, T) to emoji logits (B, C); with dropout while training."""

    def __init__(self, vocabulary: int, embedding: int, units: int, classes: int, dropout: float):
        super().__init__()
        features = 4 * units + embedding
        self.embeddings = nn.Parameter(torch.empty(vocabulary, embedding).uniform_(-0.5, 0.5))
        self.lstm_0, self.lstm_1 = BiLSTM(embedding, units), BiLSTM(2 * units, units)
        self.attention = nn.Parameter(torch.empty(features).uniform_(-0.05, 0.05))
        self.softmax = nn.Linear(features, classes)
        self.dropout = dropout

    def forward(self, ids: Tensor) -> Tensor:
        mask, steps = ids != 0, torch.arange(ids.shape[1])
        last = mask.sum(1, keepdim=True) - 1
        turned = torch.where(steps <= last, last - steps, steps)  # (B, T)
        x = self._drop_channels(torch.tanh(nn.functional.embedding(ids, self.embeddings)))
        first = self.lstm_0(x, turned)
        second = self.lstm_1(self._drop_channels(first), turned)
        features = torch.cat([second, first, x], -1)  # (B, T, F)
        weights = torch.softmax((features @ self.attention).masked_fill(~mask, NEVER), -1)
        text = torch.einsum("bt,btf->bf", weights, features)
        return self.softmax(nn.functional.dropout(text, self.dropout, self.training))

    def _drop_channels(self, x: Tensor) -> Tensor:
        """Drop whole channels over all steps of a text (spatial dropout)."""
        if not self.training:
            return x
        return x * nn.functional.dropout(torch.ones_like(x[:, :1]), self.dropout)


def keras_layers(network: Network) -> list[tuple[str, list[tuple[str, np.ndarray]]]]:
    """(layer name, [(weight name, float32 array)]) in Keras' order, named as the original's weights file names them."""

    def lstm(name: str, inner: str, layer: BiLSTM) -> tuple[str, list[tuple[str, np.ndarray]]]:
        kinds = ("kernel", "recurrent_kernel", "bias")
        sides = enumerate(("forward", "backward"))
        return name, [(f"{name}/{side}_{inner}/{k}", getattr(layer, k)[n].numpy()) for n, side in sides for k in kinds]

    dense = [("softmax/kernel", network.softmax.weight.T.numpy()), ("softmax/bias", network.softmax.bias.numpy())]
    return [
        ("input_1", []),
        ("embedding", [("embedding/embeddings", network.embeddings.numpy())]),
        ("activation_1", []),
        lstm("bi_lstm_0", "lstm_1", network.lstm_0),
        lstm("bi_lstm_1", "lstm_2", network.lstm_1),
        ("concatenate_1", []),
        ("attlayer", [("attlayer/attlayer_W", network.attention[:, None].numpy())]),
        ("softmax", dense),
    ]


@torch.no_grad()
def write_weights(path: Path, network: Network) -> None:
    """Write the network as a Keras 2 weights file: no time stamps, so that equal weights give equal bytes."""
    layers = keras_layers(network)
    with h5py.File(path, "w", libver="earliest") as file:
        file.attrs["layer_names"] = np.array([name.encode() for name, _ in layers])
        file.attrs["backend"] = np.bytes_(b"theano")
        file.attrs["keras_version"] = np.bytes_(
            b"2.0.5"
        )  # settles what padded steps put out and the hard sigmoid's slope
        for name, weights in layers:
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array([weight.encode() for weight, _ in weights])
            for weight, value in weights:
                group.create_dataset(weight, data=np.ascontiguousarray(value, "<f4"), track_times=False)

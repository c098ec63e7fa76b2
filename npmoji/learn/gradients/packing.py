"""Which steps of a batch recurrent layers go through, and in which order.

A masked step leaves the states as they are, so going through a row's valid steps alone gives the same; what a masked
step puts out is a copy of the step before it in the direction of travel, or 0. So the valid steps are packed, the
rows with most of them first: turn s of every direction is a product of just the rows that have more than s of them. Its
gradient needs no rule of its own for masked steps: a copy's gradient is added to what it is a copy of.
"""

from __future__ import annotations

import numpy as np
import torch

Tensor = torch.Tensor


class Packing:
    """The valid steps of a mask, bool (N, T), as D directions go through them.

    Attributes:
        sizes: how many rows take part in each turn, falling.
        source: for each direction the flat number (row T + step) of each packed step, turn by turn, int64 (D, M).
        target: for each direction where among its packed steps the output of each step is, int64 (D, N T); M: a row of
            zeros.
        last: where each row's last state is, int64 (N,); M for a row without valid steps.
        order: the rows by the number of their valid steps, most first.
    """

    def __init__(self, mask: np.ndarray, backwards: tuple[bool, ...], hold: bool, device: torch.device):
        N, T = mask.shape
        lengths = mask.sum(axis=1)
        order = np.argsort(-lengths, kind="stable")
        turns = int(lengths.max(initial=0))
        sizes = (lengths[:, None] > np.arange(turns)).sum(axis=0)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        M = int(starts[-1])
        rank = np.empty(N, np.int64)
        rank[order] = np.arange(N)
        source, target = np.zeros((len(backwards), M), np.int64), np.full((len(backwards), N, T), M, np.int64)
        rows, steps = np.nonzero(mask)
        ahead = np.cumsum(mask, axis=1)  # valid steps up to and including each
        for d, backward in enumerate(backwards):
            turn = lengths[:, None] - ahead if backward else ahead - 1  # of each valid step
            packed = starts[turn[rows, steps]] + rank[rows]
            source[d, packed] = rows * T + steps
            if hold:
                held = lengths[:, None] - ahead + mask - 1 if backward else ahead - 1  # a masked step: the one before
                where, when = np.nonzero(held >= 0)
                target[d, where, when] = starts[held[where, when]] + rank[where]
            else:
                target[d, rows, steps] = packed
        ends = np.where(lengths > 0, starts[np.maximum(lengths - 1, 0)] + rank, M)
        self.sizes, self.turns, self.M = sizes.tolist(), turns, M
        self.source, self.target, self.last, self.order = (
            torch.from_numpy(np.ascontiguousarray(array)).to(device)
            for array in (source, target.reshape(len(backwards), N * T), ends, order)
        )

    def packed(self, x: Tensor) -> Tensor:
        """The steps of x (N, T, F) in the order of each direction, (D, M, F)."""
        D = len(self.source)
        return x.reshape(-1, x.shape[-1]).index_select(0, self.source.view(-1)).view(D, self.M, x.shape[-1])

    def unpacked(self, outputs: Tensor, d: int, steps: int) -> Tensor:
        """A direction's outputs (M, H) at all steps, (N, T, H)."""
        padded = torch.cat([outputs, outputs.new_zeros(1, outputs.shape[1])])
        return padded.index_select(0, self.target[d]).view(-1, steps, outputs.shape[1])

    def ends(self, states: Tensor, first: Tensor | None) -> Tensor:
        """Each row's last state among those after each packed step, (M, H) -> (N, H); ``first`` where it has none."""
        padded = torch.cat([states, states.new_zeros(1, states.shape[1])])
        found = padded.index_select(0, self.last)
        return found if first is None else torch.where((self.last == self.M)[:, None], first, found)

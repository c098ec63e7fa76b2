"""The recurrence of LSTMs over packed steps; its gradient is written by hand, to spare autograd's many small steps."""

from __future__ import annotations

from typing import Any

import torch

Tensor = torch.Tensor


def _gate(kind: str, z: Tensor) -> tuple[Tensor, Tensor]:
    """A gate's value and its slope dvalue/dz; a hard sigmoid's slope holds at both ends of its ramp, too."""
    if kind == "sigmoid":
        value = torch.sigmoid(z)
        return value, value * (1 - value)
    line, slope = (z * 0.2 + 0.5, 0.2) if kind == "hard_sigmoid" else ((z + 3) / 6, 1 / 6)
    return line.clamp(0, 1), ((line >= 0) & (line <= 1)).to(z.dtype) * slope


class Scan(torch.autograd.Function):
    """D independent LSTMs: gates i, f, o of the given kind, tanh for candidate c and output.

        z = projected + h · recurrent        c = f c + i g        h = o tanh(c)

    ``projected`` (D, M, 4H) holds the inputs' share of z, column blocks i f g o, of the packed steps: ``sizes[s]`` rows
    in turn s, falling. ``h`` and ``c`` (D, B, H) are the states before the first turn, B = sizes[0]. Returns h and c
    after each step, (D, M, H).
    """

    @staticmethod
    def forward(
        ctx: Any, projected: Tensor, recurrent: Tensor, h: Tensor, c: Tensor, sizes: list[int], kind: str
    ) -> tuple[Tensor, Tensor]:
        D, M, width = projected.shape
        H = width // 4
        gates, slopes = torch.empty_like(projected), torch.empty_like(projected)
        outputs, cells, squashed = (projected.new_empty(D, M, H) for _ in range(3))
        ctx.start, at = (h, c), 0
        for size in sizes:
            now = slice(at, at + size)
            z = torch.baddbmm(projected[:, now], h[:, :size], recurrent)
            gates[:, now], slopes[:, now] = _gate(kind, z)
            g = torch.tanh(z[..., 2 * H : 3 * H])
            gates[:, now, 2 * H : 3 * H], slopes[:, now, 2 * H : 3 * H] = g, 1 - g * g
            i, f, g, o = torch.split(gates[:, now], H, -1)
            c = f * c[:, :size] + i * g
            squashed[:, now] = torch.tanh(c)
            h = o * squashed[:, now]
            outputs[:, now], cells[:, now] = h, c
            at += size
        ctx.save_for_backward(recurrent, gates, slopes, outputs, cells, squashed)
        ctx.sizes = sizes
        return outputs, cells

    @staticmethod
    def backward(ctx: Any, grad_h: Tensor, grad_c: Tensor) -> Any:
        recurrent, gates, slopes, outputs, cells, squashed = ctx.saved_tensors
        h, c = ctx.start
        H, back, sizes = gates.shape[2] // 4, recurrent.transpose(1, 2), ctx.sizes
        dz, drecurrent = torch.empty_like(gates), torch.zeros_like(recurrent)
        dh, dc = torch.zeros_like(h), torch.zeros_like(c)
        at, starts = 0, []
        for size in sizes:
            starts.append(at)
            at += size
        before_h = torch.empty_like(outputs)
        for s in reversed(range(len(sizes))):
            size, start = sizes[s], starts[s]
            now = slice(start, start + size)
            past = slice(starts[s - 1], starts[s - 1] + size)
            c_before = cells[:, past] if s else c[:, :size]
            before_h[:, now] = outputs[:, past] if s else h[:, :size]
            i, f, g, o = torch.split(gates[:, now], H, -1)
            dh_now = dh[:, :size] + grad_h[:, now]
            tanh_c = squashed[:, now]
            dc_now = dc[:, :size] + grad_c[:, now] + dh_now * o * (1 - tanh_c * tanh_c)
            torch.cat([dc_now * g, dc_now * c_before, dc_now * i, dh_now * tanh_c], -1, out=dz[:, now])
            dz[:, now] *= slopes[:, now]
            dh[:, :size] = torch.bmm(dz[:, now], back)
            dc[:, :size] = dc_now * f
        if sizes:
            drecurrent = torch.bmm(before_h.transpose(1, 2), dz)
        return dz, drecurrent, dh, dc, None, None

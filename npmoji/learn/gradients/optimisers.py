"""Adam as Keras 2.0.5 and as PyTorch have it, and their rules for gradients that are too long."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

import torch

from ...errors import InputError

Tensor = torch.Tensor
Tensors: TypeAlias = dict[str, Tensor]

RULES = ("keras", "torch")
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


def check_rule(name: str, rule: str) -> str:
    """The rule, if there is one of that name."""
    if rule not in RULES:
        raise InputError(f"{name} {rule!r:.60}: expected one of {', '.join(RULES)}")
    return rule


def norm(gradients: Mapping[str, Tensor]) -> float:
    """The length of all gradients together: the root of the sum of all squares."""
    return math.sqrt(sum(float(torch.sum(g * g)) for g in gradients.values()))


def clip(gradients: Mapping[str, Tensor], limit: float | None, rule: str = "keras") -> float:
    """Shorten the gradients, in place, if they are longer together than ``limit``; returns how long they were.

    Keras: ``g limit / n`` where n >= limit. PyTorch's `clip_grad_norm_`: ``g min(1, limit / (n + 1e-6))``.
    """
    n = norm(gradients)
    if limit is None:
        return n
    if rule == "torch":
        scale = min(1.0, limit / (n + 1e-6))
    else:
        scale = limit / n if n >= limit and n else 1.0
    if scale != 1.0:
        for gradient in gradients.values():
            gradient.mul_(scale)
    return n


class Adam:
    """Adam; each rule differs in where epsilon is.

        m <- 0.9 m + 0.1 g        v <- 0.999 v + 0.001 g²
        keras   p <- p - rate √(1 - 0.999^t) / (1 - 0.9^t) · m / (√v + 1e-8)
        torch   p <- p - rate / (1 - 0.9^t) · m / (√(v / (1 - 0.999^t)) + 1e-8)

    Keras' is that of version 2.0.5; all numbers move, those of gradient 0 too once m is not 0.

    Attributes:
        m, v: for each array. t: steps taken.
    """

    def __init__(self, weights: Mapping[str, Tensor], rule: str = "keras"):
        self.rule, self.t = rule, 0
        self.m: Tensors = {name: torch.zeros_like(p, requires_grad=False) for name, p in weights.items()}
        self.v: Tensors = {name: torch.zeros_like(p, requires_grad=False) for name, p in weights.items()}

    @torch.no_grad()
    def step(
        self, weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor], rate: float, decay: float = 0.0
    ) -> None:
        """Change the weights in place, which first lose the share ``decay`` (AdamW)."""
        self.t += 1
        first, second = 1 - BETA_1**self.t, 1 - BETA_2**self.t
        for name, g in gradients.items():
            m, v = self.m[name], self.v[name]
            if decay:
                weights[name].mul_(1 - decay)
            m.mul_(BETA_1).add_(g, alpha=1 - BETA_1)
            v.mul_(BETA_2).addcmul_(g, g, value=1 - BETA_2)
            if self.rule == "keras":
                weights[name].addcdiv_(m, v.sqrt().add_(EPSILON), value=-rate * math.sqrt(second) / first)
            else:
                weights[name].addcdiv_(m, (v / second).sqrt_().add_(EPSILON), value=-rate / first)

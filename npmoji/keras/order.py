"""In which order Keras 3 calls the layers of a model. It matters where one of them changes what later ones see, see
`Kind.takes_masks_off`."""

from __future__ import annotations

from .config import Network, Node, Ref, refs_of

CallKey = tuple[str, int]  # a layer's name and the number of one of its calls


def all_calls(network: Network) -> list[tuple[Node, int]]:
    """Each layer with the place of each of its calls, in the config's order."""
    return [(node, i) for node in network.nodes for i in range(len(node.calls))]


def execution_order(network: Network) -> list[tuple[Node, int]]:
    """The same in Keras' order: those first that are furthest from an output, and of those as far the one that a walk
    from the outputs ends with."""
    calls = {(node.name, node.first + i): (node, i) for node, i in all_calls(network)}
    before = {key: [ref[:2] for ref in refs_of(node.calls[i]) if ref[:2] in calls] for key, (node, i) in calls.items()}
    depths: dict[CallKey, int] = {}
    of_layer: dict[str, int] = {}  # a layer's calls are no less deep than those of it that were met before
    for key in reversed(_walk(network.outputs, before)):
        depth = max(depths.setdefault(key, 0), of_layer.get(key[0], 0))
        depths[key] = of_layer[key[0]] = depth
        for other in before[key]:
            depths[other] = max(depth + 1, depths.get(other, 0))
    found = sorted(depths, key=lambda key: -depths[key])  # stable
    return [calls[key] for key in [*found, *(key for key in calls if key not in depths)]]


def _walk(outputs: list[Ref], before: dict[CallKey, list[CallKey]]) -> list[CallKey]:
    """All calls that outputs come from, each after those before it."""
    found: dict[CallKey, None] = {}
    stack = [(ref[:2], False) for ref in reversed(outputs) if ref[:2] in before]
    begun: set[CallKey] = set()
    while stack:
        key, ready = stack.pop()
        if ready:
            found.setdefault(key)
        elif key not in begun:  # in a config that makes sense there are no circles
            begun.add(key)
            stack.append((key, True))
            stack.extend((other, False) for other in reversed(before[key]))
    return list(found)

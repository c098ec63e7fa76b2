"""The pickles of a state dict: `unpickler` with what those name besides plain data, descriptions of tensors."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from .unpickler import OPCODES, Global, PickleError, Unpickler

LARGEST, HIGHEST_RANK = 1 << 48, 16  # elements of a storage, dimensions of a tensor

#: types of storages and the bytes of an element
STORAGES = {"FloatStorage": 4, "DoubleStorage": 8, "HalfStorage": 2, "BFloat16Storage": 2, "ComplexFloatStorage": 8}
STORAGES |= {"LongStorage": 8, "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1}
#: the functions a state dict may name, and the arguments they take; `_rebuild_tensor` is that of PyTorch before 0.4
FUNCTIONS = {
    "collections.OrderedDict": (0, 1),
    "torch.Size": (1,),
    "torch._utils._rebuild_tensor": (4,),
    "torch._utils._rebuild_tensor_v2": (6, 7),
    "torch._utils._rebuild_parameter": (3,),
}
ADVICE = "expected tensors only, as torch.save(model.state_dict(), file) writes them; nothing in the file was run"


class TorchError(PickleError):
    """The bytes are no state dict, or a damaged or truncated one, or ask for more than tensors; says what is wrong."""


@dataclass(frozen=True)
class Storage:
    """A storage of ``size`` elements, or the view of it that has ``count`` of them from ``start`` on."""

    kind: str
    key: str
    size: int
    start: int
    count: int

    @property
    def nbytes(self) -> int:
        """Of the whole storage."""
        return self.size * STORAGES[self.kind]


@dataclass(frozen=True)
class Tensor:
    """Where the elements of a tensor are; offset and strides count elements of the storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class StateUnpickler(Unpickler):
    """Reads one pickle of a state dict after the other.

    Attributes:
        storages: those that the tensors refer to, by key.
    """

    names = frozenset({*FUNCTIONS, *(f"torch.{kind}" for kind in STORAGES)})
    data_are, advice = "weights", ADVICE

    def __init__(self, data: memoryview):
        super().__init__(data)
        self.storages: dict[str, Storage] = {}

    def unknown(self, name: str) -> str:
        """As the base's, with what to do about it."""
        return (
            f"its pickle asks for {name[:100]!r}, so it holds a whole model or something else, {ADVICE} "
            "(load a whole model with the code it was saved with, and save its state_dict)"
        )


def _reduce(pickle: StateUnpickler) -> None:
    """What would be a call of one of `FUNCTIONS`."""
    given, name = pickle.pop(tuple), pickle.pop(Global).name
    if len(given) not in FUNCTIONS.get(name, ()):
        raise TorchError(f"its pickle is damaged: {name} of {len(given)} arguments")
    if name == "collections.OrderedDict":
        pickle.push(_ordered_dict(pickle, *given))
    elif "_rebuild_tensor" in name:
        pickle.push(_tensor(*given[:4]))
    else:  # a Size is the tuple it is made of, a parameter its tensor
        pickle.push(given[0])
        pickle.top(tuple if name == "torch.Size" else Tensor)


def _ordered_dict(pickle: StateUnpickler, pairs: Any = ()) -> OrderedDict:
    """Python 2 gives the items, as lists of two."""
    if pairs != () and not (type(pairs) is list and all(type(pair) is list and len(pair) == 2 for pair in pairs)):
        raise TorchError("its pickle is damaged: an OrderedDict of something else than pairs")
    pickle.count(len(pairs))
    made: OrderedDict = OrderedDict()
    pickle.fill(made, pairs)
    return made


def _build(pickle: StateUnpickler) -> None:
    """The attributes of an object, from a dict: a state dict has one, with the versions of its modules."""
    state = pickle.pop(dict)
    pickle.top(OrderedDict)
    if set(state) != {"_metadata"}:
        raise TorchError(f"its pickle sets attributes of an object, {ADVICE}")


def _persistent(pickle: StateUnpickler) -> None:
    """A storage: ("storage", type, key, device, elements); legacy files add a view, None or (key, start, elements)."""
    given = pickle.pop(tuple)
    if len(given) not in (5, 6) or type(given[0]) is not str or given[0] != "storage":
        raise TorchError(f"its pickle refers to something else than storages, {ADVICE}")
    _, kind, key, _, size, *views = given
    view = views[0] if views and views[0] is not None else ("", 0, size)
    fits = isinstance(kind, Global) and kind.name not in FUNCTIONS and type(key) is str and type(view) is tuple
    if not fits or not _are_sizes((size, *view[1:])) or len(view) != 3 or view[1] + view[2] > size:
        raise TorchError("its pickle is damaged: not the description of a storage")
    storage = Storage(kind.name.removeprefix("torch."), key, size, *view[1:])
    known = pickle.storages.setdefault(key, storage)
    if (known.kind, known.size) != (storage.kind, size):
        raise TorchError(f"its pickle is damaged: storage {key!r} has two sizes or types")
    pickle.push(storage)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
    fits = isinstance(storage, Storage) and type(shape) is type(strides) is tuple
    if not fits or not len(shape) == len(strides) <= HIGHEST_RANK or not _are_sizes((offset, *shape, *strides)):
        raise TorchError("its pickle is damaged: not the description of a tensor")
    return Tensor(storage, offset, shape, strides)


def _are_sizes(values: tuple) -> bool:
    return all(type(value) is int and 0 <= value <= LARGEST for value in values)


StateUnpickler.opcodes = OPCODES | {b"R": _reduce, b"b": _build, b"Q": _persistent}

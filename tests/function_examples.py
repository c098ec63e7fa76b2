"""An example or more of every function of `npmoji.layers.functions`, for the tests of all that has one of each."""

import numpy as np

from npmoji import Dense, Input
from npmoji.layers import Part
from npmoji.layers.operations import Operation

OF_ONE = (
    "Abs Absolute Negative Square Sign Exp Erf Exp2 Expm1 Sin Sinh Cos Cosh Arctan Arcsinh Ceil Floor Trunc "
    "Isfinite Isinf Isnan LogicalNot Round NanToNum Copy StopGradient Array ConvertToTensor ZerosLike OnesLike "
    "EmptyLike Ravel BatchFlatten Shape Size Tril Triu HardSigmoid HardSilu HardTanh LogSigmoid Mish Relu Relu6 "
    "Selu Sigmoid Silu Softplus Softsign SparsePlus SparseSigmoid Tanh TanhShrink Softmax LogSoftmax Sparsemax Gelu "
    "Elu Celu LeakyRelu ReLU HardShrink SoftShrink Squareplus Normalize LayerNorm RMSNorm"
)
POSITIVE = "Log Log10 Log1p Log2 Reciprocal Rsqrt Sqrt"
OF_TWO = (
    "Add Subtract Multiply Maximum Minimum Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr "
    "LogicalXor SquaredDifference Logaddexp Hypot"
)
REDUCED = "Sum Mean Var Std Prod Max Amax Min Amin Any All Logsumexp Norm"
ALL = {"start": None, "stop": None, "step": None}

#: by function: what it is called with. "x" and "y" are numbers (N, 4, 3), "p" positive ones, "s" some between -0.9 and
#: 0.9, "i" integers (N, 4) from 0 to 3, and "n" the number of texts
EXAMPLES = {
    **{name: [(["x"], {})] for name in OF_ONE.split()},
    **{name: [(["p"], {})] for name in POSITIVE.split()},
    **{name: [(["s"], {})] for name in ["Arccos", "Arcsin", "Arctanh", "Tan"]},
    **{name: [(["x", "y"], {}), (["x", 0.5], {}), ([0.1, "y"], {}), (["x", np.float32([1, 2, 3])], {})] for name in
       OF_TWO.split()},
    **{name: [(["x", "p"], {}), (["i", 2], {}), ([1.5, "p"], {})] for name in (
        "Divide", "TrueDivide", "DivideNoNan", "FloorDivide", "Mod")},
    **{name: [(["x"], {"axis": 1}), (["x"], {"axis": [1, 2], "keepdims": True}), (["x"], {"axis": -1})] for name in
       REDUCED.split()},
    **{name: [(["x"], {"axis": 1}), (["x"], {"axis": -1, "keepdims": True})] for name in ("Argmax", "Argmin")},
    **{name: [(["x"], {}), (["x"], {"axis": 1, "descending": True})] for name in ("Sort", "Argsort")},
    **{name: [(["x"], {"axis": 1}), (["x"], {"axis": 2, "exclusive": True, "reverse": True})] for name in (
        "Cumsum", "Cumprod")},
    "Arccosh": [(["p1"], {})],
    "AddN": [([["x", "y", "x"]], {})],
    "Arange": [([0, "n"], {"dtype": "float32"})],
    "Arctan2": [(["x", "y"], {})],
    "Average": [(["x"], {"axis": 1}), (["x"], {"axis": 2, "weights": "p"}), (["x", [1, -2, 3]], {"axis": [-1]})],
    "BandPart": [(["x", 1, 0], {}), (["x", -1, 1], {})],
    "BroadcastTo": [(["x"], {"shape": ["n", 4, 3]})],
    "Cast": [(["x"], {"dtype": "float32"}), (["x"], {"dtype": "int32"}), (["i"], {"dtype": "bool"})],
    "SaturateCast": [(["x"], {"dtype": "float32"})],
    "Clip": [(["x"], {"x_min": -0.5, "x_max": 1}), (["i"], {"x_min": 1, "x_max": 2})],
    "Concatenate": [([["x", "y"]], {"axis": -1}), ([["x", "i3"]], {"axis": 2})],
    "CountNonzero": [(["i"], {"axis": 1})],
    "Dot": [(["x", np.float32([[1, 2], [3, 4], [5, 6]])], {}), (["x", [1.0, 2.0, 3.0]], {})],
    "Einsum": [([["x", "y"]], {"subscripts": s}) for s in (
        "bij,bkj->bik", "bij,bij->bi", "...ij,...kj->...ik", "bij,bkl->bjl", "bij,bij->b")] + [
        ([["x", np.float32([[1, 2], [3, 4], [5, 6]])]], {"subscripts": "bij,jk->bik"}),
        ([["x"]], {"subscripts": "bij->bji"}),
        ([["x", "y", "y"]], {"subscripts": "bij,bkj,bkl->bil"})],
    "ExpandDims": [(["x", 1], {}), (["x"], {"axis": [1, -1]})],
    "Fill": [([["n", 2], 0.5], {})],
    "Flip": [(["x"], {"axis": 1}), (["x"], {"axis": [1, 2]})],
    "Full": [([0.5], {"shape": ["n", 3]})],
    "FullLike": [(["x", 2.5], {}), (["x", 2], {"dtype": "int32"})],
    "Gather": [(["x", "i"], {"batch_dims": 1}), (["x", [0, 2]], {"axis": 1})],
    "Gelu": [(["x"], {"approximate": True}), (["x"], {"approximate": False})],
    "GetItem": [(["x", key], {}) for key in (
        [ALL, -1, ALL], [ALL, {"start": 1, "stop": -1, "step": None}], ["...", 0], [ALL, None, 1], ALL,
        [ALL, {"start": None, "stop": None, "step": -2}, "...", None])],
    "Glu": [(["x"], {"axis": 1})],
    "Hstack": [([["x", "y"]], {})],
    "L2Normalize": [(["x"], {"axis": 1})],
    "LayerNorm": [(["x"], {}), (["x", [1.0, 2.0, 3.0], [0.5, 0.0, 1.0]], {}), (["x"], {"rms_scaling": True})],
    "LogSoftmax": [(["x"], {}), (["x"], {"axis": 1})],
    "Matmul": [(["x", "y"], {"transpose_b": True}), (["x", "y"], {"transpose_a": True}),
               (["x", np.float32([[1, 2], [3, 4], [5, 6]])], {}), (["x", [1.0, 2.0, 3.0]], {})],
    "Moments": [(["x"], {"axes": [1]})],
    "Moveaxis": [(["x"], {"source": 1, "destination": 2})],
    "MultiHot": [(["i"], {"num_classes": 4})],
    "Norm": [(["x"], {"axis": 1}), (["x"], {"axis": [1, 2], "keepdims": True}), (["x"], {"axis": 2, "ord": 3}),
             (["x"], {"axis": 2, "ord": 1}), (["x"], {"axis": 1, "ord": float("inf")})],
    "Normalize": [(["x"], {}), (["x"], {"axis": 1, "order": 3})],
    "OneHot": [(["i"], {"num_classes": 3}), (["i"], {"num_classes": 4, "axis": 1, "dtype": "int32"}),
               (["i"], {"num_classes": 4, "on_value": 2.0, "off_value": -1.0})],
    "Pad": [(["x"], {"pad_width": [[0, 0], [1, 2], [0, 1]], "constant_values": 1.5}),
            (["x"], {"pad_width": [[0, 0], [1, 1], [0, 0]], "mode": "reflect"})],
    "Power": [(["p", "y"], {}), (["x", 2], {}), ([2.0, "y"], {}), (["i", 2], {})],
    "ReLU": [(["x"], {}), (["x"], {"negative_slope": 0.1, "max_value": 1.0, "threshold": 0.2})],
    "RMSNorm": [(["x"], {}), (["x", [1.0, 2.0, 3.0]], {})],
    "Repeat": [(["x", 2], {"axis": 1}), (["x", [1, 0, 2]], {"axis": 2})],
    "Reshape": [(["x"], {"newshape": [-1, 2, 6]}), (["x"], {"newshape": ["n", 12]})],
    "Roll": [(["x", 1], {"axis": 1}), (["x", [-1, 2]], {"axis": [1, 2]})],
    "Select": [([["x", "y"], ["y", "x"]], {"default": 0.5})],
    "SequenceMask": [(["i"], {"maxlen": 3})],
    "Slice": [(["x", [0, 1, 0]], {"shape": [-1, 2, -1]})],
    "Softmax": [(["x"], {}), (["x"], {"axis": [1, 2]})],
    "Sparsemax": [(["x"], {}), (["x"], {"axis": 1})],
    "Split": [(["x", 2], {"axis": 1}), (["x", [1, 3]], {"axis": 1})],
    "SplitSizes": [(["x", 2], {"axis": 1}), (["x", [1, -1, 2]], {"axis": 1})],
    "Squeeze": [(["x1"], {"axis": 1})],
    "Stack": [([["x", "y", "x"]], {"axis": 1}), ([["x", "y"]], {"axis": -1})],
    "Swapaxes": [(["x", 1, 2], {})],
    "Take": [(["x", [0, 2, -1]], {"axis": 1}), (["x", "i"], {"axis": 1, "batch_dims": 1})],
    "TakeAlongAxis": [(["x", "i3"], {"axis": 1})],
    "Tensordot": [(["x", np.float32([[1, 2], [3, 4], [5, 6]])], {"axes": 1}),
                  (["x", np.float32([[1, 2], [3, 4], [5, 6]])], {"axes": [[2], [0]]})],
    "Threshold": [(["x", 0.2, -1.0], {})],
    "Tile": [(["x", [1, 2, 2]], {}), (["x", [2]], {})],
    "TopK": [(["x", 2], {})],
    "Transpose": [(["x", [0, 2, 1]], {})],
    "Unstack": [(["x"], {"axis": 1})],
    "Vstack": [([["x", "y"]], {})],
    "Where": [(["x", "x", 0.0], {}), (["i3", "x", "y"], {})],
}  # fmt: skip
NAMES = ("x", "y", "p", "p1", "s", "x1", "i", "i3", "n")


def array(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class Values:
    """The layers that the examples' names stand for, with weights before all numbers."""

    def __init__(self):
        self.layers = {}
        self.numbers, self.ids = Input(name="numbers", shape=(4, 3)), Input(4, name="ids", shape=(4,))

    def layer(self, name):
        """One of them, always the same."""
        if name not in self.layers:
            self.layers[name] = getattr(self, f"_{name}")()
        return self.layers[name]

    def _x(self):
        return Dense(self.numbers, array((3, 3), 5), array(3, 6), name="x")

    def _y(self):
        return Dense(self.numbers, array((3, 3), 7), array(3, 8), name="y")

    def _p(self):
        return Operation("Add", [Operation("Abs", [self.layer("y")], {}, name="size"), 0.3], {}, name="p")

    def _p1(self):
        return Operation("Add", [self.layer("p"), 1], {}, name="p1")

    def _s(self):
        return Operation("Multiply", [Operation("Tanh", [self.layer("x")], {}, name="tanh"), 0.9], {}, name="s")

    def _x1(self):
        return Operation("ExpandDims", [self.layer("x"), 1], {}, name="x1")

    def _i(self):
        return Operation("Mod", [self.ids, 4], {}, name="i")

    def _i3(self):
        return Operation("Stack", [[self.layer("i")] * 3], {"axis": 2}, name="i3")

    def _n(self):
        return Operation("GetItem", [Operation("Shape", [self.layer("x")], {}, name="shape"), 0], {}, name="n")

    def filled(self, value):
        """A value with layers in place of their names."""
        if isinstance(value, str) and value in NAMES:
            return self.layer(value)
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        return value


def made(name, i):
    """The operation of an example; its first part, if it gives several."""
    values, (arguments, settings) = Values(), EXAMPLES[name][i]
    settings = {key: value if key == "mode" else values.filled(value) for key, value in settings.items()}
    operation = Operation(name, values.filled(arguments), settings, name="function")
    operation.outputs = 2 if operation.function.several else 1
    return Part(operation, 1) if operation.function.several else operation


def inputs(rows=5):
    """Arrays for the inputs."""
    return {"numbers": array((rows, 4, 3), 1), "ids": np.random.default_rng(2).integers(0, 4, (rows, 4))}

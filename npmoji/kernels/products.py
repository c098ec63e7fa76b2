"""Rows of floats times a group of panels: which register blocks a product of any size is made of.

Blocking changes which elements are computed side by side, never the chain of one of them (see `float32`).
"""

from __future__ import annotations

from .blocks import address_of, bytes_of, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6
from .target import FLOAT_BYTES, GROUP, GROUP_PANELS, K_BLOCK, ROWS, TILE, inlined, inner


@inner
def block_rows(left, most):
    """Rows of the next register block, at most `most`, when `left` remain: as few blocks as possible, of even size,
    since a block of one or two rows leaves most of the multipliers idle."""
    blocks = (left + most - 1) // most
    return (left + blocks - 1) // blocks


@inner
def _multiply_few(rows, a, a_stride, group, z, k, dtype):
    """z (rows, GROUP) += a (rows, K) times a group of panels, for 1 to 3 rows: several panels side by side."""
    panel_bytes = k * TILE * bytes_of(dtype)
    z_stride = GROUP * FLOAT_BYTES
    if rows == 1:
        tile_1(a, a_stride, group, panel_bytes, z, z_stride, k, dtype)
        return
    for panel in range(0, GROUP_PANELS, 2):
        b = group + panel * panel_bytes
        c = z + panel * TILE * FLOAT_BYTES
        if rows == 2:
            tile_2(a, a_stride, b, panel_bytes, c, z_stride, k, dtype)
        else:
            tile_3(a, a_stride, b, panel_bytes, c, z_stride, k, dtype)


@inner
def multiply_panel(rows, a, a_stride, b, c, k, dtype):
    """c[:, :TILE] += a b for `rows` rows, a sum of blocks of 4 to 6, and a slice of K of one panel."""
    c_stride = GROUP * FLOAT_BYTES
    row = 0
    while row < rows:
        count = block_rows(rows - row, ROWS)
        if count == 6:
            tile_6(a, a_stride, b, 0, c, c_stride, k, dtype)
        elif count == 5:
            tile_5(a, a_stride, b, 0, c, c_stride, k, dtype)
        else:
            tile_4(a, a_stride, b, 0, c, c_stride, k, dtype)
        row += count
        a += count * a_stride
        c += count * c_stride


@inner
def _multiply_group(rows, a, a_stride, group, z, k, dtype):
    """z (rows, GROUP) += a (rows, K) times a group of panels; any number of rows."""
    few = rows if rows < 4 else (3 if rows == 7 else 0)  # 7 is the one larger number that 4, 5 and 6 cannot make up
    many = rows - few
    if few:
        _multiply_few(few, a + many * a_stride, a_stride, group, z + many * GROUP * FLOAT_BYTES, k, dtype)
    if many == 0:
        return
    k_block = K_BLOCK if many > ROWS else k
    for panel in range(GROUP_PANELS):
        for start in range(0, k, k_block):
            b = group + (panel * k + start) * TILE * bytes_of(dtype)
            c = z + panel * TILE * FLOAT_BYTES
            multiply_panel(many, a + start * FLOAT_BYTES, a_stride, b, c, min(k_block, k - start), dtype)


@inlined
def multiply_panels(rows, a, a_stride, panels, group, z):
    """The same for one of the groups that an array of panels holds; K is the panels'."""
    k = panels.shape[1]
    at = address_of(panels) + group * k * GROUP * bytes_of(panels.dtype)
    _multiply_group(rows, a, a_stride, at, z, k, panels.dtype)

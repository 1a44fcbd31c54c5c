"""A linear layer on arrays is the product with the weight, for any number of rows."""

import numpy
import pytest

from nmt.kernels.array_linear import COLUMNS, MOST_ROWS, ArrayLinear, in_blocks


@pytest.mark.parametrize("rows", [0, 1, 2, MOST_ROWS, MOST_ROWS + 1, 200])
@pytest.mark.parametrize("shape", [(1, 3), (COLUMNS, 8), (COLUMNS + 1, 16), (300, 40), (600, 400)])
@pytest.mark.parametrize("has_bias", [False, True])
def test_the_product(rows: int, shape: tuple[int, int], has_bias: bool) -> None:
    generator = numpy.random.default_rng(rows)
    weight = generator.normal(size=shape).astype(numpy.float32)
    bias = generator.normal(size=shape[0]).astype(numpy.float32) if has_bias else None
    x = generator.normal(size=(rows, shape[1])).astype(numpy.float32)
    layer = ArrayLinear(weight, bias)
    expected = x @ weight.T + (0 if bias is None else bias)
    for _ in range(2):  # the second call uses what the first one prepared
        product = layer(x)
        assert product.dtype == numpy.float32
        numpy.testing.assert_allclose(product, expected, atol=1e-3)
    product += 1  # the result belongs to the caller
    numpy.testing.assert_allclose(layer(x), expected, atol=1e-3)


def test_blocks_by_hand() -> None:
    """Column j of the transpose stands in block j // 64, at j % 64; the rest is zeros."""
    weight = numpy.arange(2 * (COLUMNS + 1), dtype=numpy.float32).reshape(-1, 2)
    blocks = in_blocks(weight)
    assert blocks.shape == (2, 2, COLUMNS)
    assert blocks[0, :, 3].tolist() == [6, 7]
    assert blocks[1, :, 0].tolist() == [128, 129]
    assert not blocks[1, :, 1:].any()

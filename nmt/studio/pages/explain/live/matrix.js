/**
 * What the Python model takes from PyTorch: matrices, linear maps, softmax and activations.
 *
 * A matrix (n, width) is row-major, as in Python.
 */

/** A matrix of numbers, row by row; a vector has one row. */
export class Matrix {
  constructor(rows, width, data = new Float32Array(rows * width)) {
    this.rows = rows;
    this.width = width;
    this.data = data;
  }

  /** Return a row; it shares the matrix's memory. */
  row(index) {
    return this.data.subarray(index * this.width, (index + 1) * this.width);
  }

  /** Return a list of the rows. */
  list() {
    return Array.from({ length: this.rows }, (_, index) => this.row(index));
  }

  /** Return columns `begin` to `end` as a matrix of their own. */
  columns(begin, end) {
    const part = new Matrix(this.rows, end - begin);
    for (let row = 0; row < this.rows; row++) {
      part.row(row).set(this.row(row).subarray(begin, end));
    }
    return part;
  }
}

/** Return the weights as matrices, by their names in Python; tensors: {shape, numbers}. */
export function makeWeights(tensors) {
  const matrix = ({ shape, numbers }) => {
    const width = shape.at(-1);
    return new Matrix(numbers.length / width, width, numbers);
  };
  return Object.fromEntries(Object.entries(tensors).map(([name, each]) => [name, matrix(each)]));
}

/**
 * Compute x W^T + b; x (n, in), weight (out, in), bias (1, out) or null; the result is (n, out).
 *
 * Nearly all time is spent here. Two rows of x times four of W at once read each number less often;
 * of several such forms, this is the shortest of the fastest in V8. Where rows are left over, the
 * last one is computed again.
 */
export function linear(x, weight, bias = null) {
  const y = new Matrix(x.rows, weight.rows);
  const [a, w, out] = [x.data, weight.data, y.data];
  const [width, n] = [weight.rows, x.width];
  for (let i0 = 0; i0 < x.rows; i0 += 2) {
    const i1 = Math.min(i0 + 1, x.rows - 1);
    for (let j0 = 0; j0 < width; j0 += 4) {
      const j1 = Math.min(j0 + 1, width - 1);
      const j2 = Math.min(j0 + 2, width - 1);
      const j3 = Math.min(j0 + 3, width - 1);
      const [a0, a1, w0, w1, w2, w3] = [i0 * n, i1 * n, j0 * n, j1 * n, j2 * n, j3 * n];
      let [s00, s01, s02, s03, s10, s11, s12, s13] = [0, 0, 0, 0, 0, 0, 0, 0];
      for (let k = 0; k < n; k++) {
        const b0 = a[a0 + k];
        const b1 = a[a1 + k];
        const v0 = w[w0 + k];
        const v1 = w[w1 + k];
        const v2 = w[w2 + k];
        const v3 = w[w3 + k];
        s00 += b0 * v0;
        s01 += b0 * v1;
        s02 += b0 * v2;
        s03 += b0 * v3;
        s10 += b1 * v0;
        s11 += b1 * v1;
        s12 += b1 * v2;
        s13 += b1 * v3;
      }
      const [y0, y1] = [i0 * width, i1 * width];
      out[y0 + j0] = s00;
      out[y0 + j1] = s01;
      out[y0 + j2] = s02;
      out[y0 + j3] = s03;
      out[y1 + j0] = s10;
      out[y1 + j1] = s11;
      out[y1 + j2] = s12;
      out[y1 + j3] = s13;
    }
  }
  if (bias) {
    for (const row of y.list()) addTo(row, bias.data);
  }
  return y;
}

/** Add a vector to another in place. */
export function addTo(sum, vector) {
  for (let index = 0; index < sum.length; index++) sum[index] += vector[index];
}

/** Return the sum of two matrices of one shape. */
export function add(one, other) {
  const sum = new Matrix(one.rows, one.width, one.data.slice());
  addTo(sum.data, other.data);
  return sum;
}

/** Return the product of a vector with the numbers of another from `first` on. */
export function dot(vector, other, first = 0) {
  let sum = 0;
  for (let at = 0; at < vector.length; at++) sum += vector[at] * other[first + at];
  return sum;
}

/** Replace scores by their softmax. */
export function softmax(scores) {
  const greatest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
  let total = 0;
  for (let at = 0; at < scores.length; at++) {
    scores[at] = Math.exp(scores[at] - greatest);
    total += scores[at];
  }
  for (let at = 0; at < scores.length; at++) scores[at] /= total;
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const relu = (x) => Math.max(0, x);
const silu = (x) => x * sigmoid(x);
const gelu = (x) => x * (1 + erf(x / Math.SQRT2)) / 2;

// By their names in recipes: `of` computes, `name` and `formula` are those of the page. The last four
// are gates of a gated feed-forward sub-layer (Shazeer, 2020).
export const ACTIVATIONS = {
  relu: { name: "max(0, z)", formula: "max(0, xW₁ + b₁)", of: relu },
  silu: { name: "z · σ(z)", formula: "SiLU(xW₁ + b₁)", of: silu },
  gelu: { name: "GELU(z)", formula: "GELU(xW₁ + b₁)", of: gelu },
  glu: { name: "σ(z)", formula: "σ(xW + b)", of: sigmoid, gates: true },
  reglu: { name: "max(0, z)", formula: "max(0, xW + b)", of: relu, gates: true },
  geglu: { name: "GELU(z)", formula: "GELU(xW + b)", of: gelu, gates: true },
  swiglu: { name: "z · σ(z)", formula: "Swish(xW + b)", of: silu, gates: true },
};

/** Return erf(x) by the series 2 / sqrt(pi) * exp(-x^2) * sum of 2^n x^(2n+1) / (2n+1)!!. */
function erf(x) {
  if (Math.abs(x) > 5) return Math.sign(x); // to 2e-12
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-12 * Math.abs(sum); n++) {
    term *= 2 * x * x / (2 * n + 1);
    sum += term;
  }
  return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
}

/** A linear layer by the name of its weights; it may have no bias. */
export class Linear {
  constructor(weights, name) {
    this.weight = weights[`${name}.weight`];
    this.bias = weights[`${name}.bias`] ?? null;
  }

  /** Map (n, in) to (n, out). */
  forward(x) {
    return linear(x, this.weight, this.bias);
  }
}

/** Layer normalisation, or RMS normalisation, which has neither mean nor bias. */
export class Norm {
  constructor(settings, weights, name) {
    this.epsilon = settings.norm_epsilon;
    this.hasMean = settings.norm_kind === "layer";
    this.weight = weights[`${name}.weight`].data;
    this.bias = weights[`${name}.bias`]?.data ?? null;
  }

  /** Normalise each row of x (n, d_model). */
  forward(x) {
    const normed = new Matrix(x.rows, x.width);
    for (let row = 0; row < x.rows; row++) {
      const [from, to] = [x.row(row), normed.row(row)];
      const mean = this.hasMean ? from.reduce((sum, value) => sum + value, 0) / x.width : 0;
      const squares = from.reduce((sum, value) => sum + (value - mean) ** 2, 0);
      const factor = 1 / Math.sqrt(squares / x.width + this.epsilon);
      for (let at = 0; at < x.width; at++) {
        to[at] = (from[at] - mean) * factor * this.weight[at] + (this.bias ? this.bias[at] : 0);
      }
    }
    return normed;
  }
}

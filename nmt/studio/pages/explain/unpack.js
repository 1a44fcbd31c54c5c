/** Unpack tensors that nmt/studio/explain/page.py packed. */

const GROUP = 64; // numbers of a weight that share a scale, as in live.py

/** A tensor: integers in row-major order, and the scale that they are multiplied with. */
class Tensor {
  constructor(shape, integers, scale) {
    this.shape = shape;
    this.integers = integers;
    this.scale = scale;
  }

  /** Return the number at the indices, one for each dimension. */
  at(...indices) {
    return this.integers[this.offset(indices)] * this.scale;
  }

  /** Return the innermost vector at the indices of the other dimensions. */
  row(...indices) {
    const [width, offset] = [this.shape.at(-1), this.offset(indices)];
    const integers = this.integers.subarray(offset * width, (offset + 1) * width);
    return Array.from(integers, (each) => each * this.scale);
  }

  offset(indices) {
    return indices.reduce((sum, index, dimension) => sum * this.shape[dimension] + index, 0);
  }
}

/**
 * Return the tensor of {shape, scale, data}; data: base64 of little-endian 16-bit integers.
 *
 * Weights have {scales} too: the scale of each group of numbers, 32-bit numbers in base64.
 */
export function unpack(packed) {
  const view = viewOf(packed.data);
  const integers = new Int16Array(view.byteLength / 2);
  for (let at = 0; at < integers.length; at++) integers[at] = view.getInt16(2 * at, true);
  if (!packed.scales) return new Tensor(packed.shape, integers, packed.scale);
  const scales = viewOf(packed.scales);
  const numbers = new Float32Array(integers.length);
  for (let at = 0; at < numbers.length; at++) {
    numbers[at] = integers[at] * scales.getFloat32(4 * Math.floor(at / GROUP), true);
  }
  return new Tensor(packed.shape, numbers, packed.scale);
}

/** Return a view of the bytes of base64; a loop takes a tenth of the time of Uint8Array.from. */
function viewOf(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = characters.charCodeAt(at);
  return new DataView(bytes.buffer);
}

/** Return data with all its tensors unpacked. */
export function unpackAll(data) {
  if (Array.isArray(data)) return data.map(unpackAll);
  if (data === null || typeof data !== "object") return data;
  if ("integers" in data) return new Tensor(data.shape, data.integers, data.scale);
  if ("shape" in data && "scale" in data) return unpack(data);
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, unpackAll(value)]));
}

/** Return the dot product of two vectors. */
export function dot(one, other) {
  return one.reduce((sum, value, index) => sum + value * other[index], 0);
}

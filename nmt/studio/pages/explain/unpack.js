/** Unpack tensors that nmt/studio/explain/page.py packed. */

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

/** Return the tensor of {shape, scale, data}; data: base64 of little-endian 16-bit integers. */
export function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const integers = new Int16Array(bytes.length / 2);
  for (let offset = 0; offset < integers.length; offset++) {
    integers[offset] = view.getInt16(2 * offset, true);
  }
  return new Tensor(packed.shape, integers, packed.scale);
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

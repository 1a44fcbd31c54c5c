/** Packed tensors (nmt/studio/explain/packing.py) as numbers. */

/** A tensor of whole numbers, row by row, and the scale that makes them the model's. */
class Tensor {
  constructor(shape, whole, scale) {
    this.shape = shape;
    this.whole = whole;
    this.scale = scale;
  }

  /** Number at the indices, one for each dimension. */
  at(...indices) {
    let place = 0;
    indices.forEach((index, dimension) => place = place * this.shape[dimension] + index);
    return this.whole[place] * this.scale;
  }

  /** The innermost vector at the indices of the other dimensions. */
  row(...indices) {
    const width = this.shape.at(-1);
    let place = 0;
    indices.forEach((index, dimension) => place = place * this.shape[dimension] + index);
    return Array.from(
      this.whole.subarray(place * width, (place + 1) * width),
      (each) => each * this.scale,
    );
  }

  /** The greatest magnitude, which is what the scale was made from. */
  get greatest() {
    return this.scale * 32767;
  }
}

/** The tensor of {shape, scale, data}; `data` is base64 of little-endian 16-bit numbers. */
export function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const whole = new Int16Array(bytes.length / 2);
  for (let place = 0; place < whole.length; place++) {
    whole[place] = view.getInt16(2 * place, true);
  }
  return new Tensor(packed.shape, whole, packed.scale);
}

/** Plain data with all its tensors unpacked. */
export function unpackAll(data) {
  if (Array.isArray(data)) return data.map(unpackAll);
  if (data === null || typeof data !== "object") return data;
  if ("shape" in data && "scale" in data) return unpack(data);
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, unpackAll(value)]));
}

/** The sum of products of two vectors. */
export function dot(one, other) {
  return one.reduce((sum, value, index) => sum + value * other[index], 0);
}

/** Unpack tensors that nmt/studio/explain/packing.py packed. */

const GROUP = 64; // numbers that share a scale, as in packing.py

/** A tensor: numbers in row-major order. */
class Tensor {
  constructor(shape, numbers) {
    this.shape = shape;
    this.numbers = numbers;
  }

  /** Return the number at the indices, one for each dimension. */
  at(...indices) {
    return this.numbers[this.offset(indices)];
  }

  /** Return the innermost vector at the indices of the other dimensions. */
  row(...indices) {
    const [width, offset] = [this.shape.at(-1), this.offset(indices)];
    return [...this.numbers.subarray(offset * width, (offset + 1) * width)];
  }

  offset(indices) {
    return indices.reduce((sum, index, dimension) => sum * this.shape[dimension] + index, 0);
  }
}

/**
 * Return the tensor of {shape, scales, data}; data: base64 of little-endian integers, scales: that
 * of 32-bit numbers, by which the integers of a group are multiplied. Integers have 16 bits; of a
 * matrix, they may have 8, and its rows are the groups.
 */
function unpack({ shape, scales, data }) {
  const [integers, factors] = [data, scales].map((text) => new DataView(bytesOf(text).buffer));
  const numbers = new Float32Array(shape.reduce((product, length) => product * length, 1));
  const isShort = integers.byteLength === numbers.length;
  const group = isShort ? shape.at(-1) : GROUP;
  for (let at = 0; at < numbers.length; at++) {
    const scale = factors.getFloat32(4 * Math.floor(at / group), true);
    numbers[at] = (isShort ? integers.getInt8(at) : integers.getInt16(2 * at, true)) * scale;
  }
  return new Tensor(shape, numbers);
}

/** Return the bytes of base64; a loop takes a tenth of the time of Uint8Array.from. */
export function bytesOf(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = characters.charCodeAt(at);
  return bytes;
}

/** Return data with all its tensors unpacked. */
export function unpackAll(data) {
  if (Array.isArray(data)) return data.map(unpackAll);
  if (data === null || typeof data !== "object") return data;
  if ("numbers" in data) return new Tensor(data.shape, data.numbers); // of the worker
  if ("scales" in data) return unpack(data);
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, unpackAll(value)]));
}

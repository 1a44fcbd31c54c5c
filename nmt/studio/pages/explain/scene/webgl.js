/** Draw the blocks with three.js: a mesh and a texture for each slab. */

import { colour, mix, pixels } from "../../scheme.js";
import { slabImage } from "./colours.js";
import { depthOf, PLATE_DEPTH } from "./layout.js";

const FIELD = 26; // degrees from the lower to the upper edge of the picture
const SIDES = [0.8, 0.8, 0.94, 0.88, 1, 0.86]; // light: right, left, top, bottom, front, back

const free = []; // renderers of drawings that were replaced: a browser allows few of them

/** Return a renderer; null if the browser has no WebGL. */
function makeRenderer(THREE) {
  // three.js writes an error to the console if there is no WebGL, so ask first.
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2", { antialias: true, alpha: true });
  return context && THREE ? new THREE.WebGLRenderer({ canvas, context }) : null;
}

/** A drawing in three dimensions. `view`: {x, y, height, yaw, pitch}; height is what the picture shows. */
export class Space {
  /** Return a drawing of blocks; null without WebGL. `lost` is called if the context is lost. */
  static make(blocks, arrangement, lost) {
    const renderer = free.pop() ?? makeRenderer(globalThis.THREE);
    return renderer && new Space(renderer, blocks, arrangement, lost);
  }

  constructor(renderer, blocks, { plates }, lost) {
    const { Scene, PerspectiveCamera } = globalThis.THREE;
    Object.assign(this, { renderer, blocks });
    this.element = renderer.domElement;
    this.element.setAttribute("aria-hidden", "true");
    this.onLost = (event) => {
      event.preventDefault();
      lost();
    };
    this.element.addEventListener("webglcontextlost", this.onLost);
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(FIELD, 1, 1, 1e5);
    this.blank = textureOf(pixels(1, 1, () => colour("wash"))); // of blocks not painted yet
    this.plates = plates.map((plate) => this.addPlate(plate));
    this.box = unitBox();
    this.slabs = new Map(blocks.map((block) => [block.id, this.addSlabs(block)]));
    this.repaint();
  }

  addPlate(plate) {
    const { Mesh, MeshBasicMaterial, PlaneGeometry } = globalThis.THREE;
    const size = [plate.right - plate.left, plate.top - plate.bottom];
    const mesh = new Mesh(new PlaneGeometry(...size), new MeshBasicMaterial());
    mesh.position.set((plate.left + plate.right) / 2, (plate.bottom + plate.top) / 2, PLATE_DEPTH);
    mesh.userData.side = plate.side;
    this.scene.add(mesh);
    return mesh;
  }

  addSlabs(block) {
    const { Mesh, MeshBasicMaterial } = globalThis.THREE;
    const { left, right, bottom, top, cell } = block.place;
    const settings = { vertexColors: true, transparent: true, map: this.blank };
    return Array.from({ length: block.shape[0] }, () => {
      const mesh = new Mesh(this.box, new MeshBasicMaterial(settings));
      mesh.position.set(left, bottom, 0);
      mesh.scale.set(right - left - (block.showsText ? 1 : 0), top - bottom, Math.min(1, cell[0]));
      this.scene.add(mesh);
      return mesh;
    });
  }

  /** Draw the cells of a block in the colours of the scheme. */
  paint(block) {
    this.slabs.get(block.id).forEach(({ material }, slab) => {
      if (material.map !== this.blank) material.map.dispose();
      material.map = textureOf(slabImage(block, slab));
    });
  }

  /** Draw the plates in the colours of the scheme. */
  repaint() {
    const { SRGBColorSpace } = globalThis.THREE;
    for (const { material, userData } of this.plates) {
      const rgb = mix(colour("card"), colour(userData.side), 0.07).map((each) => each / 255);
      material.color.setRGB(...rgb, SRGBColorSpace);
    }
  }

  /** Draw the blocks, each with `opacityOf(block)`, as they are seen from `view`. */
  render(view, width, height, opacityOf) {
    this.resize(width, height);
    const distance = view.height / 2 / Math.tan(FIELD / 2 * Math.PI / 180);
    const { camera } = this;
    const flat = Math.cos(view.pitch) * distance;
    camera.position.set(
      view.x + Math.sin(view.yaw) * flat,
      view.y + Math.sin(view.pitch) * distance,
      Math.cos(view.yaw) * flat,
    );
    camera.lookAt(view.x, view.y, 0);
    camera.near = distance / 50;
    camera.far = distance * 20 + 5000;
    camera.aspect = width / height;
    camera.updateProjectionMatrix();
    camera.updateMatrixWorld();
    for (const block of this.blocks) {
      const opacity = opacityOf(block);
      this.slabs.get(block.id).forEach(({ material, position }, slab) => {
        Object.assign(material, { opacity, depthWrite: opacity > 0.5 });
        position.z = -depthOf(block, slab); // the chosen head stands in front
      });
    }
    this.renderer.render(this.scene, camera);
  }

  resize(width, height) {
    if (this.width === width && this.height === height) return;
    Object.assign(this, { width, height });
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(width, height, false);
  }

  /** Return where a point of the scene is on the picture, in pixels. */
  project(x, y, z) {
    const point = new globalThis.THREE.Vector3(x, y, z).project(this.camera);
    return [(point.x + 1) / 2 * this.width, (1 - point.y) / 2 * this.height];
  }

  /** Return a function from z to the point [x, y] of the scene behind a point of the picture. */
  behind(left, top) {
    const { Vector3 } = globalThis.THREE;
    const from = this.camera.position;
    const at = [2 * left / this.width - 1, 1 - 2 * top / this.height, 0.5];
    const ray = new Vector3(...at).unproject(this.camera).sub(from);
    return (z) => {
      const share = (z - from.z) / ray.z;
      return share > 0 ? [from.x + share * ray.x, from.y + share * ray.y] : [NaN, NaN];
    };
  }

  dispose() {
    this.element.removeEventListener("webglcontextlost", this.onLost);
    for (const { geometry, material } of [...this.plates, ...[...this.slabs.values()].flat()]) {
      geometry.dispose();
      material.map?.dispose();
      material.dispose();
    }
    this.element.remove();
    if (!this.renderer.getContext().isContextLost()) free.push(this.renderer);
  }
}

/** Return a box from (0, 0, -1) to (1, 1, 0), whose sides show the edges of the picture in front. */
function unitBox() {
  const { BoxGeometry, Float32BufferAttribute } = globalThis.THREE;
  const box = new BoxGeometry(1, 1, 1).translate(0.5, 0.5, -0.5);
  const { array, count } = box.getAttribute("position");
  const texels = Array.from({ length: count }, (_, at) => [array[3 * at], 1 - array[3 * at + 1]]);
  box.setAttribute("uv", new Float32BufferAttribute(texels.flat(), 2));
  const light = SIDES.flatMap((side) => Array(12).fill(side)); // four corners of three colours
  box.setAttribute("color", new Float32BufferAttribute(light, 3));
  return box;
}

function textureOf({ width, height, data }) {
  const THREE = globalThis.THREE;
  const texture = new THREE.DataTexture(new Uint8Array(data.buffer), width, height);
  texture.colorSpace = THREE.SRGBColorSpace;
  texture.magFilter = THREE.NearestFilter;
  texture.minFilter = THREE.LinearMipmapLinearFilter;
  texture.generateMipmaps = true;
  texture.needsUpdate = true;
  return texture;
}

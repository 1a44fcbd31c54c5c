/** Draw the blocks with three.js: one mesh and one texture for each tensor. */

import { colour, mix } from "../../scheme.js";
import { paintWaiting, pixels } from "./colours.js";
import { depthOf, PLATE_DEPTH } from "./layout.js";

const FIELD = 26; // degrees from the lower to the upper edge of the picture
const FACES = [ // [corners of a box, brightness]; a corner: right, top, front
  [[[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]], 1],
  [[[1, 0, 0], [0, 0, 0], [0, 1, 0], [1, 1, 0]], 0.86],
  [[[0, 1, 1], [1, 1, 1], [1, 1, 0], [0, 1, 0]], 0.94],
  [[[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]], 0.8],
  [[[1, 0, 1], [1, 0, 0], [1, 1, 0], [1, 1, 1]], 0.8],
  [[[0, 0, 0], [0, 0, 1], [0, 1, 1], [0, 1, 0]], 0.88],
];

let shared = null; // a browser allows few contexts, so that all scenes of the page use one

/** Return the renderer of the page; null if the browser has no WebGL. */
function rendererOf(THREE) {
  if (shared || !THREE) return shared;
  // three.js writes an error to the console if there is no WebGL, so ask first.
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2", { antialias: true, alpha: true });
  if (context) shared = new THREE.WebGLRenderer({ canvas, context });
  return shared;
}

/** A drawing in three dimensions. `view`: {x, y, height, yaw, pitch}; height is what the picture shows. */
export class Space {
  /** Return a drawing of blocks; null without WebGL. `lost` is called if the context is lost. */
  static make(blocks, arrangement, frontOf, lost) {
    const renderer = rendererOf(globalThis.THREE);
    return renderer && new Space(renderer, blocks, arrangement, frontOf, lost);
  }

  constructor(renderer, blocks, { places, plates }, frontOf, lost) {
    const { Scene, PerspectiveCamera } = globalThis.THREE;
    Object.assign(this, { renderer, blocks, places, frontOf });
    this.element = renderer.domElement;
    this.element.setAttribute("aria-hidden", "true");
    this.onLost = (event) => {
      event.preventDefault();
      shared = null;
      lost();
    };
    this.element.addEventListener("webglcontextlost", this.onLost);
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(FIELD, 1, 1, 1e5);
    const content = Uint8ClampedArray.from([...colour("wash"), 255]);
    this.blank = textureOf({ width: 1, height: 1, content }); // of blocks that are not painted yet
    this.plates = plates.map((plate) => this.addPlate(plate));
    this.meshes = new Map(blocks.map((block) => [block.id, this.addBlock(block)]));
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

  addBlock(block) {
    const { BufferAttribute, BufferGeometry, Mesh, MeshBasicMaterial } = globalThis.THREE;
    const geometry = new BufferGeometry();
    const [slabs] = block.shape;
    const corners = slabs * 24;
    const colours = new Float32Array(3 * corners);
    const texels = new Float32Array(2 * corners);
    const order = [];
    for (let slab = 0; slab < slabs; slab++) {
      FACES.forEach(([face, light], side) => {
        const start = slab * 24 + side * 4;
        face.forEach(([right, top], corner) => {
          colours.fill(light, 3 * (start + corner), 3 * (start + corner) + 3);
          texels.set([right, (slab + 1 - top) / slabs], 2 * (start + corner));
        });
        order.push(...[0, 1, 2, 0, 2, 3].map((corner) => start + corner));
      });
    }
    geometry.setAttribute("position", new BufferAttribute(new Float32Array(3 * corners), 3));
    geometry.setAttribute("color", new BufferAttribute(colours, 3));
    geometry.setAttribute("uv", new BufferAttribute(texels, 2));
    geometry.setIndex(order);
    const material = new MeshBasicMaterial({
      vertexColors: true,
      transparent: true,
      map: this.blank,
    });
    const mesh = new Mesh(geometry, material);
    const paint = () => {
      if (material.map !== this.blank) material.map.dispose();
      material.map = textureOf(pixels(block));
    };
    mesh.userData = { block, paint, isPainted: false };
    this.scene.add(mesh);
    this.stand(mesh);
    return mesh;
  }

  /** Move the slabs of a block to their places; the chosen head stands in front. */
  stand(mesh) {
    const { block } = mesh.userData;
    const place = this.places.get(block.id);
    const front = this.frontOf(block);
    if (mesh.userData.front === front) return;
    mesh.userData.front = front;
    const position = mesh.geometry.getAttribute("position");
    const thickness = Math.min(1, place.cell[0]);
    const gap = block.showsText ? 1 : 0;
    for (let slab = 0; slab < block.shape[0]; slab++) {
      const z = -depthOf(block, slab, front);
      FACES.forEach(([face], side) =>
        face.forEach(([right, top, near], corner) => {
          position.setXYZ(
            slab * 24 + side * 4 + corner,
            place.x + right * (place.width - gap),
            place.y + top * place.height,
            z - (1 - near) * thickness,
          );
        })
      );
    }
    position.needsUpdate = true;
    mesh.geometry.computeBoundingSphere();
  }

  /** Paint all blocks again, in the colours of the current scheme. */
  repaint() {
    const { SRGBColorSpace } = globalThis.THREE;
    for (const { material, userData } of this.plates) {
      const rgb = mix(colour("card"), colour(userData.side), 0.07).map((each) => each / 255);
      material.color.setRGB(...rgb, SRGBColorSpace);
    }
    for (const { userData } of this.meshes.values()) userData.isPainted = false;
  }

  /** Paint textures of blocks, `first` before the others; return whether some are left. */
  paintSome(first, milliseconds) {
    const all = [...this.meshes.values()].map(({ userData }) => userData);
    return paintWaiting(all, first, milliseconds);
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
    for (const mesh of this.meshes.values()) {
      mesh.material.opacity = opacityOf(mesh.userData.block);
      mesh.visible = mesh.material.opacity > 0;
      mesh.material.depthWrite = mesh.material.opacity > 0.5;
      this.stand(mesh);
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
    for (const mesh of [...this.plates, ...this.meshes.values()]) {
      mesh.geometry.dispose();
      mesh.material.map?.dispose();
      mesh.material.dispose();
    }
    this.element.remove();
  }
}

function textureOf({ width, height, content }) {
  const THREE = globalThis.THREE;
  const texture = new THREE.DataTexture(new Uint8Array(content.buffer), width, height);
  texture.colorSpace = THREE.SRGBColorSpace;
  texture.magFilter = THREE.NearestFilter;
  texture.minFilter = THREE.LinearMipmapLinearFilter;
  texture.generateMipmaps = true;
  texture.needsUpdate = true;
  return texture;
}

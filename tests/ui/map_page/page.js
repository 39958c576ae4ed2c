// The map with made-up points, without a service: `?n=`, `?renderer=`; everything the tests ask for hangs on `window.map`.
import { Codes } from "/ui/map/codes.js";
import { MapView } from "/ui/map/map_view.js";
import { categoryPalette, distancePalette } from "/ui/map/palette.js";

const params = new URLSearchParams(location.search);
const n = Number(params.get("n") ?? 2000), nClusters = 40;
const renderer = /** @type {any} */ (params.get("renderer") ?? "auto");
const nBits = 64;

let state = 1;
/** The same numbers on each machine. */
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

function made() {
  const positions = new Float32Array(2 * n), classes = new Uint8Array(n), bytes = new Uint8Array((n * nBits) / 8);
  const centers = Array.from({ length: nClusters }, () => ({
    x: 1.8 * random() - 0.9, y: 1.8 * random() - 0.9, spread: 0.02 + 0.07 * random(),
    code: Uint8Array.from({ length: nBits / 8 }, () => 256 * random()),
  }));
  for (let i = 0; i < n; i++) {
    const center = centers[Math.floor(nClusters * random())];
    const angle = 2 * Math.PI * random(), far = Math.sqrt(-2 * Math.log(1 - 0.9999 * random()));
    positions[2 * i] = center.x + center.spread * far * Math.cos(angle);
    positions[2 * i + 1] = center.y + center.spread * far * Math.sin(angle);
    classes[i] = centers.indexOf(center) % 10;
    bytes.set(center.code, (i * nBits) / 8);
    for (let flip = 0; flip < 6; flip++) bytes[(i * nBits) / 8 + Math.floor((nBits / 8) * random())] ^= 1 << Math.floor(8 * random());
  }
  return { positions, classes, bytes };
}

const { positions, classes, bytes } = made();
const codes = new Codes();
const seen = { hovered: -1, picked: -1, selected: new Uint32Array(0), settled: 0 };
const view = new MapView(/** @type {HTMLElement} */ (document.getElementById("map")), {
  hover: (number) => { seen.hovered = number; },
  pick: (number) => { seen.picked = number; },
  select: (numbers) => { seen.selected = numbers; },
  settle: () => { seen.settled++; },
}, { renderer });

/** As it was at first. */
function reset() {
  Object.assign(seen, { hovered: -1, picked: -1, selected: new Uint32Array(0), settled: 0 });
  view.pointer.tool = "pan";
  view.setLinks([]);
  view.setPoints(positions);
  view.setLook({ classes, palette: categoryPalette(false), lit: null, marked: new Uint32Array(0) });
}

reset();
const first = bytes.slice(0, nBits / 8);
await codes.load(bytes.slice(), nBits);
Object.assign(window, { map: { view, codes, positions, classes, bytes, seen, first, nBits, distancePalette, reset } });

// Points sorted into the cells of a grid, so that what lies under the pointer or within a lasso is found at once.

/** @typedef {import("./camera.js").Bounds} Bounds */

/**
 * The arrays of a grid, which travel from the worker that builds it.
 * @typedef {object} Cells
 * @property {Bounds} bounds
 * @property {number} columns
 * @property {number} rows
 * @property {Uint32Array} starts   (rows * columns + 1) where each cell starts in `order`
 * @property {Uint32Array} order    (n) numbers of the points, cell by cell
 */

/**
 * About two points a cell, at most 1024 * 1024 cells. Cost: linear; 60 ms for a million points.
 * @param {Float32Array} positions (n * 2)
 * @param {Bounds} bounds of all points
 * @returns {Cells}
 */
export function sortIntoCells(positions, bounds) {
  const n = positions.length / 2;
  const side = Math.max(1, Math.min(1024, Math.ceil(Math.sqrt(n / 2))));
  const cellOf = new Uint32Array(n), starts = new Uint32Array(side * side + 1), order = new Uint32Array(n);
  const across = side / (bounds.right - bounds.left), up = side / (bounds.top - bounds.bottom);
  for (let i = 0; i < n; i++) {
    const column = Math.min(side - 1, Math.max(0, Math.floor((positions[2 * i] - bounds.left) * across)));
    const row = Math.min(side - 1, Math.max(0, Math.floor((positions[2 * i + 1] - bounds.bottom) * up)));
    cellOf[i] = row * side + column;
    starts[cellOf[i] + 1]++;
  }
  for (let cell = 0; cell < side * side; cell++) starts[cell + 1] += starts[cell];
  const next = starts.slice(0, side * side);
  for (let i = 0; i < n; i++) order[next[cellOf[i]]++] = i;
  return { bounds, columns: side, rows: side, starts, order };
}

export class Grid {
  /** @param {Float32Array} positions (n * 2) @param {Cells} cells */
  constructor(positions, cells) {
    this.positions = positions;
    this.cells = cells;
  }

  /**
   * The number of the nearest point within `radius` of (x, y); of equally near ones the lowest. -1 where there is none.
   * @param {number} x @param {number} y @param {number} radius units of the map
   * @param {(number: number) => boolean} [allowed]
   */
  nearest(x, y, radius, allowed) {
    let best = -1, limit = radius * radius;
    this.#eachNear(x - radius, y - radius, x + radius, y + radius, (i, px, py) => {
      const distance = (px - x) * (px - x) + (py - y) * (py - y);
      const nearer = distance < limit || (distance === limit && (best < 0 || i < best));
      if (nearer && (!allowed || allowed(i))) {
        best = i;
        limit = distance;
      }
    });
    return best;
  }

  /**
   * Numbers of the points inside a closed line, ascending. Of a cell that no side of the line touches, all points or none are
   * inside. Cost: the points of the other cells, times the sides of the line that lie in the same row of cells.
   * @param {number[][]} line corners (x, y), at least three
   * @returns {Uint32Array}
   */
  inside(line) {
    const { rows, columns, bounds, starts, order } = this.cells;
    const height = (bounds.top - bounds.bottom) / rows;
    const left = Math.min(...line.map((corner) => corner[0])), right = Math.max(...line.map((corner) => corner[0]));
    const sides = line.map((corner, i) => [...corner, ...line[(i + 1) % line.length]]);
    const bottom = Math.min(...line.map((corner) => corner[1])), top = Math.max(...line.map((corner) => corner[1]));
    const found = new Uint8Array(this.cells.order.length);
    for (let row = this.#row(bottom); row <= this.#row(top); row++) {
      // Points outside the bounds lie in the outermost cells, so these rows have no outer end.
      const low = row === 0 ? -Infinity : bounds.bottom + row * height - 1e-6 * height;
      const high = row === rows - 1 ? Infinity : bounds.bottom + (row + 1) * height + 1e-6 * height;
      const near = sides.filter((side) => Math.min(side[1], side[3]) <= high && Math.max(side[1], side[3]) >= low);
      const touched = new Uint8Array(columns);
      for (const [x0, , x1] of near) touched.fill(1, this.#column(Math.min(x0, x1)), this.#column(Math.max(x0, x1)) + 1);
      for (let column = this.#column(left); column <= this.#column(right); column++) {
        let isIn = false;
        for (let at = starts[row * columns + column], first = at; at < starts[row * columns + column + 1]; at++) {
          const i = order[at];
          if (touched[column] || at === first) isIn = isInside(near, this.positions[2 * i], this.positions[2 * i + 1]);
          if (isIn) found[i] = 1;
        }
      }
    }
    return numbersOf(found);
  }

  /**
   * How many points lie in a box, and some of them, evenly chosen. Cost: the points of the cells at the edges of the box.
   * @param {Bounds} box
   * @param {number} most
   * @returns {{ seen: number[], n: number }}
   */
  inBox({ left, right, bottom, top }, most) {
    const { columns, starts, order } = this.cells, [first, last] = [this.#column(left), this.#column(right)];
    /** @type {number[][]} from where to where in `order` */
    const runs = [];
    const look = (/** @type {number} */ from, /** @type {number} */ to) => {
      for (let at = from; at < to; at++) {
        const x = this.positions[2 * order[at]], y = this.positions[2 * order[at] + 1];
        if (x >= left && x <= right && y >= bottom && y <= top) runs.push([at, at + 1]);
      }
    };
    for (let row = this.#row(bottom); row <= this.#row(top); row++) {
      const at = row * columns, isEdge = row === this.#row(bottom) || row === this.#row(top) || last - first < 2;
      if (isEdge) look(starts[at + first], starts[at + last + 1]);
      else {
        look(starts[at + first], starts[at + first + 1]);
        runs.push([starts[at + first + 1], starts[at + last]]);
        look(starts[at + last], starts[at + last + 1]);
      }
    }
    const n = runs.reduce((sum, [from, to]) => sum + to - from, 0);
    return { seen: evenly(runs, n, Math.min(most, n)).map((at) => order[at]), n };
  }

  /** @param {number} left @param {number} bottom @param {number} right @param {number} top @param {(i: number, x: number, y: number) => void} visit */
  #eachNear(left, bottom, right, top, visit) {
    for (let row = this.#row(bottom); row <= this.#row(top); row++) this.#eachInRow(row, left, right, visit);
  }

  /** @param {number} row @param {number} left @param {number} right @param {(i: number, x: number, y: number) => void} visit */
  #eachInRow(row, left, right, visit) {
    const { columns, starts, order } = this.cells;
    const end = starts[row * columns + this.#column(right) + 1];
    for (let at = starts[row * columns + this.#column(left)]; at < end; at++) {
      const i = order[at];
      visit(i, this.positions[2 * i], this.positions[2 * i + 1]);
    }
  }

  /** @param {number} x */
  #column(x) {
    const { bounds, columns } = this.cells;
    const column = Math.floor(((x - bounds.left) * columns) / (bounds.right - bounds.left));
    return Math.min(columns - 1, Math.max(0, column));
  }

  /** @param {number} y */
  #row(y) {
    const { bounds, rows } = this.cells;
    return Math.min(rows - 1, Math.max(0, Math.floor(((y - bounds.bottom) * rows) / (bounds.top - bounds.bottom))));
  }
}

/** Numbers that are set in a mask, ascending. @param {Uint8Array} mask */
function numbersOf(mask) {
  let n = 0;
  for (let i = 0; i < mask.length; i++) n += mask[i];
  const numbers = new Uint32Array(n);
  for (let i = 0, at = 0; i < mask.length; i++) if (mask[i]) numbers[at++] = i;
  return numbers;
}

/** Places in runs, about equally far apart. @param {number[][]} runs @param {number} n in all runs @param {number} most at most n */
function evenly(runs, n, most) {
  /** @type {number[]} */
  const places = [];
  let before = 0;
  for (const [from, to] of runs) {
    while (places.length < most) {
      const wanted = Math.floor((places.length * n) / most) - before;
      if (wanted >= to - from) break;
      places.push(from + wanted);
    }
    before += to - from;
  }
  return places;
}

/** Whether a ray to the right crosses the sides an odd number of times. @param {number[][]} sides (x, y, x, y) @param {number} x @param {number} y */
function isInside(sides, x, y) {
  let odd = false;
  for (const [x0, y0, x1, y1] of sides) {
    if (y0 > y !== y1 > y && x < x0 + ((y - y0) * (x1 - x0)) / (y1 - y0)) odd = !odd;
  }
  return odd;
}

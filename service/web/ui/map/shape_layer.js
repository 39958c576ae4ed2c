// The line of a lasso or a box while it is drawn, the lines to neighbors, a ring around the point that is pointed at, and the
// cross that the keyboard moves the map under.

const SVG = "http://www.w3.org/2000/svg";

export class ShapeLayer {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.element = document.createElementNS(SVG, "svg");
    this.element.setAttribute("class", "map-shapes");
    this.element.setAttribute("aria-hidden", "true");
    this.links = document.createElementNS(SVG, "path");
    this.links.setAttribute("class", "map-links");
    this.line = document.createElementNS(SVG, "polygon");
    this.line.setAttribute("class", "map-line");
    this.cross = document.createElementNS(SVG, "path");
    this.cross.setAttribute("class", "map-cross");
    this.spot = document.createElementNS(SVG, "circle");
    this.spot.setAttribute("class", "map-spot");
    this.element.append(this.links, this.line, this.spot, this.cross);
    host.append(this.element);
  }

  /** @param {number[][]} corners CSS pixels; empty for none */
  setLine(corners) {
    this.line.setAttribute("points", corners.map((corner) => corner.join(",")).join(" "));
  }

  /** Lines from the first to each of the others. @param {number[][]} places CSS pixels */
  setLinks([from, ...others]) {
    this.links.setAttribute("d", others.map((to) => `M${from.join(" ")}L${to.join(" ")}`).join(""));
  }

  /** A ring around a point. @param {number[] | null} place CSS pixels @param {number} radius */
  setSpot(place, radius) {
    this.spot.setAttribute("r", place ? String(radius) : "0");
    if (!place) return;
    this.spot.setAttribute("cx", String(place[0]));
    this.spot.setAttribute("cy", String(place[1]));
  }

  /** @param {boolean} shown @param {import("./renderer.js").View} view */
  setCross(shown, { width, height }) {
    const x = width / 2, y = height / 2;
    this.cross.setAttribute("d", shown ? `M${x - 12} ${y}h8m8 0h8M${x} ${y - 12}v8m0 8v8` : "");
  }
}

// The line of a lasso or a box while it is drawn, the lines to neighbors, and the cross that the keyboard moves the map under.

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
    this.element.append(this.links, this.line, this.cross);
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

  /** @param {boolean} shown @param {import("./renderer.js").View} view */
  setCross(shown, { width, height }) {
    const x = width / 2, y = height / 2;
    this.cross.setAttribute("d", shown ? `M${x - 12} ${y}h8m8 0h8M${x} ${y - 12}v8m0 8v8` : "");
  }
}

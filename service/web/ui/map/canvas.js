// The map as a component: the canvas with its tools and the text beside the pointer.
import { html, useEffect, useRef, useState } from "../html.js";
import { MapView } from "./map_view.js";

/** @typedef {import("./pointer.js").Tool} Tool */

/** @type {[Tool, string, string][]} */
const TOOLS = [["pan", "Move", "Drag to move the map"], ["lasso", "Lasso", "Draw around documents to choose them; Shift and drag does it, too"], ["box", "Box", "Drag a box over documents to choose them"]];
const TEXT_CHARS = 220;

/**
 * @param {{
 *   map: import("./data.js").MapData, cells: import("./grid.js").Cells, from: Float32Array | null,
 *   look: Partial<import("./renderer.js").Look>, links: number[], labels: import("./labels_layer.js").Label[],
 *   spot: number, hovered: import("./document_cache.js").Document | null, note: string, summary: string, viewRef: { current: MapView | null },
 *   onHover: (index: number) => void, onPick: (index: number) => void, onSelect: (indices: Uint32Array) => void, onSettle: () => void,
 * }} props `spot`: the point that is pointed at, or -1; `hovered`: its document; `note`: said below its text
 */
export function MapCanvas(props) {
  const { map, cells, from, look, links, labels, spot, hovered, note, summary, viewRef } = props;
  const host = useRef(/** @type {HTMLElement | null} */ (null));
  const latest = useRef(props);
  latest.current = props;
  const [tool, setTool] = useState(/** @type {Tool} */ ("pan"));

  useEffect(() => {
    const view = new MapView(/** @type {HTMLElement} */ (host.current), {
      hover: (index) => latest.current.onHover(index),
      pick: (index) => latest.current.onPick(index),
      select: (indices) => latest.current.onSelect(indices),
      settle: () => {
        // Who moves the map with the keyboard hovers over its middle.
        const middle = view.middle();
        if (middle) latest.current.onHover(view.at(middle[0], middle[1]));
        latest.current.onSettle();
      },
    });
    viewRef.current = view;
    return () => {
      viewRef.current = null;
      view.dispose();
    };
  }, []);
  useEffect(() => viewRef.current?.setPoints(map.positions, { from, cells, keepView: from !== null }), [map]);
  useEffect(() => viewRef.current?.setLook(look), [map, look]);
  useEffect(() => viewRef.current?.setLinks(links), [map, links]);
  useEffect(() => viewRef.current?.setLabels(labels), [labels]);
  useEffect(() => viewRef.current?.setSpot(spot), [map, spot]);
  useEffect(() => {
    if (viewRef.current) viewRef.current.pointer.tool = tool;
  }, [tool]);

  return html`<div class="map-stage">
    <div ref=${host} class=${`map-host map-${tool}`} tabindex="0" role="application" aria-label="Map of the documents" aria-describedby="map-summary map-keys"></div>
    <p id="map-summary" class="spoken">${summary}</p>
    <p id="map-keys" class="spoken">Arrows move the map, plus and minus zoom, 0 shows everything, Enter chooses the document nearest to the middle, Escape lets it go.</p>
    <div class="map-tools" role="toolbar" aria-label="Tools of the map">
      ${TOOLS.map(([one, title, hint]) => html`<button type="button" aria-pressed=${tool === one} title=${hint} onClick=${() => setTool(one)}>${title}</button>`)}
      <span class="map-tools-gap"></span>
      <button type="button" class="icon" aria-label="Nearer" title="Nearer (+)" onClick=${() => viewRef.current?.zoomBy(1.6)}>+</button>
      <button type="button" class="icon" aria-label="Farther" title="Farther (−)" onClick=${() => viewRef.current?.zoomBy(1 / 1.6)}>−</button>
      <button type="button" title="Show everything (0)" onClick=${() => viewRef.current?.fit()}>All</button>
    </div>
    ${hovered && viewRef.current && html`<${Tip} hovered=${hovered} note=${note} place=${viewRef.current.placeOf(spot)} view=${viewRef.current} />`}
  </div>`;
}

/** @param {{ hovered: import("./document_cache.js").Document, note: string, place: number[], view: MapView }} props */
function Tip({ hovered, note, place: [x, y], view }) {
  const { width, height } = view.camera.view;
  if (x < 0 || y < 0 || x > width || y > height) return null;
  const across = x > width / 2 ? { right: `${width - x + 14}px` } : { left: `${x + 14}px` };
  const down = y > height / 2 ? { bottom: `${height - y + 14}px` } : { top: `${y + 14}px` };
  const text = hovered.text ?? "";
  return html`<div class="map-tip" style=${{ ...across, ...down }} aria-hidden="true">
    <strong>${hovered.title || hovered.id}</strong>
    ${text && html`<p>${text.length > TEXT_CHARS ? `${text.slice(0, TEXT_CHARS)} …` : text}</p>`}
    ${note && html`<p class="map-tip-note">${note}</p>`}
  </div>`;
}

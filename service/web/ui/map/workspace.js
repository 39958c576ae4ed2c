// The map with all that is around it: what is colored, what is lit, what was chosen, and the panel that says so.
import { counted, number } from "../format.js";
import { html, useCallback, useEffect, useMemo, useRef, useState } from "../html.js";
import { announce } from "../notices.js";
import { Curl } from "../parts/curl.js";
import { ProblemNote } from "../parts/problem_note.js";
import { setParams } from "../router.js";
import { MapCanvas } from "./canvas.js";
import { columnLook, distanceLook } from "./coloring.js";
import { ColorChoice, DISTANCE, NONE } from "./color_choice.js";
import { mapCall, readDocuments } from "./data.js";
import { DocumentCache } from "./document_cache.js";
import { useColorFields } from "./color_fields.js";
import { DocumentList, useDocument } from "./document_list.js";
import { litOf, markedOf, neighborsOf } from "./emphasis.js";
import { MapNote } from "./map_note.js";
import { MapSearch, useFound } from "./map_search.js";
import { NO_CLASS } from "./palette.js";
import { Picked } from "./picked.js";
import { PointsTable, valueOf } from "./points_table.js";
import { Selection } from "./selection.js";
import { useColors } from "./use_colors.js";
import { useDistances } from "./use_distances.js";
import { useColumn } from "./use_map.js";
import { usePicked } from "./use_picked.js";

const TABLE_ROWS = 50;
const FOUND = 12, NAMED = 6;

/**
 * @param {{ collection: string, params: URLSearchParams, loaded: ReturnType<typeof import("./use_map.js").useMap>,
 *   n_more: number, onReload: () => void }} props `n_more`: documents that came since the map was read; below 0: that went
 */
export function Workspace({ collection, params, loaded, n_more, onReload }) {
  const { cells, from, labels, codes, nBits } = loaded;
  const map = /** @type {import("./data.js").MapData} */ (loaded.map);
  const { numbers } = map;
  const viewRef = useRef(/** @type {import("./map_view.js").MapView | null} */ (null));
  const documents = useMemo(() => new DocumentCache((wanted) => readDocuments(collection, wanted)), [collection, map]);
  const { fields, best } = useColorFields(collection);
  const colors = useColors();
  const color = params.get("color") ?? best ?? NONE, only = params.get("only") ?? "";
  const isDistance = color === DISTANCE;
  const { column, problem } = useColumn(collection, isDistance || color === NONE ? "" : color, map);
  const [hovered, setHovered] = useState(-1);
  const [reference, setReference] = useState(-1);
  const [chosen, setChosen] = useState(/** @type {Uint32Array | null} */ (null));
  const [flipped, setFlipped] = useState(/** @type {Set<number>} */ (new Set()));
  const [seen, setSeen] = useState({ seen: /** @type {number[]} */ ([]), n: 0 });
  const [isTable, setTable] = useState(false);
  const [picked, pick] = usePicked(params.get("id") ?? "", collection, numbers, documents);
  const { found, problem: refused } = useFound(collection, params, numbers);
  const compared = useDistances(codes, nBits, picked >= 0 ? picked : isDistance ? reference : -1, flipped);
  const hoveredDocument = useDocument(hovered, numbers, documents);

  const neighbors = useMemo(() => neighborsOf(compared, picked), [compared, picked]);
  const lit = useMemo(
    () => litOf(numbers.length, { chosen, picked: isDistance ? -1 : picked, neighbors, found, column, only }),
    [numbers, chosen, picked, isDistance, neighbors, found, column, only],
  );
  const look = useMemo(() => {
    const n = numbers.length;
    const distances = compared?.answer.distances.length === n ? compared.answer.distances : new Uint8Array(n).fill(NO_CLASS);
    const painted = isDistance ? distanceLook(distances, nBits, colors.dark) : columnLook(column, n, colors.dark);
    return { ...painted, background: colors.background, ring: colors.ring };
  }, [numbers, column, isDistance, compared, nBits, colors]);
  const whole = useMemo(() => ({ ...look, lit, marked: markedOf(picked, neighbors, found) }), [look, lit, picked, neighbors, found]);
  const links = useMemo(() => (picked >= 0 && !flipped.size ? [picked, ...neighbors] : []), [picked, neighbors]);

  const onHover = useCallback((/** @type {number} */ index) => {
    setHovered(index);
    if (index >= 0) setReference(index);
  }, []);
  const onPick = (/** @type {number} */ index) => {
    setFlipped(new Set());
    setChosen(null);
    pick(index);
  };
  const onFlip = (/** @type {number} */ bit) => {
    const next = new Set(flipped);
    if (!next.delete(bit)) next.add(bit);
    setFlipped(next);
    if (!isDistance) setParams({ color: DISTANCE, only: null }, { replace: true });
  };
  const onSelect = (/** @type {Uint32Array} */ indices) => {
    pick(-1);
    setChosen(indices);
    announce(`${counted(indices.length, "document")} chosen`);
  };
  const onSettle = () => {
    const now = viewRef.current?.inView(TABLE_ROWS) ?? { seen: [], n: 0 };
    setSeen(now);
    if (viewRef.current?.middle()) announce(`${number(now.n)} of ${counted(numbers.length, "document")} in view`);
  };
  useEffect(() => {
    if (hoveredDocument && viewRef.current?.middle()) announce(`In the middle: ${hoveredDocument.title || hoveredDocument.id}`);
  }, [hoveredDocument]);
  useEffect(onSettle, [map]);

  const summary = `${counted(numbers.length, "document")} as points, of which ${number(seen.n)} are in view. ${
    isDistance ? "Colors show the distance of their codes." : column ? `Colors show ${column.field}.` : ""
  }${labels.length ? ` The largest regions: ${labels.slice(0, NAMED).map((label) => label.text).join("; ")}.` : ""} The map as a table has what is in view.`;
  return html`<div class="map full">
    <h1 class="spoken">Map of ${collection}</h1>
    <${MapCanvas} map=${map} cells=${cells} from=${from} look=${whole} links=${links} labels=${labels} spot=${hovered >= 0 ? hovered : picked} hovered=${hovered === picked ? null : hoveredDocument}
      note=${noteOf(hovered, hoveredDocument, column, compared, isDistance)} summary=${summary} viewRef=${viewRef}
      onHover=${onHover} onPick=${onPick} onSelect=${onSelect} onSettle=${onSettle} />
    <aside class="map-panel" aria-label="About the map">
      <${MapSearch} params=${params} n_found=${found?.length ?? null} />
      <${ProblemNote} problem=${refused ?? problem} />
      ${picked < 0 && params.get("id") && html`<p class="hint">${params.get("id")} is not on the map.</p>`}
      ${picked >= 0 &&
      html`<${Picked} collection=${collection} index=${picked} numbers=${numbers} documents=${documents}
        compared=${compared?.index === picked ? compared : null} neighbors=${neighbors} flipped=${flipped}
        onFlip=${onFlip} onReset=${() => setFlipped(new Set())} onPick=${onPick} onHover=${setHovered} />`}
      ${chosen &&
      html`<${Selection} collection=${collection} chosen=${chosen} numbers=${numbers} column=${column} documents=${documents}
        onFit=${() => viewRef.current?.fit(chosen)} onClear=${() => setChosen(null)} />`}
      <${ColorChoice} fields=${fields} color=${color} column=${column} only=${only} palette=${look.palette} nBits=${nBits} isCompared=${compared !== null} />
      ${found && picked < 0 && !chosen &&
      html`<section class="map-part" aria-label="Found">
        <header><h2>Found</h2><button type="button" class="quiet" onClick=${() => viewRef.current?.fit(found)}>Zoom to them</button></header>
        <${DocumentList} label="Found" indices=${found.slice(0, FOUND)} numbers=${numbers} documents=${documents} note=${() => ""} onPick=${onPick} onHover=${setHovered} />
      </section>`}
      ${n_more !== 0 && html`<p class="map-more">${counted(Math.abs(n_more), "document")} ${n_more > 0 ? "came" : "went"} since. <button type="button" class="link" onClick=${onReload}>Load the map again</button></p>`}
      <details class="map-table" onToggle=${(/** @type {any} */ event) => setTable(event.currentTarget.open)}>
        <summary>The map as a table</summary>
        ${isTable && html`<${PointsTable} indices=${seen.seen} n_seen=${seen.n} numbers=${numbers} documents=${documents} field=${column?.field ?? ""}
          distances=${isDistance && compared ? compared.answer.distances : null} onPick=${onPick} />`}
      </details>
      <${MapNote} collection=${collection} space=${params.get("space") ?? ""} map=${map} onReload=${onReload} />
      <${Curl} call=${mapCall(collection, params.get("space") ?? "")} />
    </aside>
  </div>`;
}

/**
 * @param {number} hovered @param {import("./document_cache.js").Document | null} one @param {import("./coloring.js").Column | null} column
 * @param {import("./use_distances.js").Compared | null} compared @param {boolean} isDistance
 */
function noteOf(hovered, one, column, compared, isDistance) {
  if (compared && hovered >= 0 && compared.index !== hovered) return `${counted(compared.answer.distances[hovered], "bit")} from the chosen document`;
  return isDistance || !one || !column ? "" : `${column.field}: ${valueOf(one.metadata, column.field) || "none"}`;
}

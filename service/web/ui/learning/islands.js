// Islands: documents that are not learned from, where their codes lie, per cent by per cent of the training.
import { collectionPath } from "../api.js";
import { useCall } from "../calls.js";
import { useFields } from "../fields.js";
import { counted } from "../format.js";
import { html, useEffect, useMemo, useRef, useState } from "../html.js";
import { N_CATEGORIES } from "../map/palette.js";
import { Table } from "../parts/table.js";
import { href } from "../router.js";
import { axesOf, placesOf, rowsOf } from "./projection.js";

const [WIDTH, HEIGHT] = [640, 400];
const FILLED = 0.46;
const RADIUS = 4.5;
const PLAY_MS = 90;
const AT_ONCE = 100;

/**
 * @typedef {import("./follow.js").TrainingRecord} TrainingRecord
 * @param {{collection: string, records: TrainingRecord[], shown: number, isLast: boolean, onShow: (at: number | null) => void}} props
 */
export function Islands({ collection, records, shown, isLast, onShow }) {
  const [isPlaying, setPlaying] = useState(false);
  const ids = useMemo(() => records.findLast((one) => one.landmarks)?.landmarks || [], [records]);
  const about = useAbout(collection, ids);
  const fields = useFields(collection) || [];
  const [field, setField] = useState(/** @type {string | null} */ (null));
  const colored = field ?? fields[0] ?? "";
  const record = records[shown];
  const points = usePoints(records, record);
  const classes = useMemo(() => classesOf(ids, about, colored), [ids, about, colored]);
  const n_codes = useMemo(() => new Set(record.codes.match(new RegExp(`.{${Math.ceil(record.n_bits / 6)}}`, "g"))).size, [record]);

  useEffect(() => {
    if (!isPlaying) return undefined;
    const timer = setInterval(() => {
      const next = (isLast ? -1 : shown) + 1;
      if (next >= records.length - 1) setPlaying(false);
      onShow(next >= records.length - 1 ? null : next);
    }, PLAY_MS);
    return () => clearInterval(timer);
  }, [isPlaying, shown, isLast, records.length]);

  return html`<div class="card learning-islands">
    <figure>
      <figcaption>
        <h3>Islands</h3>
        <span class="hint">${counted(ids.length, "document")} that it does not learn from, where their ${record.n_bits}-bit codes lie</span>
      </figcaption>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${`Codes of ${ids.length} documents at ${record.number} per cent. The table beside it names them.`}>
        ${points.map(
          ([x, y], n) => html`<circle
            key=${n} class=${`learning-dot dot-${classes.of[n] ?? "none"}`} cx=${WIDTH * (0.5 + FILLED * x)} cy=${HEIGHT * (0.5 - FILLED * y)} r=${RADIUS}
          ><title>${nameOf(ids[n], about)}</title></circle>`,
        )}
      </svg>
      <div class="row learning-time">
        <button type="button" aria-pressed=${isPlaying} onClick=${() => setPlaying(!isPlaying)}>${isPlaying ? "Stop" : "Play"}</button>
        <label>
          <span class="spoken">Per cent of the training</span>
          <input
            type="range" min="0" max=${records.length - 1} value=${shown} aria-valuetext=${`${record.number} per cent`}
            onInput=${(/** @type {any} */ event) => {
              setPlaying(false);
              const at = Number(event.target.value);
              onShow(at >= records.length - 1 ? null : at);
            }}
          />
        </label>
        <output>${record.number} %</output>
      </div>
    </figure>
    <div class="stack learning-legend">
      ${fields.length > 0 &&
      html`<label class="row"><span>Color by</span>
        <select value=${colored} onChange=${(/** @type {any} */ event) => setField(event.target.value)}>
          ${fields.map((name) => html`<option value=${name} selected=${name === colored}>${name}</option>`)}
        </select>
      </label>`}
      <ul>${classes.names.map((name, n) => html`<li><span class=${`learning-key dot-${n}`} aria-hidden="true"></span>${name}</li>`)}</ul>
      <p class="hint">Documents with like codes lie together. ${n_codes === ids.length ? "Each has a code of its own." : ""}</p>
      <details class="numbers">
        <summary>As a table</summary>
        <${Table}
          caption="Documents by code" hideCaption
          columns=${[
            { title: "Document", isHead: true, cell: (/** @type {number} */ n) => html`<a href=${href(collection, "bits", { id: ids[n] })}>${nameOf(ids[n], about)}</a>` },
            { title: colored || "Color", cell: (/** @type {number} */ n) => valueOf(about[ids[n]], colored) ?? "" },
          ]}
          rows=${order(points)} rowKey=${(/** @type {number} */ n) => ids[n] ?? n}
        />
      </details>
    </div>
  </div>`;
}

/** Where the codes of a record lie; the axes are those of the last record of its network, and turn slowly. @param {TrainingRecord[]} records @param {TrainingRecord} record */
function usePoints(records, record) {
  const axes = useRef(/** @type {Record<number, Float32Array[]>} */ ({}));
  const last = records.findLast((one) => one.network === record.network) || record;
  const view = useMemo(() => {
    const rows = rowsOf(last.codes, last.n_bits);
    const found = axesOf(rows, axes.current[last.network] || null);
    axes.current[last.network] = found;
    const places = placesOf(rows, found);
    const reach = [0, 1].map((axis) => Math.max(1e-6, ...places.map((place) => Math.abs(place[axis]))));
    return { found, reach };
  }, [last]);
  return useMemo(() => {
    const within = (/** @type {number} */ value, /** @type {number} */ axis) => Math.max(-1, Math.min(1, value / view.reach[axis]));
    return placesOf(rowsOf(record.codes, record.n_bits), view.found).map(
      ([x, y]) => /** @type {[number, number]} */ ([within(x, 0), within(y, 1)]),
    );
  }, [record, view]);
}

/** Titles and metadata of documents, by id. @param {string} collection @param {string[]} ids @returns {Record<string, any>} */
function useAbout(collection, ids) {
  const call = (/** @type {number} */ from) => {
    const some = ids.slice(from, from + AT_ONCE);
    return some.length ? { path: collectionPath(collection, "documents", "get"), method: "POST", body: { ids: some } } : null;
  };
  const parts = [useCall(call(0)), useCall(call(AT_ONCE)), useCall(call(2 * AT_ONCE))];
  const items = parts.map((part) => part.data?.items || part.data?.documents);
  return useMemo(() => Object.fromEntries(items.flatMap((some) => some || []).map((/** @type {any} */ one) => [one.id, one])), items);
}

/** The commonest values of a field, and which each document has. @param {string[]} ids @param {Record<string, any>} about @param {string} field */
function classesOf(ids, about, field) {
  const values = ids.map((id) => valueOf(about[id], field));
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const value of values) if (value !== null) counts.set(value, (counts.get(value) || 0) + 1);
  const names = [...counts.keys()].sort((a, b) => (counts.get(b) || 0) - (counts.get(a) || 0)).slice(0, N_CATEGORIES);
  return { names, of: values.map((value) => (value === null || !names.includes(value) ? null : names.indexOf(value))) };
}

/** @param {any} document @param {string} field @returns {string | null} */
function valueOf(document, field) {
  let value = document?.metadata;
  for (const name of field.split(".")) value = value?.[name];
  if (Array.isArray(value)) value = value[0];
  return value === undefined || value === null || typeof value === "object" ? null : String(value);
}

/** @param {string | undefined} id @param {Record<string, any>} about */
const nameOf = (id, about) => (id === undefined ? "" : about[id]?.title || id);
/** @param {[number, number][]} points */
const order = (points) => points.map((_, n) => n).sort((a, b) => points[a][0] - points[b][0]);

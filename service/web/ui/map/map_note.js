// How the map was made, how far it can be trusted, and a way to make it anew.
import { collectionPath } from "../api.js";
import { useAction, useCall } from "../calls.js";
import { counted, percent } from "../format.js";
import { html, useEffect, useState } from "../html.js";
import { notify } from "../notices.js";
import { setParams } from "../router.js";
import { mapCall } from "./data.js";

const LOOK_EVERY_MS = 2_000;
/** States in which a space has a code of every document, or had. */
const SHOWN = new Set(["ready", "active", "retired"]);

/** @param {{ collection: string, space: string, map: import("./data.js").MapData, onReload: () => void }} props */
export function MapNote({ collection, space, map, onReload }) {
  const [job, setJob] = useState("");
  const [act, isBusy] = useAction();
  const compute = async () => {
    const started = await act({ path: mapCall(collection).path, method: "POST", body: { version: map.version } });
    if (started) setJob(started.id);
  };
  return html`<div class="map-note">
    <${SpaceChoice} collection=${collection} space=${space} />
    <p class="hint">
      ${counted(map.numbers.length, "document")} of code space ${map.version}.
      ${map.method === "pca"
        ? " This is a first sketch, by the principal components of the codes; the trainer makes a better one."
        : ` Near on the map is near in code, mostly${Number.isNaN(map.trustworthiness) ? "" : `: trustworthiness ${map.trustworthiness.toFixed(2)}`}; distances in bits are exact.`}
      ${map.n_missing > 0 && ` ${counted(map.n_missing, "document")} are not on it yet.`}
    </p>
    ${job
      ? html`<${Progress} id=${job} onDone=${() => {
          setJob("");
          onReload();
        }} />`
      : html`<button type="button" class="link" disabled=${isBusy} onClick=${compute}>Make the map anew</button>`}
  </div>`;
}

/** Which code space's map is seen; from one to another the points move. @param {{ collection: string, space: string }} props */
function SpaceChoice({ collection, space }) {
  const { data } = useCall({ path: collectionPath(collection, "spaces") });
  const shown = (data?.items ?? []).filter((/** @type {any} */ one) => SHOWN.has(one.state));
  if (shown.length < 2) return null;
  return html`<label class="map-color">
    <span>Code space</span>
    <select value=${space} onChange=${(/** @type {any} */ event) => setParams({ space: event.target.value || null })}>
      <option value="">the active one</option>
      ${shown.map((/** @type {any} */ one) => html`<option value=${String(one.version)}>${one.version}, ${one.state}</option>`)}
    </select>
  </label>`;
}

/** @param {{ id: string, onDone: () => void }} props */
function Progress({ id, onDone }) {
  const { data, problem } = useCall({ path: `/v1/jobs/${id}` }, { everyMs: LOOK_EVERY_MS });
  const isOver = problem !== null || (data && data.finished_at !== null);
  useEffect(() => {
    if (data?.error) notify(`The map was not made: ${data.error}`);
    if (isOver) onDone();
  }, [isOver]);
  const { stage, done, total } = data?.progress ?? {};
  return html`<p class="hint" role="status">Making it: ${stage ?? "waiting for the trainer"}${total ? `, ${percent(done / total)}` : ""}</p>`;
}

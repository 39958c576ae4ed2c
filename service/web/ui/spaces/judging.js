// How good code spaces are by what people said: by a label, a metadata field whose values stand for what belongs together.
import { collectionPath } from "../api.js";
import { useAction, useCall } from "../calls.js";
import { useFields } from "../fields.js";
import { percent } from "../format.js";
import { html, useState } from "../html.js";
import { Bars } from "../parts/bars.js";
import { Moment } from "../parts/moment.js";

const EVERY_MS = 3_000;
const MOST = 100;

/** @param {{collection: string, spaces: any[]}} props */
export function Judging({ collection, spaces }) {
  const fields = useFields(collection) || [];
  const [typed, setTyped] = useState("");
  const label = typed || fields[0] || "";
  if (!label) return null;
  const jobs = useCall({ path: collectionPath(collection, "jobs"), params: { kind: "quality", limit: MOST } }, { everyMs: EVERY_MS });
  const jobOf = (/** @type {any} */ space) =>
    (jobs.data?.items || []).find((/** @type {any} */ job) => job.params.version === space.version && job.params.label === label);
  return html`<section class="stack spaces-judging">
    <div class="row">
      <h3>Quality by label</h3>
      <label class="row"><span class="spoken">Label</span>
        <select value=${label} onChange=${(/** @type {any} */ event) => setTyped(event.target.value)}>
          ${fields.map((name) => html`<option value=${name} selected=${name === label}>${name}</option>`)}
        </select>
      </label>
    </div>
    <div class="spaces-balances">
      ${jobs.data && spaces.map((space) => html`<${Judged} key=${`${space.version} ${label}`} collection=${collection} space=${space} label=${label} job=${jobOf(space)} onAsked=${jobs.reload} />`)}
    </div>
  </section>`;
}

/** @param {{collection: string, space: any, label: string, job: any, onAsked: () => void}} props `job`: that judged it, or is to */
function Judged({ collection, space, label, job, onAsked }) {
  const [act, busy] = useAction();
  const asked = { version: space.version, label };
  const path = collectionPath(collection, "quality");
  const report = useCall(job?.state === "succeeded" ? { path, params: asked } : null); // without a report it would be an error
  const isRunning = ["queued", "running"].includes(job?.state);
  const judge = async () => {
    if (await act({ path, method: "POST", body: asked })) onAsked();
  };
  const found = report.data?.report.found.label;
  const untrained = report.data?.report.label.untrained;
  if (found) {
    const bars = [
      { label: `code space ${space.version}`, value: found.mean, low: found.low, high: found.high, text: percent(found.mean, 1) },
      { label: "untrained", value: untrained, text: percent(untrained, 1), tone: /** @type {const} */ ("plain") },
    ];
    return html`<div>
      <${Bars} caption=${`Of the nearest by code, with the same ${label}`} bars=${bars} max=${1} />
      <p class="hint">judged <${Moment} at=${report.data.created_at} /></p>
    </div>`;
  }
  return html`<div class="stack">
    <p class="hint">${job?.error || `Code space ${space.version} was not judged by ${label}.`}</p>
    <p><button type="button" disabled=${busy || isRunning} onClick=${judge}>${isRunning ? "Judging …" : "Judge it"}</button></p>
  </div>`;
}

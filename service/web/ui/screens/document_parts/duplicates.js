// Near duplicates: groups within so many bits, and one document kept of each.
import { collectionPath, json } from "../../api.js";
import { useAction, useCall } from "../../calls.js";
import { counted, number } from "../../format.js";
import { html, useState } from "../../html.js";
import { Choice } from "../../parts/choice.js";
import { Curl } from "../../parts/curl.js";
import { Dialog } from "../../parts/dialog.js";
import { Empty } from "../../parts/empty.js";
import { JobLine } from "../../parts/job_line.js";
import { Moment } from "../../parts/moment.js";
import { ProblemNote } from "../../parts/problem_note.js";
import { setParams } from "../../router.js";
import { Group } from "./group.js";

const PAGE = 20;
const WORD_BITS = 64;
/** @type {[string, string][]} */
const BY = [["words", "Nearly the same text"], ["code", "The same code"]];
/** @type {[string, string][]} */
const KEEP = [["first", "the first"], ["longest", "the longest"], ["newest", "the newest"]];

/** @param {{collection: string, about: import("../../types.js").CollectionDetail, params: URLSearchParams, onChange: () => void}} props */
export function Duplicates({ collection, about, params, onChange }) {
  const cursor = params.get("cursor");
  const job = params.get("job");
  const path = collectionPath(collection, "duplicates");
  // Before the first search there are no groups, and to ask for them would be an error.
  const searches = useCall({ path: collectionPath(collection, "jobs"), params: { kind: "duplicates", limit: 1 } });
  const isThere = searches.data?.items.some((/** @type {any} */ one) => one.state === "succeeded");
  const groups = useCall(isThere ? { path, params: { limit: PAGE, cursor } } : null);
  const ended = () => {
    setParams({ job: null, cursor: null }, { replace: true });
    searches.reload();
    groups.reload();
  };
  const changed = () => {
    groups.reload();
    onChange();
  };
  return html`<div class="stack">
    <${LookForm} key=${groups.data?.job} collection=${collection} about=${about} last=${groups.data?.params} />
    ${job && html`<div class="card"><${JobLine} key=${job} id=${job} onEnd=${ended} /></div>`}
    ${groups.problem && groups.problem.status !== 404 && html`<${ProblemNote} problem=${groups.problem} />`}
    ${groups.data && html`<${Groups} collection=${collection} data=${groups.data} onChange=${changed} />`}
    ${groups.data?.next_cursor && html`<p><button type="button" onClick=${() => setParams({ cursor: groups.data.next_cursor })}>Next groups</button></p>`}
  </div>`;
}

/** @param {{collection: string, about: import("../../types.js").CollectionDetail, last: any}} props */
function LookForm({ collection, about, last }) {
  const isText = about.kind === "text";
  const [by, setBy] = useState(last?.by || (isText ? "words" : "code"));
  const [radius, setRadius] = useState(last?.radius ?? 2);
  const [keep, setKeep] = useState(last?.keep || "first");
  const [act, isActing] = useAction();
  const most = (by === "words" ? WORD_BITS : about.n_bits) / 8;
  const body = { radius: Math.min(radius, most), by, keep };
  const call = { path: collectionPath(collection, "duplicates"), method: "POST", body };
  const look = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const job = await act(call);
    if (job) setParams({ job: job.id }, { replace: true });
  };
  return html`<form class="card stack" onSubmit=${look}>
    <div class="row duplicates-form">
      ${isText && html`<${Choice} label="Compared by" options=${BY} value=${by} onChange=${setBy} />`}
      <label class="row">At most
        <input type="range" min="0" max=${most} step="1" value=${body.radius} aria-label="Bits apart" onInput=${(/** @type {any} */ event) => setRadius(Number(event.target.value))} />
        <output>${counted(body.radius, "bit")} apart</output>
      </label>
      <label class="row">keep
        <select value=${keep} onChange=${(/** @type {any} */ event) => setKeep(event.target.value)}>
          ${KEEP.map(([value, title]) => html`<option value=${value} selected=${value === keep}>${title}</option>`)}
        </select>
      </label>
      <button type="submit" class="primary" disabled=${isActing}>Find groups</button>
    </div>
    ${by === "code" && html`<p class="hint">Learned codes say the topic: documents of one topic may share a code and yet say different things.</p>`}
    <${Curl} call=${call} />
  </form>`;
}

/** @param {{collection: string, data: any, onChange: () => void}} props */
function Groups({ collection, data, onChange }) {
  const [isAsked, setAsked] = useState(false);
  if (data.items.length === 0) {
    return html`<${Empty} title="No near duplicates"><p>No two documents lie within ${counted(data.params.radius, "bit")}.</p><//>`;
  }
  const n_extra = data.items.reduce((/** @type {number} */ n, /** @type {any} */ group) => n + group.documents.length - 1, 0);
  return html`<section class="stack" aria-label="Groups">
    <div class="row">
      <p>${counted(data.n_groups, "group")} with ${counted(data.n_documents, "document")} <span class="soft">found <${Moment} at=${data.finished_at} /></span></p>
      <span class="space"></span>
      <button type="button" class="danger" onClick=${() => setAsked(true)}>Keep one of each group here</button>
    </div>
    ${data.items.map((/** @type {any} */ group) => html`<${Group} key=${group.representative} collection=${collection} group=${group} onKeep=${() => keepOne(collection, [group]).then(onChange)} />`)}
    ${isAsked && html`<${Dialog} title="Keep one of each group?" onClose=${() => setAsked(false)}>
      <p>${counted(n_extra, "document")} of ${counted(data.items.length, "group")} on this page are deleted for good; the first of each group stays.</p>
      <div class="dialog-end">
        <button type="button" onClick=${() => setAsked(false)}>Keep all</button>
        <button type="button" class="danger primary" onClick=${() => {
          setAsked(false);
          void keepOne(collection, data.items).then(onChange);
        }}>Delete ${number(n_extra)}</button>
      </div>
    <//>`}
  </section>`;
}

/**
 * Delete all documents of each group but its representative. A group whose representative is gone meanwhile is left as it
 * is, so that the last copy is never deleted.
 * @param {string} collection
 * @param {{representative: string, documents: {id: string}[]}[]} groups
 */
export async function keepOne(collection, groups) {
  const path = collectionPath(collection, "documents");
  for (const group of groups) {
    const { missing } = await json({ path: `${path}/get`, method: "POST", body: { ids: [group.representative] } });
    const ids = group.documents.map((one) => one.id).filter((id) => id !== group.representative);
    if (missing.length === 0 && ids.length > 0) await json({ path: `${path}/delete`, method: "POST", body: { ids } });
  }
}

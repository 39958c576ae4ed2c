// What would change if another code space took over: whose ten nearest, and how.
import { collectionPath } from "../api.js";
import { useAction, useCall } from "../calls.js";
import { counted, number, percent } from "../format.js";
import { html, useState } from "../html.js";
import { Choice } from "../parts/choice.js";
import { ProblemNote } from "../parts/problem_note.js";
import { Table } from "../parts/table.js";
import { href, setParams } from "../router.js";

const FEW = 3;
const MOST_ROWS = 5;

/** @param {{collection: string, space: any, active: any, onChanged: () => void}} props */
export function Preview({ collection, space, active, onChanged }) {
  const { data, problem, busy } = useCall({ path: collectionPath(collection, "spaces", String(space.version), "preview") });
  const [act, isActing] = useAction();
  const [of, setOf] = useState("documents");
  const found = data && ((of === "queries" && data.queries) || data.documents);
  const close = () => setParams({ preview: null });
  const promote = async () => {
    const done = await act({ path: collectionPath(collection, "spaces", String(space.version), "promote"), method: "POST" }, `Code space ${space.version} takes over.`);
    if (!done) return;
    onChanged();
    close();
  };
  return html`<section class="card stack spaces-preview" aria-label="Preview">
    <div class="row">
      <h2>If ${space.version} took the place of ${active.version}</h2>
      <span class="spaces-space"></span>
      <button type="button" class="quiet" onClick=${close}>Close</button>
      <button type="button" class="primary" disabled=${isActing || space.state === "active"} onClick=${promote}>Promote ${space.version}</button>
    </div>
    <${ProblemNote} problem=${problem} />
    ${busy && !data && html`<p class="hint">Asking a sample of documents in both spaces …</p>`}
    ${data?.queries &&
    html`<${Choice} label="Asked by" options=${[["documents", "A sample of documents"], ["queries", "The last queries"]]} value=${of} onChange=${setOf} />`}
    ${found && html`<${Changes} collection=${collection} found=${found} k=${data.k} isOfDocuments=${found === data.documents} />`}
  </section>`;
}

/** @param {{collection: string, found: any, k: number, isOfDocuments: boolean}} props */
function Changes({ collection, found, k, isOfDocuments }) {
  const most = Math.max(...found.histogram, 1);
  const link = (/** @type {string} */ id) => html`<a href=${href(collection, "documents", { id })}>${id}</a>`;
  const list = (/** @type {string[]} */ ids) => html`<ul class="spaces-ids">
    ${ids.slice(0, FEW).map((id) => html`<li key=${id}>${link(id)}</li>`)}
    ${ids.length > FEW && html`<li class="soft">and ${ids.length - FEW} more</li>`}
  </ul>`;
  const columns = [
    { title: isOfDocuments ? "Document" : "Query", isHead: true, cell: (/** @type {any} */ one) => (isOfDocuments ? link(one.asked) : one.asked) },
    { title: "Stay", isNumber: true, cell: (/** @type {any} */ one) => html`<span class="spaces-nowrap">${one.overlap} of ${k}</span>` },
    { title: "Leave", cell: (/** @type {any} */ one) => list(one.leave) },
    { title: "Come", cell: (/** @type {any} */ one) => list(one.come) },
  ];
  return html`<p>
      Of the ${k} nearest of ${counted(found.n, isOfDocuments ? "document" : "query", isOfDocuments ? "documents" : "queries")},
      ${" "}<b>${percent(found.overlap)}</b> would stay. A low share is no fault: codes learned for topics find other documents than codes of words alone.
    </p>
    <figure>
      <figcaption class="hint">How many of the ${k} nearest stay, and for how many</figcaption>
      <dl class="spaces-stay">
        ${found.histogram.map(
          (/** @type {number} */ n, /** @type {number} */ stay) => html`<div key=${stay}>
            <dd><span class="spaces-column" aria-hidden="true"><span style=${{ height: `${(100 * n) / most}%` }}></span></span>${number(n)}</dd>
            <dt>${stay}<span class="spoken"> stay</span></dt>
          </div>`,
        )}
      </dl>
    </figure>
    ${found.worst.length > 0 && html`<${Table} caption="Those of which most would change" columns=${columns} rows=${found.worst.slice(0, MOST_ROWS)} rowKey=${(/** @type {any} */ one) => one.asked} />`}`;
}

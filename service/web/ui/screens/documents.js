// Documents: browse them with filters, read one, change it, put in more, and find those that are nearly equal.
import { collectionPath } from "../api.js";
import { useCall } from "../calls.js";
import { number } from "../format.js";
import { html } from "../html.js";
import { Choice } from "../parts/choice.js";
import { ProblemNote } from "../parts/problem_note.js";
import { go, href } from "../router.js";
import { Browse } from "./document_parts/browse.js";
import { Duplicates } from "./document_parts/duplicates.js";
import { Import } from "./document_parts/import.js";
import { DocumentView } from "./document_parts/view.js";

/** @type {[string, string][]} */
const VIEWS = [["browse", "Browse"], ["put", "Put in"], ["duplicates", "Near duplicates"]];

/** @type {import("../screens.js").ScreenComponent} */
export default function Documents({ collection, params }) {
  const about = useCall({ path: collectionPath(collection) });
  const id = params.get("id");
  if (about.problem) return html`<${ProblemNote} problem=${about.problem} />`;
  if (!about.data) return html`<p class="loading">Loading …</p>`;
  if (id) return html`<${DocumentView} key=${id} collection=${collection} id=${id} about=${about.data} onChange=${about.reload} />`;
  const wanted = params.get("view") || (about.data.n_documents === 0 ? "put" : "browse");
  const view = VIEWS.some(([one]) => one === wanted) ? wanted : "browse";
  const choose = (/** @type {string} */ one) => go(href(collection, "documents", { view: one }));
  return html`<div class="documents stack">
    <header class="head">
      <h1>Documents</h1>
      <p class="hint">${number(about.data.n_documents)} in ${collection}</p>
      <${Choice} label="What to do" options=${VIEWS} value=${view} onChange=${choose} />
    </header>
    ${view === "browse" && html`<${Browse} collection=${collection} params=${params} />`}
    ${view === "put" && html`<${Import} collection=${collection} about=${about.data} job=${params.get("job")} onChange=${about.reload} />`}
    ${view === "duplicates" && html`<${Duplicates} collection=${collection} about=${about.data} params=${params} onChange=${about.reload} />`}
  </div>`;
}


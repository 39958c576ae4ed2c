// A page of the documents of a collection, narrowed by filters and in a chosen order. Only that page is held.
import { collectionPath } from "../../api.js";
import { useCall } from "../../calls.js";
import { useFields } from "../../fields.js";
import { number } from "../../format.js";
import { html } from "../../html.js";
import { Curl } from "../../parts/curl.js";
import { Empty } from "../../parts/empty.js";
import { Facets } from "../../parts/facets.js";
import { flowing } from "../../parts/long_text.js";
import { Moment } from "../../parts/moment.js";
import { Picture } from "../../parts/picture.js";
import { ProblemNote } from "../../parts/problem_note.js";
import { href, setParams } from "../../router.js";

const PAGE = 25;
const MOST_CHARS = 240;

/** @param {{collection: string, params: URLSearchParams}} props */
export function Browse({ collection, params }) {
  const fields = useFields(collection);
  const where = params.getAll("where");
  const cursor = params.get("cursor");
  const sort = params.get("sort");
  const call = fields && {
    path: collectionPath(collection, "documents"),
    params: { limit: PAGE, where, sort, facets: fields.join(","), cursor },
  };
  const { data, problem, isOld } = useCall(call);
  const n_all = data?.total;
  return html`
    <${ProblemNote} problem=${problem} />
    ${fields && fields.length > 0 && html`<${Sort} fields=${fields} sort=${sort} />`}
    ${data && data.items.length === 0 && html`<${Empty} title="No document passes">
      <button type="button" onClick=${() => setParams({ where: null, cursor: null })}>Remove the filters</button>
    <//>`}
    ${data && html`<div class=${`search-body ${isOld ? "search-old" : ""}`}>
      <aside aria-label="Filters"><${Facets} facets=${data.facets} where=${where} n_matching=${n_all ?? data.items.length} /></aside>
      <div class="stack">
        ${n_all !== undefined && where.length > 0 && html`<p class="soft">${number(n_all)} pass</p>`}
        <ul class="documents-list">
          ${data.items.map((/** @type {any} */ one) => html`<${Row} key=${one.id} collection=${collection} document=${one} />`)}
        </ul>
        <nav class="row" aria-label="Pages">
          ${cursor && html`<button type="button" onClick=${() => setParams({ cursor: null })}>First page</button>`}
          ${data.next_cursor && html`<button type="button" onClick=${() => setParams({ cursor: data.next_cursor })}>Next page</button>`}
        </nav>
      </div>
    </div>`}
    <${Curl} call=${call} />
  `;
}

/** @param {{fields: string[], sort: string | null}} props */
function Sort({ fields, sort }) {
  const options = fields.flatMap((field) => [[field, `${field}, ascending`], [`-${field}`, `${field}, descending`]]);
  const change = (/** @type {any} */ event) => setParams({ sort: event.target.value, cursor: null });
  return html`<label class="row soft">Order
    <select value=${sort || ""} onChange=${change}>
      <option value="">of arrival</option>
      ${options.map(([value, title]) => html`<option value=${value} selected=${value === sort}>${title}</option>`)}
    </select>
  </label>`;
}

/** @param {{collection: string, document: any}} props */
function Row({ collection, document }) {
  return html`<li>
    <div class="result-head">
      <h2><a href=${href(collection, "documents", { id: document.id })}>${document.title || document.id}</a></h2>
      <span class="soft"><${Moment} at=${document.updated_at} /></span>
    </div>
    ${document.image
      ? html`<${Picture} image=${document.image} label=${`The picture ${document.id}`} />`
      : html`<p class="long-text cut cut-2 soft">${flowing(document.text || "").slice(0, MOST_CHARS)}</p>`}
  </li>`;
}

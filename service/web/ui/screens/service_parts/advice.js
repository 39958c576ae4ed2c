// Which collections should learn new codes, and why: what the drift figures say, in words.
import { collectionPath } from "../../api.js";
import { useCall } from "../../calls.js";
import { number, percent } from "../../format.js";
import { html } from "../../html.js";
import { Tag } from "../../parts/tag.js";
import { href } from "../../router.js";

const MOST = 20;

export function Advice() {
  const { data } = useCall({ path: "/v1/collections", params: { limit: MOST } });
  if (!data || data.items.length === 0) return null;
  return html`<section class="card stack" aria-label="Codes">
    <h2>Do the codes still fit?</h2>
    <ul class="stack">
      ${data.items.map((/** @type {{name: string}} */ one) => html`<${OneAdvice} key=${one.name} name=${one.name} />`)}
    </ul>
    ${data.next_cursor && html`<p class="hint">The first ${MOST} collections.</p>`}
  </section>`;
}

/** @param {{name: string}} props */
function OneAdvice({ name }) {
  const { data } = useCall({ path: collectionPath(name) });
  if (!data) return html`<li>${name}</li>`;
  const isAdvised = data.retrain_advised.length > 0;
  const facts = factsOf(data.drift);
  return html`<li>
    <p class="row">
      <b>${name}</b>
      ${isAdvised ? html`<${Tag} tone="warn">retrain advised<//> <a href=${href(name, "learning")}>Learn codes</a>` : data.drift.n_learned !== null && html`<${Tag} tone="good">they fit<//>`}
    </p>
    ${data.retrain_advised.map((/** @type {string} */ why) => html`<p>${why}</p>`)}
    ${facts.length > 0 && html`<p class="soft">${facts.join("; ")}</p>`}
  </li>`;
}

/** @param {any} drift */
function factsOf(drift) {
  const facts = [];
  if (drift.n_learned === null) facts.push("the codes are not learned");
  else facts.push(`learned when there were ${number(drift.n_learned)} documents`);
  if (drift.growth) facts.push(`${percent(drift.growth)} ${drift.growth > 0 ? "more" : "fewer"} since`.replace("-", ""));
  if (drift.unknown_documents !== null) facts.push(`${percent(drift.unknown_documents, 1)} of the new documents have no known word`);
  if (drift.unknown_queries !== null) facts.push(`${percent(drift.unknown_queries, 1)} of the queries have no known word`);
  if (drift.far_queries !== null) facts.push(`${percent(drift.far_queries, 1)} of the queries are far from every document`);
  if (drift.bit_shift !== null) facts.push(`bits of new documents have shifted by ${drift.bit_shift.toFixed(2)} on average (above .15 a retrain is advised)`);
  return facts;
}
